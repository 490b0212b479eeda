"""The card of the budget of this month, on the workspace AI Assistant."""

import frappe

from ai_assistant.chat import budgets


@frappe.whitelist()
def get() -> str:
	"""How much of it is used: see `budgets.fullest`."""
	frappe.has_permission("AI Usage", throw=True)
	return budgets.fullest(budgets.MONTH)
