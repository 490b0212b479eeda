import json

import frappe

COPIES = "Deleted Document"


def execute() -> None:
	"""Empties the content in Frappe's copies of deleted requests and events, and the payload in those of deliveries.

	Older versions left them in the copy. A System Manager read the content there and View Log got no row
	(`ai_assistant.view_log`). The payload names the user, also after the person was erased.
	"""
	contents = {doctype: _content_fields(doctype) for doctype in ("AI Request", "AI Request Event")}
	for doctype, content in {**contents, "AI Webhook Delivery": {"payload"}}.items():
		for copy in frappe.get_all(COPIES, {"deleted_doctype": doctype}, pluck="name", limit=0):
			# One at a time, because all answers of a site may be in them.
			data = frappe.db.get_value(COPIES, copy, "data")
			values = json.loads(data) if data else {}
			emptied = {name: None if name in content else value for name, value in values.items()}
			if emptied != values:
				data = json.dumps(emptied, indent=1)
				frappe.db.set_value(COPIES, copy, "data", data, update_modified=False)


def _content_fields(doctype: str) -> set[str]:
	return {field.fieldname for field in frappe.get_meta(doctype).get_high_permlevel_fields()}
