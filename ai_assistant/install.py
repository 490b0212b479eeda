"""What the app creates on a site, repairs at each migrate, and deletes at uninstall. Every step can be repeated."""

import json
from collections.abc import Iterator
from pathlib import Path

import frappe
from frappe import _

from ai_assistant.ai_assistant.doctype.ai_request import ai_request
from ai_assistant.ai_assistant.doctype.ai_request_event import ai_request_event
from ai_assistant.ai_assistant.doctype.ai_usage import ai_usage
from ai_assistant.ai_assistant.doctype.ai_webhook_delivery import ai_webhook_delivery
from ai_assistant.config.forms import know_encryption_key
from ai_assistant.config.sections import MODES
from ai_assistant.operations import canary_user
from ai_assistant.permissions import MANAGER, USER

APP, MODULE = "ai_assistant", "AI Assistant"
FIRST_STEPS = "AI Assistant First Steps"
# Frappe's DocTypes with records about documents, and the field that names the document's DocType.
RECORDS = {
	"Comment": "reference_doctype",
	"Document Follow": "ref_doctype",
	"DocShare": "share_doctype",
	"Logs To Clear": "ref_doctype",
	"Notification Log": "document_type",
	"Tag Link": "document_type",
	"Version": "ref_doctype",
	"View Log": "reference_doctype",
}


def before_install() -> None:
	"""Raises ValidationError on PostgreSQL. The SQL of ai_assistant/store/frappe_store needs MariaDB."""
	if frappe.conf.db_type == "postgres":
		frappe.throw(_("AI Assistant needs a site on MariaDB; this one is on PostgreSQL."))


def after_install() -> None:
	"""Creates the role, the settings with the two modes, the encryption key, and the user of the canary.

	What exists stays as it is, but the canary's user gets a new API secret.
	"""
	_make_role()
	_make_settings()
	_make_first_steps()
	know_encryption_key()
	canary_user.create()


def after_migrate() -> None:
	"""Repeats `after_install`, and restores the indexes and collations, which a restored backup may lack."""
	after_install()
	ai_request.on_doctype_update()
	ai_request_event.on_doctype_update()
	ai_usage.on_doctype_update()
	ai_webhook_delivery.on_doctype_update()


def before_uninstall() -> None:
	"""Deletes what Frappe leaves behind: records about the app's documents and patches, its settings, passwords, jobs and role.

	Frappe deletes the DocTypes with their tables, Custom Fields, Property Setters, Client Scripts and Reports, and what
	belongs to the module (frappe/installer.py `remove_app`, frappe/model/delete_doc.py). Documents of others that name
	a DocType or the role of this app stay as they are, as after the uninstall of any app: without its role, a document
	might permit more users. Frappe also calls this in a dry run, which it does not commit.
	"""
	doctypes = frappe.get_all("DocType", filters={"module": MODULE}, pluck="name")
	workspaces = frappe.get_all("Workspace", filters={"module": MODULE}, pluck="name")
	if doctypes:
		for doctype, field in RECORDS.items():
			frappe.db.delete(doctype, {field: ("in", doctypes)})
		frappe.db.delete("Singles", {"doctype": ("in", doctypes)})
		frappe.db.delete("DefaultValue", {"defkey": ("in", doctypes)})
		frappe.db.delete("Deleted Document", {"deleted_doctype": ("in", doctypes)})
		for table in ("__Auth", "__UserSettings", "__global_search"):
			frappe.db.delete(table, {"doctype": ("in", doctypes)})
	jobs = frappe.get_all("Scheduled Job Type", filters={"method": ("like", f"{APP}.%")}, pluck="name")
	if jobs:
		frappe.db.delete("Scheduled Job Log", {"scheduled_job_type": ("in", jobs)})
		frappe.db.delete("Scheduled Job Type", {"name": ("in", jobs)})
	if workspaces:
		frappe.db.set_value("User", {"default_workspace": ("in", workspaces)}, "default_workspace", None)
	frappe.db.set_value("User", {"default_app": APP}, "default_app", None)
	frappe.db.delete("Singles", {"field": "default_app", "value": APP})
	for grant in ("Has Role", "DocPerm", "Custom DocPerm"):
		frappe.db.delete(grant, {"role": USER})
	# Otherwise Frappe would skip these patches when the site has installed an older version and upgrades it.
	frappe.db.delete("Patch Log", {"patch": ("like", f"{APP}.patches.%")})
	_delete("Role", USER)
	_delete("User", canary_user.USER)
	_delete("Custom HTML Block", FIRST_STEPS)
	leave_desktop()


