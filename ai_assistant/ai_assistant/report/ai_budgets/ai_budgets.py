"""The report AI Budgets: what each user has used today and this month, and the share of the budgets."""

from datetime import date
from typing import Any

from frappe import _

from ai_assistant.ai_assistant.desk import column, visible
from ai_assistant.chat import budgets
from ai_assistant.config.settings import load
from ai_assistant.store import SITE
from ai_assistant.store.mariadb import COST_IS_KNOWN, sql


def execute(filters: dict[str, Any] | None = None) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
	"""Returns the columns and the rows.

	The first row is all users together, for users who may see it. A cost is None where tokens were used and the price
	of no request is known.

	Args:
		filters: what Frappe passes to each script report; this one has no filters.
	"""
	today, month = budgets.begins()
	used: list[Any] = sql(
		f"""select user,
			sum(case when day >= %(today)s then tokens else 0 end) tokens_today, sum(tokens) tokens_month,
			sum(cached_tokens) cached_month,
			sum(case when day >= %(today)s then cost_usd else 0 end) cost_today, sum(cost_usd) cost_month
		from `tabAI Usage` where ai_key is null and day >= %(month)s and {visible("AI Usage")}
		group by user order by user != %(site)s, cost_month desc, tokens_month desc, user""",
		{"today": today, "month": month, "site": SITE},
		as_dict=True,
	)
	configured = load().budgets
	priced = _priced(today, month)
	for row in used:
		for period, users in priced.items():
			if row[f"tokens_{period}"] and not row[f"cost_{period}"] and row.user not in users:
				row[f"cost_{period}"] = None
		whose = "site" if row.user == SITE else "user"
		row.user = row.user or _("All users")
		for unit in (budgets.TOKENS, budgets.COST):
			for period, when in ((budgets.DAY, "today"), (budgets.MONTH, "month")):
				if limit := getattr(configured, f"{whose}_{unit}_per_{period}"):
					percent = 100 * float(row[f"{unit}_{when}"] or 0) / limit
					# As text: Desk shows an empty Percent as 0 %.
					row[f"{unit}_{when}_percent"] = f"{percent:.0f} %"
	return _columns(), used


def _priced(today: date, month: date) -> dict[str, set[str]]:
	"""Returns the accounts with a request whose cost is known, by "today" and "month".

	AI Usage adds up costs and has no NULL. The requests say which costs are known, for as long as they are kept.
	"""
	rows = sql(
		"select user, max(case when creation >= %(today)s then 1 else 0 end) from `tabAI Request`"
		f" where creation >= %(month)s and {COST_IS_KNOWN} and {visible('AI Request')} group by user",
		{"today": today, "month": month},
	)
	priced = {
		"today": {user for user, is_today in rows if is_today},
		"month": {user for user, _is_today in rows},
	}
	return {period: users | {SITE} if users else users for period, users in priced.items()}


def _columns() -> list[dict[str, Any]]:
	def of_budget(name: str) -> dict[str, Any]:
		return column(f"{name}_percent", _("of Budget"), "Data", 105, align="right")

	return [
		column("user", _("User"), "Data", 200),
		column("tokens_today", _("Tokens Today"), "Int", 135),
		of_budget("tokens_today"),
		column("cost_today", _("USD Today"), "Float", 120, precision=4),
		of_budget("cost_today"),
		column("tokens_month", _("Tokens This Month"), "Int", 175),
		of_budget("tokens_month"),
		column("cached_month", _("Cached This Month"), "Int", 175),
		column("cost_month", _("USD This Month"), "Float", 155, precision=4),
		of_budget("cost_month"),
	]
