"""The card of the budget of this month, on the workspace AI Assistant."""

import frappe

from ai_assistant.chat import budgets


@frappe.whitelist()
def get() -> str:
	"""Returns how much of the budget is used, as `budgets.fullest` does."""
	frappe.has_permission("AI Usage", throw=True)
	return budgets.fullest(budgets.MONTH)
