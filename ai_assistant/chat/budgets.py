"""Budgets of tokens and cost: of each user, of the site and of each AI Key, in a day and in a month.

A budget is checked before a provider is asked, and a request is booked when it ends (`ai_assistant.store`). Requests
that run at the moment are not booked yet, so a budget can be exceeded by what they use.
"""

import math
import time
from datetime import date, datetime, timedelta, timezone
from typing import NamedTuple

import frappe
from frappe import _

from ai_assistant import store
from ai_assistant.config.settings import Budgets, load
from ai_assistant.keys import Key
from ai_assistant.permissions import sees_all

from .errors import ChatError

USER, SITE, KEY = "user", "site", "key"
DAY, MONTH = "day", "month"
TOKENS, COST = "tokens", "cost"


class Budget(NamedTuple):
	"""A budget that is set, and how much of it is used, in tokens or in US dollars."""

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


def check(user: str, budgets: Budgets, key: Key | None = None) -> None:
	"""Raises ChatError `budget_exceeded` if a budget of the user, of the site or of the key is used up.

	The error names the one that stays used up longest, and when its day or month ends on the site.
	"""
	over = [budget for budget in state(user, budgets, key) if budget.used_up]
	if not over:
		return
	worst = max(over, key=lambda budget: (budget.period == MONTH, budget.whose != SITE))
	now = time.time()
	ends = _begins(_next(worst.period, local(now).date()), now)
	at = local(ends)
	sentences = {
		(USER, DAY): _("Your budget of {0} a day is used up until {1}."),
		(USER, MONTH): _("Your budget of {0} a month is used up until {1}."),
		(KEY, DAY): _("The budget of {0} a day of this AI Key is used up until {1}."),
		(KEY, MONTH): _("The budget of {0} a month of this AI Key is used up until {1}."),
		(SITE, DAY): _("The site's budget of {0} a day, for all its users, is used up until {1}."),
		(SITE, MONTH): _("The site's budget of {0} a month, for all its users, is used up until {1}."),
	}
	message = sentences[worst.whose, worst.period].format(worst, f"{at:%Y-%m-%d %H:%M} {at.tzname()}")
	raise ChatError("budget_exceeded", message, max(1, math.ceil(ends - now)))


def state(user: str, budgets: Budgets, key: Key | None = None) -> list[Budget]:
	"""Returns the budgets of the user, the site and the key, with the usage of this day and month."""
	accounts: list[tuple[str, str, Budgets | Key, str]] = [
		(USER, user, budgets, "user_"),
		(SITE, store.SITE, budgets, "site_"),
	]
	if key:
		accounts.append((KEY, store.KEY + key.name, key, ""))
	limited = [
		(whose, account, limits)
		for whose, account, of_account, prefix in accounts
		if (limits := _limits(of_account, prefix))
	]
	if not limited:
		return []
	firsts = dict(zip((DAY, MONTH), begins(), strict=True))
	set_budgets = []
	for whose, account, limits in limited:
		booked = store.current().booked(account, firsts[MONTH])
		for (period, unit), limit in limits.items():
			used = sum(
				row.tokens if unit == TOKENS else row.cost_usd for row in booked if row.day >= firsts[period]
			)
			set_budgets.append(Budget(whose, period, unit, limit, used))
	return set_budgets


def _limits(budgets: Budgets | Key, prefix: str) -> dict[tuple[str, str], float]:
	"""Returns the budgets that are set, by period and unit."""
	return {
		(period, unit): limit
		for period in (DAY, MONTH)
		for unit in (TOKENS, COST)
		if (limit := getattr(budgets, f"{prefix}{unit}_per_{period}"))
	}


def fullest(period: str) -> str:
	"""Returns the percentage used of the user's fullest budget of a period, as a text for Desk.

	Users who see the usage of all users see the site's budget if that is fuller.
	"""
	shown = [
		100 * budget.used / budget.limit
		for budget in state(frappe.session.user, load().budgets)
		if budget.period == period and (budget.whose == USER or sees_all())
	]
	return f"{max(shown):.0f} %" if shown else _("No budget")


def begins() -> tuple[date, date]:
	"""Returns the first days of the site's current day and month."""
	today = local(time.time()).date()
	return today, today.replace(day=1)


def local(seconds: float) -> datetime:
	"""Converts a UNIX time to the time zone of the site."""
	converted: datetime = frappe.utils.convert_utc_to_system_timezone(
		datetime.fromtimestamp(seconds, timezone.utc)
	)
	return converted


def _next(period: str, today: date) -> date:
	if period == DAY:
		return today + timedelta(days=1)
	return (today.replace(day=1) + timedelta(days=32)).replace(day=1)


def _begins(day: date, now: float) -> float:
	"""Returns the UNIX time at which a day begins on the site. Daylight saving may change between now and then."""
	midnight = datetime(day.year, day.month, day.day, tzinfo=timezone.utc).timestamp()
	nearly = midnight - _ahead(now)
	return midnight - _ahead(nearly)


def _ahead(seconds: float) -> float:
	offset = local(seconds).utcoffset()
	return offset.total_seconds() if offset else 0.0
