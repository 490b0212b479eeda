"""What each user has used of today and of this month, and how much of the budgets that is."""

from typing import Any

import frappe
from frappe import _
from frappe.desk.reportview import build_match_conditions

from ai_assistant.chat import budgets
from ai_assistant.config.settings import load
from ai_assistant.store import SITE


def execute(filters: dict[str, Any] | None = None) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
	"""The columns and rows: all users together first, for whoever may see that, then each."""
	today, month = budgets.begins()
	mine = build_match_conditions("AI Usage") or "1 = 1"
	used = frappe.db.sql(
		f"""select user,
			sum(if(day >= %(today)s, tokens, 0)) tokens_today, sum(tokens) tokens_month,
			sum(cached_tokens) cached_month,
			sum(if(day >= %(today)s, cost_usd, 0)) cost_today, sum(cost_usd) cost_month
		from `tabAI Usage` where day >= %(month)s and ({mine})
		group by user order by user != %(site)s, cost_month desc, tokens_month desc, user""",
		{"today": today, "month": month, "site": SITE},
		as_dict=True,
	)
	configured = load().budgets
	for row in used:
		whose = "site" if row.user == SITE else "user"
		row.user = row.user or _("All users")
		for unit in (budgets.TOKENS, budgets.COST):
			for period, column in ((budgets.DAY, "today"), (budgets.MONTH, "month")):
				if limit := getattr(configured, f"{whose}_{unit}_per_{period}"):
					percent = 100 * float(row[f"{unit}_{column}"]) / limit
					# As text: a Percent of none is shown as 0 %.
					row[f"{unit}_{column}_percent"] = f"{percent:.0f} %"
	return _columns(), used


def _columns() -> list[dict[str, Any]]:
	def column(name: str, label: str, kind: str, width: int) -> dict[str, Any]:
		return {"fieldname": name, "label": label, "fieldtype": kind, "width": width}

	def of_budget(name: str) -> dict[str, Any]:
		return {**column(f"{name}_percent", _("of Budget"), "Data", 105), "align": "right"}

	return [
		column("user", _("User"), "Data", 200),
		column("tokens_today", _("Tokens Today"), "Int", 135),
		of_budget("tokens_today"),
		{**column("cost_today", _("USD Today"), "Float", 120), "precision": 4},
		of_budget("cost_today"),
		column("tokens_month", _("Tokens This Month"), "Int", 175),
		of_budget("tokens_month"),
		column("cached_month", _("Cached This Month"), "Int", 175),
		{**column("cost_month", _("USD This Month"), "Float", 155), "precision": 4},
		of_budget("cost_month"),
	]
