"""Budgets on MariaDB; tests/api/test_budgets.py asks the same of SQLite, over HTTP."""

import time
from collections import Counter
from dataclasses import asdict
from datetime import timedelta
from typing import Any
from unittest.mock import patch

import frappe
from frappe.utils import getdate, nowdate

from ai_assistant import store
from ai_assistant.bench_tests import TestCase, commit, start_without_requests
from ai_assistant.config import settings
from ai_assistant.config.settings import Budgets, Limits, Settings
from ai_assistant.gateway import Completion, Usage
from ai_assistant.realtime.publisher import Publisher
from ai_assistant.store import SITE

from . import budgets, lifecycle, queue, termination
from .errors import ChatError
from .test_admission import at_once, request

ANN, BOB = "ann@budgets.test", "bob@budgets.test"
MANY = Limits(requests_per_minute=10_000, concurrent_per_user=10_000, concurrent_per_site=10_000)
RACERS = 24


class TestBudgets(TestCase):
	def setUp(self) -> None:
		start_without_requests(self, ANN, BOB)

	def accept(self, n: int, user: str = ANN, status: str = "running", **limits: float) -> Publisher:
		frappe.session.user = user
		settings = Settings(limits=MANY, budgets=Budgets(**limits))  # type: ignore[arg-type]
		return lifecycle.accept(request(n), settings, status, time.monotonic())

	def ends(self, publisher: Publisher, tokens: int = 10, cost_usd: float | None = 0.5) -> dict[str, Any]:
		"""The answer to a chat whose provider has counted so much."""
		chat = lifecycle.Chat(request(0), Settings(), publisher)
		chat.request = request(int(publisher.ids["request_id"].split("-")[1]))
		return chat.completed(Completion("stop", "p", "m", Usage(tokens, 0, 0, tokens, cost_usd)))

	def booked(self, account: str = ANN) -> list[tuple[int, float]]:
		frappe.db.rollback()
		return [(row.tokens, row.cost_usd) for row in store.current().booked(account, getdate(nowdate()))]

	def refused(self, **limits: float) -> str:
		with self.assertRaises(ChatError) as refusal:
			self.accept(1000, ANN, "running", **limits)
		self.assertEqual(refusal.exception.code, "budget_exceeded")
		self.assertIsNone(store.current().get(ANN, "request-1000"))
		self.assertGreater(refusal.exception.retry_after, 0)
		return str(refusal.exception)

	def test_a_budget_is_used_up_by_what_is_booked_as_requests_end(self) -> None:
		first = self.accept(1, user_tokens_per_day=10)
		# Not known yet.
		self.accept(2, user_tokens_per_day=10)
		self.ends(first)
		self.assertEqual(self.booked(), [(10, 0.5)])
		self.assertIn("Your budget of 10 tokens a day", self.refused(user_tokens_per_day=10))
		self.assertIn("Your budget of 0.5 USD a month", self.refused(user_cost_per_month=0.5))
		self.accept(3, BOB, user_tokens_per_day=10)
		self.accept(4, user_tokens_per_day=11, user_cost_per_month=0.51)

	def test_what_all_have_used_is_the_sites(self) -> None:
		before = sum(tokens for tokens, _cost in self.booked(SITE))
		self.ends(self.accept(1, BOB))
		self.accept(2, site_tokens_per_day=before + 11)
		self.assertIn(
			f"The site's budget of {before + 10:,} tokens a day, for all its users,",
			self.refused(site_tokens_per_day=before + 10),
		)

	def test_another_day_and_another_month_count_where_they_belong(self) -> None:
		self.ends(self.accept(1))
		today = getdate(nowdate())
		(name,) = frappe.get_all("AI Usage", filters={"user": ANN}, pluck="name")
		first = today.replace(day=1)
		for day, of_day, of_month in (
			(today, True, True),
			(first, today == first, True),
			(first - timedelta(days=1), False, False),
			(today - timedelta(days=1), False, today > first),
		):
			frappe.db.set_value("AI Usage", name, "day", day)
			commit()
			for limits, used_up in (
				({"user_tokens_per_day": 10}, of_day),
				({"user_tokens_per_month": 10}, of_month),
			):
				with self.subTest(day=day, **limits):
					state = budgets.state(ANN, Budgets(**limits))
					self.assertEqual([budget.used_up for budget in state], [used_up])

	def test_of_many_who_end_and_ask_at_once_each_is_booked_once(self) -> None:
		before = sum(tokens for tokens, _cost in self.booked(SITE))
		running = [self.accept(n, (ANN, BOB)[n % 2]) for n in range(RACERS)]
		# Each twice, as by its own process and by one that takes that for dead.
		ending = [lambda name=name: self.ends(name)["status"] for name in (*running, *running)]
		asking = [
			lambda n=n: self.accept(RACERS + n, BOB, user_tokens_per_day=10**9) and "let in" for n in range(8)
		]
		outcomes = Counter(at_once([*ending, *asking]))
		self.assertEqual(outcomes, {"completed": 2 * RACERS, "let in": 8})
		half = RACERS // 2
		self.assertEqual((self.booked(ANN), self.booked(BOB)), ([(10 * half, 0.5 * half)],) * 2)
		self.assertEqual(sum(tokens for tokens, _cost in self.booked(SITE)), before + 10 * RACERS)

	def test_one_whose_process_died_is_booked_by_an_estimate_once(self) -> None:
		publisher = self.accept(1)
		with store.transaction() as transaction:
			transaction.append(
				publisher.name,
				{"seq": 2, "type": "text", "text": "х" * 8, "elapsed_ms": 1, "timestamp": frappe.utils.now()},
			)
			transaction.renew(publisher.name, time.time() - 1)
		row = store.current().get(ANN, "request-1")
		assert row
		at_once([lambda: termination.end_if_dead(dict(row)) for _ in range(4)])
		frappe.db.rollback()
		ended = store.current().get(ANN, "request-1")
		assert ended and ended["usage"]
		# Of two bytes each.
		self.assertEqual((ended["error"]["code"], ended["usage"]["completion_tokens"]), ("worker_lost", 4))
		cost_usd = ended["usage"]["cost_usd"] or 0
		self.assertEqual(self.booked(), [(ended["usage"]["total_tokens"], cost_usd)])

	def test_one_that_was_queued_is_not_asked_once_the_budget_is_used_up(self) -> None:
		queued = self.accept(1, status="queued", user_tokens_per_day=10)
		self.ends(self.accept(2))
		one = {"name": "p", "api": "openai", "api_key": "k", "models": ["*"], "default_model": "m"}
		conf = {settings.CONF_KEY: {"budgets": {"user_tokens_per_day": 10}, "providers": [one]}}
		with patch.dict(frappe.local.conf, conf):
			self.assertIsNone(queue.take(queued.name))
		row = store.current().get(ANN, "request-1")
		assert row
		self.assertEqual(
			(row["status"], row["error"]["code"], row["usage"]), ("failed", "budget_exceeded", None)
		)
		self.assertEqual(self.booked(), [(10, 0.5)])

	def test_a_database_that_refuses_rows_changed_meanwhile_books_too(self) -> None:
		"""`innodb_snapshot_isolation`, on by default from MariaDB 11.6 on: what it refuses is tried again."""
		publisher = self.accept(1)
		if not frappe.db.sql("show variables like 'innodb_snapshot_isolation'"):
			self.skipTest("This MariaDB has no innodb_snapshot_isolation.")
		frappe.db.sql("set session innodb_snapshot_isolation = on")
		self.addCleanup(frappe.db.close)
		# The transaction sees the site as it was before another books.
		self.booked()
		store.current().booked(SITE, getdate(nowdate()))
		at_once([lambda: self.ends(self.accept(2, BOB))["status"]])
		self.assertEqual(self.ends(publisher)["status"], "completed")
		self.assertEqual(self.booked(), [(10, 0.5)])

	def test_a_request_of_before_the_upgrade_can_be_ended(self) -> None:
		"""Its question has no field that came later, its row no length of the messages."""
		publisher = self.accept(1, status="queued")
		row = store.current().get(ANN, "request-1")
		assert row
		self.assertEqual(row["prompt_bytes"], len("[]"))
		self.assertNotIn("prompt_bytes", asdict(request(1)))
		frappe.db.set_value(
			"AI Request", publisher.name, {"status": "running", "prompt_bytes": 0, "lease": 0}
		)
		commit()
		termination.sweep()
		self.assertEqual(self.booked(), [(0, 0)])
