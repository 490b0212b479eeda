app_name = "ai_assistant"
app_title = "AI Assistant"
app_publisher = "AI Assistant maintainers"
app_description = (
	"A streaming AI backend: reasoning and answers over Frappe's realtime while a model writes them"
)
app_license = "mit"

# Frappe checks the annotations of whitelisted methods, and so does our linter.
export_python_type_annotations = True
require_type_annotated_api_methods = True

# pyproject.toml names the version of Frappe; no other app is needed.
required_apps: list[str] = []

add_to_apps_screen = [
	{
		"name": "ai_assistant",
		"logo": "/assets/ai_assistant/images/ai_assistant.svg",
		"title": "AI Assistant",
		"route": "/app/ai-assistant",
		"has_permission": "ai_assistant.permissions.may_use",
	}
]

before_install = "ai_assistant.install.before_install"
after_install = "ai_assistant.install.after_install"
after_migrate = "ai_assistant.install.after_migrate"
before_uninstall = "ai_assistant.install.before_uninstall"
after_uninstall = "ai_assistant.install.after_uninstall"

auth_hooks = ["ai_assistant.keys.authenticate"]

before_request = [
	# gunicorn has no hook for a new process, so its first request starts the preparations.
	"ai_assistant.gateway.warm",
	"ai_assistant.api.short_address.expand",
	"ai_assistant.keys.drop_elsewhere",
	"ai_assistant.api.v1.before_request",
]
after_request = ["ai_assistant.api.v1.after_request", "ai_assistant.api.memory.free_request"]

website_route_rules = [{"from_route": "/ai-assistant/connect", "to_route": "ai-assistant-connect"}]

permission_query_conditions = {
	"AI Request": "ai_assistant.permissions.rows_of",
	"AI Request Event": "ai_assistant.permissions.events_of",
	"AI Usage": "ai_assistant.permissions.rows_of",
	"AI Key": "ai_assistant.permissions.rows_of",
}
has_permission = {
	"AI Request": "ai_assistant.permissions.is_own",
	"AI Request Event": "ai_assistant.permissions.is_own_event",
	"AI Usage": "ai_assistant.permissions.is_own",
	"AI Key": "ai_assistant.permissions.is_own",
}
standard_queries = dict.fromkeys(
	("AI Request", "AI Request Event", "AI Usage", "AI Key"),
	"ai_assistant.ai_assistant.doctype.ai_request.ai_request.find",
)
# Each form shows the chats that belong to its document.
additional_timeline_content = {"*": ["ai_assistant.ai_assistant.doctype.ai_request.ai_request.timeline_of"]}
override_whitelisted_methods = {
	# The base address of the standard APIs.
	"ai_assistant.v1": "ai_assistant.api.v1.serve",
}

# Requests and usage do not keep a user or an AI Key from being deleted.
ignore_links_on_delete = ["AI Request", "AI Usage"]

# In days. Log Settings copies them, and an administrator can change them there.
default_log_clearing_doctypes = {
	"AI Request": 30,
	"AI Request Event": 1,
	"AI Usage": 400,
	"AI Alert": 90,
	"AI Webhook Delivery": 30,
}
# For Frappe's Personal Data Download Request and Personal Data Deletion Request. Frappe needs `redact_fields` for a
# DocType without text fields; `erase_requested` deletes the rows before Frappe redacts them.
user_data_fields = [
	{"doctype": "AI Request", "filter_by": "user", "redact_fields": ["excerpt"]},
	{"doctype": "AI Request Event", "filter_by": "owner", "redact_fields": ["text"]},
	{"doctype": "AI Usage", "filter_by": "user", "redact_fields": ["requests"]},
	{"doctype": "AI Key", "filter_by": "user", "redact_fields": ["label"]},
]
doc_events = {
	"Personal Data Deletion Request": {"on_update": "ai_assistant.operations.personal_data.erase_requested"},
	"Scheduled Job Type": {"before_save": "ai_assistant.operations.scheduled.keep_no_log"},
	("AI Assistant Settings", "AI MCP Server", "AI Model Alias", "AI Provider"): {
		"on_change": "ai_assistant.config.forms.changed",
		"after_delete": "ai_assistant.config.forms.changed",
	},
}
scheduler_events = {"cron": {"* * * * *": ["ai_assistant.operations.scheduled.run"]}}
