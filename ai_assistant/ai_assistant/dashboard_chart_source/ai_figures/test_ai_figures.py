"""The charts of what somebody on call watches: right by SQL, and nobody's but the user's own."""

from datetime import timedelta
from typing import Any

import frappe
from frappe.utils import now_datetime

from ai_assistant.ai_assistant.desk import DAYS
from ai_assistant.bench_tests import TestCase, commit, delete_requests, delete_user, make_user, readers, rest
from ai_assistant.store.frappe_store import FrappeStore

from .ai_figures import PROVIDERS, by_day

READERS = readers("figures.test")
ANN, BOB, CHIEF, STRANGER, NEW = READERS
SOURCE = "/api/method/ai_assistant.ai_assistant.dashboard_chart_source.ai_figures.ai_figures.get"


def make_request(user: str, age: int, status: str, *failed: str, **measured: Any) -> None:
	store = FrappeStore()
	about = {"user": user, "request_id": frappe.generate_hash(length=10), "task_id": "t", "created": 1.5}
	name = store.open({**about, "status": "running"})
	timing = {"first_reasoning_ms": None, "first_text_ms": 900, "thinking_ms": None, "duration_ms": 1000}
	attempts = [{"provider": provider, "model": "m", "error": "timeout"} for provider in failed]
	store.finish(name, {"status": status, "timing": timing, "attempts": attempts, **measured})
	at = now_datetime() - timedelta(days=age)
	frappe.db.set_value("AI Request", name, "creation", at, update_modified=False)


class TestAIFigures(TestCase):
	@classmethod
	def setUpClass(cls) -> None:
		super().setUpClass()
		frappe.set_user("Administrator")
		for user, role in READERS.items():
			make_user(user, role)
		make_request(
			ANN,
			0,
			"completed",
			"figures-a",
			realtime={"events": 5, "failed": 1},
			first_event_ms=10,
		)
		make_request(
			ANN, 0, "failed", "figures-a", "figures-b", realtime={"events": 2, "failed": 0}, first_event_ms=30
		)
		make_request(ANN, 2, "completed", usage={"total_tokens": 1, "cost_usd": 0.25})
		make_request(
			ANN,
			DAYS,
			"completed",
			"figures-a",
			usage={"total_tokens": 1, "cost_usd": 9},
			realtime={"events": 9, "failed": 0},
		)
		make_request(
			BOB,
			0,
			"completed",
			"figures-b",
			usage={"total_tokens": 1, "cost_usd": 7},
			realtime={"events": 70, "failed": 7},
		)
		commit()

	@classmethod
	def tearDownClass(cls) -> None:
		for user in READERS:
			delete_user(user)
		super().tearDownClass()

	def chart(self, name: str, user: str) -> dict[str, list[float]]:
		status, body = rest("GET", SOURCE, user, chart_name=name, refresh="1")
		self.assertEqual(status, 200)
		return {dataset["name"]: dataset["values"] for dataset in body["message"]["datasets"]}

	def test_a_user_sees_the_figures_of_their_own_requests(self) -> None:
		events = self.chart("AI Events by Day", ANN)
		self.assertEqual((events["Delivered"][-1], events["Not Delivered"][-1]), (6, 1))
		self.assertEqual((sum(events["Delivered"]), sum(events["Not Delivered"])), (6, 1))
		waiting = self.chart("AI Waiting by Day", ANN)
		# What was not measured is in no mean.
		self.assertEqual((waiting["Event 1"][-1], waiting["Event 1"][-3]), (20, 0))
		self.assertEqual((waiting["Reasoning"][-1], waiting["Text"][-1]), (0, 900))
		cost = self.chart("AI Cost by Day", ANN)
		self.assertEqual((cost["US Cents"][-3], sum(cost["US Cents"])), (25, 25))

	def test_providers_are_counted_by_what_failed_and_who_was_asked_then(self) -> None:
		status, body = rest("GET", SOURCE, ANN, chart_name=PROVIDERS)
		self.assertEqual((status, body["message"]["labels"]), (200, ["figures-a", "figures-b"]))
		self.assertEqual([dataset["values"] for dataset in body["message"]["datasets"]], [[2, 1], [2, 0]])

	def test_a_system_manager_sees_everybodys(self) -> None:
		for name, least in (("AI Events by Day", 69), ("AI Cost by Day", 7)):
			self.assertGreaterEqual(next(iter(self.chart(name, CHIEF).values()))[-1], least)
		labels = rest("GET", SOURCE, CHIEF, chart_name=PROVIDERS)[1]["message"]["labels"]
		self.assertLessEqual({"figures-a", "figures-b"}, set(labels))

	def test_a_cost_without_a_known_price_is_a_dash_and_no_chart(self) -> None:
		card = "/api/method/ai_assistant.ai_assistant.number_card.ai_cost_today.ai_cost_today.get"

		def cost() -> str:
			return str(rest("GET", card, NEW)[1]["message"])

		self.assertEqual(float(cost()), 0)
		make_request(NEW, 0, "completed", usage={"total_tokens": 5, "cost_usd": None})
		commit()
		self.assertEqual(cost(), "–")
		self.assertIsNone(rest("GET", SOURCE, NEW, chart_name="AI Cost by Day")[1].get("message"))
		make_request(NEW, 0, "completed", usage={"total_tokens": 5, "cost_usd": 0.25})
		commit()
		self.assertEqual(float(cost()), 0.25)
		delete_requests(NEW)
		commit()

	def test_nobody_without_a_role_sees_any_and_a_new_user_sees_none(self) -> None:
		for name in (*by_day(), PROVIDERS):
			for user in (STRANGER, None):
				self.assertEqual(rest("GET", SOURCE, user, chart_name=name)[0], 403)
			self.assertIsNone(rest("GET", SOURCE, NEW, chart_name=name)[1].get("message"))

	def test_another_chart_is_refused(self) -> None:
		self.assertEqual(rest("GET", SOURCE, ANN, chart_name="AI Tokens by Model")[0], 417)

	def test_each_chart_has_its_figures(self) -> None:
		charts = frappe.get_all("Dashboard Chart", filters={"source": "AI Figures"}, pluck="name")
		self.assertEqual(sorted(charts), sorted((*by_day(), PROVIDERS)))
