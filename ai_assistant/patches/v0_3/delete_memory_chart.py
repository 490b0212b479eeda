import frappe


def execute() -> None:
	"""Deletes the chart of memory, whose figures are no longer stored. Prometheus' process metrics replace it."""
	frappe.delete_doc("Dashboard Chart", "AI Memory by Day", ignore_missing=True, force=True)