def leave_desktop() -> None:
	"""Deletes the app's icon on Frappe 16's desktop and its sidebar, with the changes that users made to it.

	It deletes rows and not documents: on a bench in developer mode, a deleted document deletes the file of the app.
	"""
	frappe.db.delete("Desktop Icon", {"app": APP})
	# Frappe 15 has no sidebars.
	if not frappe.db.table_exists("Workspace Sidebar"):
		return
	for field, ours in (("app", APP), ("module", MODULE)):
		sidebars = frappe.get_all("Workspace Sidebar", filters={field: ours}, pluck="name")
		if sidebars:
			frappe.db.delete("Workspace Sidebar Item", {"parent": ("in", sidebars)})
			frappe.db.delete("Workspace Sidebar", {"name": ("in", sidebars)})


def after_uninstall() -> None:
	"""Deletes the copies that Frappe made of the documents that the app shipped."""
	if APP in frappe.get_installed_apps():
		# In a dry run there are no copies.
		return
	for doctype, name in shipped():
		frappe.db.delete("Deleted Document", {"deleted_doctype": doctype, "deleted_name": name})
	# Frappe does not commit after this hook.
	frappe.db.commit()  # nosemgrep: frappe-manual-commit


def shipped() -> Iterator[tuple[str, str]]:
	"""Yields the DocType and the name of each document in the app's files: DocTypes, reports, charts and the module."""
	yield "Module Def", MODULE
	for file in Path(frappe.get_app_path(APP)).glob("**/*.json"):
		document = json.loads(file.read_text())
		if isinstance(document, dict) and {"doctype", "name"} <= document.keys():
			yield document["doctype"], document["name"]


def _make_role() -> None:
	if not frappe.db.exists("Role", USER):
		role = frappe.get_doc({"doctype": "Role", "role_name": USER, "desk_access": 1})
		role.insert(ignore_permissions=True)


def _make_settings() -> None:
	settings = frappe.get_single("AI Assistant Settings")
	there = {row.mode for row in settings.modes}
	missing = [mode for mode in MODES if mode.name not in there]
	for mode in missing:
		settings.append(
			"modes",
			{
				"mode": mode.name,
				"system_prompt": mode.system_prompt,
				"reasoning_effort": mode.reasoning_effort,
			},
		)
	# Frappe does not set the defaults of new fields in a Single that exists.
	new = [field for field in settings.meta.fields if field.default and settings.get(field.fieldname) is None]
	for field in new:
		settings.set(field.fieldname, field.default)
	if missing or new:
		settings.save(ignore_permissions=True)


def _make_first_steps() -> None:
	"""Creates or updates the block of the workspace. Frappe does not read a Custom HTML Block from an app's files."""
	script = Path(frappe.get_app_path(APP, MODULE, "workspace", MODULE, "first_steps.js")).read_text()
	if frappe.db.exists("Custom HTML Block", FIRST_STEPS):
		frappe.db.set_value("Custom HTML Block", FIRST_STEPS, "script", script)
		return
	block = frappe.new_doc("Custom HTML Block", html='<div class="steps"></div>', script=script)
	block.name = FIRST_STEPS
	block.append("roles", {"role": MANAGER})
	block.insert(ignore_permissions=True)


def _delete(doctype: str, name: str) -> None:
	frappe.delete_doc(
		doctype, name, force=True, ignore_permissions=True, ignore_on_trash=True, delete_permanently=True
	)
