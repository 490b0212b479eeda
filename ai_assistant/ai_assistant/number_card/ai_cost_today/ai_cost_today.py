"""The card of today's cost, on the workspace AI Assistant."""

import frappe
from frappe.utils import fmt_money, nowdate

from ai_assistant.ai_assistant.desk import visible
from ai_assistant.store.mariadb import COST_IS_KNOWN, sql


@frappe.whitelist()
def get() -> str:
	"""Returns the cost of today's requests that the user may see, in US dollars.

	As text: Desk rounds a sum of its own to whole numbers (`shorten_number`), and a day may cost cents. A dash where
	tokens were used and the price of none is known.
	"""
	frappe.has_permission("AI Request", throw=True)
	((total, priced, used),) = sql(
		f"select sum(cost_usd), count(case when {COST_IS_KNOWN} then 1 end), count(case when total_tokens > 0 then 1 end)"
		f" from `tabAI Request` where creation >= %(today)s and {visible('AI Request')}",
		{"today": nowdate()},
	)
	if used and not priced:
		return "–"
	shown: str = fmt_money(total or 0, precision=2 if (total or 0) >= 1 else 4)
	return shown
