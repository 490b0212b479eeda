"""What users and the site may use a day and a month, in tokens and in cost, and what is said once it is used up.

It is looked at before a provider is asked, and booked when a request ends (`ai_assistant.store`). What runs meanwhile is
not known yet: a budget is overdrawn by as much as its user's chats at once may use.
"""

import math
import time
from datetime import date, datetime, timedelta, timezone
from typing import NamedTuple

import frappe
from frappe import _

from ai_assistant import store
from ai_assistant.config.settings import Budgets, load
from ai_assistant.permissions import sees_all

from .errors import ChatError

USER, SITE = "user", "site"
DAY, MONTH = "day", "month"
TOKENS, COST = "tokens", "cost"

USED_UP = {
	(USER, DAY): "Your budget of {0} a day is used up until {1}.",
	(USER, MONTH): "Your budget of {0} a month is used up until {1}.",
	(SITE, DAY): "The site's budget of {0} a day, for all its users, is used up until {1}.",
	(SITE, MONTH): "The site's budget of {0} a month, for all its users, is used up until {1}.",
}


class Budget(NamedTuple):
	"""One that is set, and how much of it is used: tokens, or US dollars."""

	whose: str
	period: str
	unit: str
	limit: float
	used: float

	@property
	def used_up(self) -> bool:
		return self.used >= self.limit

	def __str__(self) -> str:
		tokens = self.unit == TOKENS
		figure = f"{self.limit:,.0f}" if tokens else f"{self.limit:,.6f}".rstrip("0").rstrip(".")
		return str(_("{0} tokens") if tokens else _("{0} USD")).format(figure)


def check(user: str, budgets: Budgets) -> None:
	"""Raises ChatError `budget_exceeded` where one of the user's or of the site's is used up.

	Of several it names the one that lasts longest, and when that ends: the site's day or month.
	"""
	over = [budget for budget in state(user, budgets) if budget.used_up]
	if not over:
		return
	worst = max(over, key=lambda budget: (budget.period == MONTH, budget.whose == USER))
	now = time.time()
	ends = _begins(_next(worst.period, local(now).date()), now)
	at = local(ends)
	message = _(USED_UP[worst.whose, worst.period]).format(worst, f"{at:%Y-%m-%d %H:%M} {at.tzname()}")
	raise ChatError("budget_exceeded", message, max(1, math.ceil(ends - now)))


def state(user: str, budgets: Budgets) -> list[Budget]:
	"""The budgets that are set, the user's own and the site's, with what is booked in this day and month."""
	firsts = dict(zip((DAY, MONTH), begins(), strict=True))
	found = []
	for whose, account in ((USER, user), (SITE, store.SITE)):
		limits = {
			(period, unit): limit
			for period in (DAY, MONTH)
			for unit in (TOKENS, COST)
			if (limit := getattr(budgets, f"{whose}_{unit}_per_{period}"))
		}
		booked = store.current().booked(account, firsts[MONTH]) if limits else []
		for (period, unit), limit in limits.items():
			used = sum(
				row.tokens if unit == TOKENS else row.cost_usd for row in booked if row.day >= firsts[period]
			)
			found.append(Budget(whose, period, unit, limit, used))
	return found


def fullest(period: str) -> str:
	"""How much is used of that budget of the period of which most is, in percent: of the user's own, and of the site's
	for whoever may see what all have used. For Desk, as text: a site need not have one.
	"""
	shown = [
		100 * budget.used / budget.limit
		for budget in state(frappe.session.user, load().budgets)
		if budget.period == period and (budget.whose == USER or sees_all())
	]
	return f"{max(shown):.0f} %" if shown else _("No budget")


def begins() -> tuple[date, date]:
	"""The days of the site on which its day and its month have begun."""
	today = local(time.time()).date()
	return today, today.replace(day=1)


def local(seconds: float) -> datetime:
	"""A UNIX time in the time zone of the site."""
	found: datetime = frappe.utils.convert_utc_to_system_timezone(
		datetime.fromtimestamp(seconds, timezone.utc)
	)
	return found


def _next(period: str, today: date) -> date:
	if period == DAY:
		return today + timedelta(days=1)
	return (today.replace(day=1) + timedelta(days=32)).replace(day=1)


def _begins(day: date, now: float) -> float:
	"""When a day begins on the site, as a UNIX time. Its clocks may be changed between now and then."""
	midnight = datetime(day.year, day.month, day.day, tzinfo=timezone.utc).timestamp()
	nearly = midnight - _ahead(now)
	return midnight - _ahead(nearly)


def _ahead(seconds: float) -> float:
	offset = local(seconds).utcoffset()
	return offset.total_seconds() if offset else 0.0
