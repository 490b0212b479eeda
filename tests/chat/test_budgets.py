"""Tests which budget is used up, its message, and when its day or month ends by the site's clock."""

from collections.abc import Callable
from datetime import date, datetime, timezone
from typing import Any
from zoneinfo import ZoneInfo

import frappe
import pytest

from ai_assistant import store
from ai_assistant.chat import budgets
from ai_assistant.chat.errors import ChatError
from ai_assistant.config.settings import Budgets
from ai_assistant.keys import Key
from ai_assistant.store import SITE, Booked

ANN = "ann@example.com"
NOON = datetime(2026, 11, 24, 12, 0, tzinfo=timezone.utc)


class Books:
	"""A store that knows nothing but what is booked."""

	def __init__(self) -> None:
		self.rows: dict[str, list[Booked]] = {}
		self.accounts: list[str] = []

	def book(self, account: str, day: str, tokens: int = 0, cost_usd: float = 0.0) -> None:
		self.rows.setdefault(account, []).append(Booked(date.fromisoformat(day), tokens, cost_usd))

	def booked(self, account: str, since: date) -> list[Booked]:
		self.accounts.append(account)
		return [row for row in self.rows.get(account, []) if row.day >= since]


@pytest.fixture
def books(monkeypatch: pytest.MonkeyPatch) -> Books:
	budget_books = Books()
	monkeypatch.setattr(store, "_find", lambda: budget_books)
	return budget_books


