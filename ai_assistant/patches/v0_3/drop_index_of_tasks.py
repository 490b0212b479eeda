import frappe


def execute() -> None:
	"""Drops the index of a user's task, which is the beginning of another by now (`ai_request.on_doctype_update`)."""
	if frappe.db.has_index("tabAI Request", "user_task_id_index"):
		# The query builder drops no index.
		# nosemgrep: frappe-using-db-sql
		frappe.db.sql_ddl("alter table `tabAI Request` drop index user_task_id_index")
