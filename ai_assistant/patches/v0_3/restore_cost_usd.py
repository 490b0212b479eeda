import frappe


def execute() -> None:
	"""Restores costs to nine decimal places from `usage`. A column of six places had cut them."""
	# The query builder knows no json_value.
	frappe.db.sql(  # nosemgrep: frappe-using-db-sql
		"""update `tabAI Request` set cost_usd = json_value(`usage`, '$.cost_usd')
		where json_valid(`usage`) and json_value(`usage`, '$.cost_usd') > 0
		and cost_usd != cast(json_value(`usage`, '$.cost_usd') as decimal(21, 9))"""
	)
