"""The card of today's cost, on the workspace AI Assistant."""

import frappe
from frappe.desk.reportview import build_match_conditions
from frappe.utils import fmt_money, nowdate


@frappe.whitelist()
def get() -> str:
	"""What the requests of today cost that the user may see, in US dollars.

	As text: Desk rounds a sum of its own to whole numbers (`shorten_number`), and a day may cost cents.
	"""
	frappe.has_permission("AI Request", throw=True)
	mine = build_match_conditions("AI Request") or "1 = 1"
	((total,),) = frappe.db.sql(
		f"select sum(cost_usd) from `tabAI Request` where creation >= %(today)s and ({mine})",
		{"today": nowdate()},
	)
	shown: str = fmt_money(total or 0, precision=2 if (total or 0) >= 1 else 4)
	return shown
