import frappe


def execute() -> None:
	"""Drops an index that a longer one replaces (`ai_request.on_doctype_update`)."""
	if frappe.db.has_index("tabAI Request", "user_task_id_index"):
		# The query builder drops no index.
		# nosemgrep: frappe-using-db-sql
		frappe.db.sql_ddl("alter table `tabAI Request` drop index user_task_id_index")