@pytest.fixture
def at(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
	"""Sets the clock, and the time zone of the site."""

	def set_to(moment: datetime, zone: str = "UTC") -> None:
		monkeypatch.setattr(budgets.time, "time", moment.timestamp)
		monkeypatch.setattr(
			frappe.utils, "convert_utc_to_system_timezone", lambda utc: utc.astimezone(ZoneInfo(zone))
		)

	set_to(NOON)
	return set_to


def refusal(**limits: Any) -> ChatError:
	with pytest.raises(ChatError) as refused:
		budgets.check(ANN, Budgets(**limits))
	error = refused.value
	assert (error.code, error.as_dict()["retryable"]) == ("budget_exceeded", False)
	assert error.as_dict()["retry_after"] == error.retry_after
	return error


def test_without_a_budget_nobody_is_asked_and_nobody_refused(books: Books) -> None:
	books.book(ANN, "2026-11-24", tokens=10**12, cost_usd=10.0**9)
	budgets.check(ANN, Budgets())
	budgets.check(ANN, Budgets(user_tokens_per_day=0, site_cost_per_month=0.0))
	assert books.accounts == []


@pytest.mark.parametrize(
	("limits", "booked", "sentence", "seconds"),
	[
		(
			{"user_tokens_per_day": 100_000},
			(ANN, "2026-11-24", 100_000, 0.0),
			"Your budget of 100,000 tokens a day is used up until 2026-11-25 00:00 UTC.",
			12 * 3600,
		),
		(
			{"user_tokens_per_month": 100_000},
			(ANN, "2026-11-01", 100_000, 0.0),
			"Your budget of 100,000 tokens a month is used up until 2026-12-01 00:00 UTC.",
			(6 * 24 + 12) * 3600,
		),
		(
			{"user_cost_per_day": 0.5},
			(ANN, "2026-11-24", 0, 0.5),
			"Your budget of 0.5 USD a day is used up until 2026-11-25 00:00 UTC.",
			12 * 3600,
		),
		(
			{"user_cost_per_month": 1250},
			(ANN, "2026-11-02", 0, 1250.01),
			"Your budget of 1,250 USD a month is used up until 2026-12-01 00:00 UTC.",
			(6 * 24 + 12) * 3600,
		),
		(
			{"site_tokens_per_day": 7},
			(SITE, "2026-11-24", 8, 0.0),
			"The site's budget of 7 tokens a day, for all its users, is used up until 2026-11-25 00:00 UTC.",
			12 * 3600,
		),
		(
			{"site_cost_per_month": 7},
			(SITE, "2026-11-03", 0, 7.0),
			"The site's budget of 7 USD a month, for all its users, is used up until 2026-12-01 00:00 UTC.",
			(6 * 24 + 12) * 3600,
		),
	],
)
def test_one_that_is_used_up_is_named_with_its_end(
	books: Books,
	at: Callable[..., None],
	limits: dict[str, float],
	booked: tuple[str, str, int, float],
	sentence: str,
	seconds: int,
) -> None:
	books.book(*booked)
	error = refusal(**limits)
	assert (str(error), error.retry_after) == (sentence, seconds)
	# What remains of a larger one may be used.
	budgets.check(ANN, Budgets(**{name: 2 * limit for name, limit in limits.items()}))


def test_what_others_and_other_days_have_used_counts_where_it_belongs(
	books: Books, at: Callable[..., None]
) -> None:
	books.book("bob@example.com", "2026-11-24", tokens=1000)
	books.book(ANN, "2026-11-23", tokens=1000)
	books.book(ANN, "2026-10-31", tokens=1000)
	budgets.check(ANN, Budgets(user_tokens_per_day=1, user_tokens_per_month=1001, site_tokens_per_day=1))
	books.book(ANN, "2026-11-24", tokens=1)
	assert "a month" in str(refusal(user_tokens_per_day=2, user_tokens_per_month=1001))
	assert "a day" in str(refusal(user_tokens_per_day=1, user_tokens_per_month=1002))


def test_of_several_the_one_that_lasts_longest_is_told(books: Books, at: Callable[..., None]) -> None:
	for account in (ANN, SITE):
		books.book(account, "2026-11-24", tokens=10, cost_usd=10.0)
	day = {"user_tokens_per_day": 1, "site_cost_per_day": 1}
	assert str(refusal(**day)).startswith("Your budget of 1 tokens a day")
	assert str(refusal(**day, site_tokens_per_month=1)).startswith("The site's budget of 1 tokens a month")


@pytest.mark.parametrize(
	("last", "zone", "today", "first"),
	[
		pytest.param("2026-11-24 23:59:59", "UTC", "2026-11-24", "2026-11-25", id="UTC"),
		pytest.param("2026-11-24 18:29:59", "Asia/Kolkata", "2026-11-24", "2026-11-25", id="east of it"),
		pytest.param("2026-11-25 07:59:59", "America/Los_Angeles", "2026-11-24", "2026-11-25", id="west"),
		pytest.param("2026-11-30 22:59:59", "Europe/Berlin", "2026-11-30", "2026-12-01", id="end of month"),
		pytest.param("2026-12-31 23:59:59", "UTC", "2026-12-31", "2027-01-01", id="end of year"),
		pytest.param("2028-02-29 23:59:59", "UTC", "2028-02-29", "2028-03-01", id="a leap day"),
	],
)
def test_a_day_and_a_month_end_at_midnight_of_the_site(
	books: Books, at: Callable[..., None], last: str, zone: str, today: str, first: str
) -> None:
	moment = datetime.fromisoformat(last).replace(tzinfo=timezone.utc)
	books.book(ANN, today, tokens=5)
	at(moment, zone)
	error = refusal(user_tokens_per_day=5)
	assert error.retry_after == 1
	assert f"until {first} 00:00 " in str(error)
	over = today[:7] != first[:7]
	if over:
		assert refusal(user_tokens_per_month=5).retry_after == 1
	at(datetime.fromtimestamp(moment.timestamp() + 1, timezone.utc), zone)
	budgets.check(ANN, Budgets(user_tokens_per_day=5))
	if over:
		budgets.check(ANN, Budgets(user_tokens_per_month=5))
	else:
		assert refusal(user_tokens_per_month=5)


@pytest.mark.parametrize(("day", "hours"), [("2026-03-29", 23), ("2026-10-25", 25), ("2026-06-01", 24)])
def test_a_day_of_which_an_hour_is_left_out_or_comes_twice_is_as_long_as_it_is(
	books: Books, at: Callable[..., None], day: str, hours: int
) -> None:
	books.book(ANN, day, tokens=1)
	at(datetime.fromisoformat(day).replace(tzinfo=ZoneInfo("Europe/Berlin")), "Europe/Berlin")
	assert refusal(user_tokens_per_day=1).retry_after == hours * 3600


def test_a_part_of_a_second_is_waited_for_too(books: Books, at: Callable[..., None]) -> None:
	books.book(ANN, "2026-11-24", tokens=1)
	at(datetime(2026, 11, 24, 23, 59, 59, 999_999, tzinfo=timezone.utc))
	assert refusal(user_tokens_per_day=1).retry_after == 1


def test_desk_shows_the_fullest_of_those_that_one_may_see(
	books: Books, at: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
	books.book(ANN, "2026-11-24", tokens=41)
	books.book(SITE, "2026-11-24", tokens=96)
	frappe.local.conf = {
		"ai_assistant": {
			"budgets": {"user_tokens_per_day": 100, "user_cost_per_day": 1, "site_tokens_per_day": 100}
		}
	}
	frappe.local.session = frappe._dict(user=ANN)
	monkeypatch.setattr(frappe.local, "site", "s", raising=False)
	try:
		for sees, percent in ((False, "41 %"), (True, "96 %")):
			monkeypatch.setattr(budgets, "sees_all", lambda sees=sees: sees)
			assert budgets.fullest(budgets.DAY) == percent
			assert budgets.fullest(budgets.MONTH) == "No budget"
	finally:
		del frappe.local.conf, frappe.local.session


def test_the_budget_of_an_ai_key_counts_besides_that_of_its_user(
	books: Books, at: Callable[..., None]
) -> None:
	key = Key("abc", ANN, tokens_per_day=100, cost_per_month=1.5)
	books.book(ANN, "2026-11-24", tokens=500, cost_usd=9)
	books.book("key:abc", "2026-11-24", tokens=99, cost_usd=1)
	budgets.check(ANN, Budgets(user_tokens_per_day=1000), key)
	books.book("key:abc", "2026-11-24", tokens=1)
	with pytest.raises(
		ChatError, match="The budget of 100 tokens a day of this AI Key is used up"
	) as refused:
		budgets.check(ANN, Budgets(), key)
	assert refused.value.code == "budget_exceeded"
	books.book("key:abc", "2026-11-02", cost_usd=0.5)
	with pytest.raises(ChatError, match=r"The budget of 1\.5 USD a month of this AI Key"):
		budgets.check(ANN, Budgets(), key)
	budgets.check(ANN, Budgets())
