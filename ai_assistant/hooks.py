app_name = "ai_assistant"
app_title = "AI Assistant"
app_publisher = "AI Assistant maintainers"
app_description = "A streaming AI backend: reasoning and answers over Frappe's realtime, as they are written"
app_email = "maintainers@ai-assistant.invalid"
app_license = "mit"

# Frappe checks the annotations of whitelisted methods, and so does our linter.
export_python_type_annotations = True
require_type_annotated_api_methods = True
