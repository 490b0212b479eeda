"""The workspace's figures: right by SQL, and nobody's but the user's own."""

import json
from datetime import timedelta
from typing import Any

import frappe
from frappe.utils import now_datetime

from ai_assistant.ai_assistant.desk import DAYS
from ai_assistant.bench_tests import TestCase, commit, delete_user, make_user, readers, rest
from ai_assistant.store.frappe_store import FrappeStore

READERS = readers("chart.test")
ANN, BOB, CHIEF, STRANGER, NEW = READERS
SOURCE = (
	"/api/method/ai_assistant.ai_assistant.dashboard_chart_source.ai_requests_by_day.ai_requests_by_day.get"
)
CHART = "/api/method/frappe.desk.doctype.dashboard_chart.dashboard_chart.get"
CARD = "/api/method/frappe.desk.doctype.number_card.number_card.get_result"
# By user: age in days, status, tokens, cost, milliseconds to the first chunk.
REQUESTS: dict[str, list[tuple[int, str, int, float, int | None]]] = {
	ANN: [
		(0, "completed", 100, 0.0125, 400),
		(0, "completed", 50, 0.02, 600),
		(0, "failed", 0, 0, None),
		(1, "cancelled", 7, 0.0, 90),
		(DAYS - 1, "completed", 11, 0.0, 90),
		(DAYS + 1, "completed", 1000, 0.0, 90),
	],
	BOB: [(0, "completed", 5000, 1.5, 2000), (2, "running", 0, 0, None)],
}


def make_requests() -> None:
	for user, requests in REQUESTS.items():
		for number, (age, status, tokens, cost, first) in enumerate(requests):
			name = FrappeStore().open(
				{
					"user": user,
					"request_id": f"request-{number}",
					"task_id": "t",
					"status": status,
					"created": 1.5,
					"model": "m",
					"usage": {"total_tokens": tokens, "cost_usd": cost},
					"timing": {"first_reasoning_ms": first, "first_text_ms": None},
				}
			)
			at = now_datetime() - timedelta(days=age)
			frappe.db.set_value("AI Request", name, "creation", at, update_modified=False)


class TestAIRequestsByDay(TestCase):
	@classmethod
	def setUpClass(cls) -> None:
		super().setUpClass()
		frappe.set_user("Administrator")
		for user, role in READERS.items():
			make_user(user, role)
		make_requests()
		commit()

	@classmethod
	def tearDownClass(cls) -> None:
		for user in READERS:
			delete_user(user)
		super().tearDownClass()

	def chart(self, user: str) -> dict[str, list[int]]:
		status, body = rest("GET", SOURCE, user, chart_name="AI Requests by Day", refresh="1")
		self.assertEqual(status, 200)
		self.assertEqual(len(body["message"]["labels"]), DAYS)
		return {dataset["name"]: dataset["values"] for dataset in body["message"]["datasets"]}

	def test_a_user_sees_their_own_requests_on_their_days(self) -> None:
		drawn = self.chart(ANN)
		self.assertEqual([drawn["Completed"][0], drawn["Completed"][-1]], [1, 2])
		self.assertEqual((sum(drawn["Completed"]), drawn["Failed"][-1], drawn["Cancelled"][-2]), (3, 1, 1))
		self.assertEqual(sum(sum(values) for values in drawn.values()), 5)
		self.assertEqual(self.chart(BOB)["Running"][-3], 1)

	def test_a_system_manager_sees_everybodys(self) -> None:
		drawn = self.chart(CHIEF)
		by_status = dict(
			frappe.db.sql(
				"select status, count(*) from `tabAI Request` where creation >= curdate() - interval %s day group by 1",
				(DAYS - 1,),
			)
		)
		self.assertEqual(
			{name.lower(): sum(values) for name, values in drawn.items() if sum(values)}, by_status
		)
		self.assertGreaterEqual(sum(sum(values) for values in drawn.values()), 7)

	def test_nobody_without_a_role_sees_any_and_a_new_user_sees_none(self) -> None:
		for user in (STRANGER, None):
			self.assertEqual(rest("GET", SOURCE, user)[0], 403)
		self.assertIsNone(rest("GET", SOURCE, NEW)[1].get("message"))

	def test_the_cards_count_a_users_own(self) -> None:
		expected = {
			"AI Requests Today": (3, 1),
			"AI Requests Failed Today": (1, 0),
			"AI Tokens Today": (150, 5000),
			"AI First Chunk Today": (500, 2000),
		}
		for name, numbers in expected.items():
			for user, number in zip((ANN, BOB), numbers, strict=True):
				with self.subTest(card=name, user=user):
					status, card = rest("GET", f"/api/resource/Number Card/{name}", user)
					self.assertEqual(status, 200)
					filters = card["data"]["filters_json"]
					body = rest("POST", CARD, user, doc=json.dumps(card["data"]), filters=filters)[1]
					self.assertEqual(round(body["message"], 6), number)
			self.assertEqual(
				rest("POST", CARD, STRANGER, doc=json.dumps(card["data"]), filters=filters)[0], 403
			)

	def test_the_card_of_the_cost_shows_a_users_own_cents(self) -> None:
		method = frappe.db.get_value("Number Card", "AI Cost Today", "method")
		for user, shown in ((ANN, "0.0325"), (BOB, "1.50"), (NEW, "0.00")):
			self.assertEqual(rest("GET", "/api/resource/Number Card/AI Cost Today", user)[0], 200)
			self.assertEqual(rest("POST", f"/api/method/{method}", user, filters="[]")[1]["message"], shown)
		for other in (STRANGER, None):
			self.assertEqual(rest("POST", f"/api/method/{method}", other)[0], 403)

	def test_the_tokens_by_model_are_a_users_own_whoever_looked_before(self) -> None:
		def drawn(user: str) -> Any:
			body = rest("POST", CHART, user, chart_name="AI Tokens by Model")[1]["message"]
			return dict(zip(body["labels"], body["datasets"][0]["values"], strict=True))

		self.assertGreaterEqual(drawn(CHIEF)["m"], 5168)
		self.assertEqual(drawn(ANN), {"m": 168})
		self.assertEqual(drawn(BOB), {"m": 5000})
		self.assertEqual(rest("POST", CHART, STRANGER, chart_name="AI Tokens by Model")[0], 403)

	def test_the_workspace_is_for_those_who_may_chat(self) -> None:
		page = json.dumps({"name": "AI Assistant", "title": "AI Assistant", "public": 1})
		for user, shortcuts in ((ANN, 5), (CHIEF, 9)):
			body = rest("POST", "/api/method/frappe.desk.desktop.get_desktop_page", user, page=page)[1]
			kinds = ("charts", "number_cards", "shortcuts")
			shown = {kind: len(body["message"][kind]["items"]) for kind in kinds}
			self.assertEqual(shown, {"charts": 6, "number_cards": 7, "shortcuts": shortcuts})
		for user, expected in ((ANN, True), (STRANGER, False)):
			body = rest("GET", "/api/method/frappe.desk.desktop.get_workspace_sidebar_items", user)[1]
			names = {entry["name"] for entry in body["message"]["pages"]}
			self.assertEqual("AI Assistant" in names, expected)
