"""Who sees what was used, what Desk makes of it, and when it is deleted."""

from datetime import timedelta
from typing import Any
from unittest.mock import patch

import frappe
from frappe.utils import getdate, nowdate

from ai_assistant import install
from ai_assistant.store.mariadb import BINARY
from .ai_usage import AIUsage
from ai_assistant.bench_tests import COUNTS_FOR_ANYBODY, TestCase, commit, delete_user, make_user, rest
from ai_assistant.config.settings import CONF_KEY
from ai_assistant.permissions import MANAGER, USER
from ai_assistant.store import SITE
from ai_assistant.store.frappe_store import FrappeStore

test_ignore = IGNORE_TEST_RECORD_DEPENDENCIES = ["User"]

ANN, BOB, CHIEF, STRANGER = (f"{name}@usage.test" for name in ("ann", "bob", "chief", "stranger"))
RUN = "/api/method/frappe.desk.query_report.run"
CARD = "/api/method/ai_assistant.ai_assistant.number_card.ai_budget_{0}.ai_budget_{0}.get"


def use(user: str, tokens: int, cost_usd: float | None) -> None:
	store = FrappeStore()
	name = store.open(
		{"user": user, "request_id": frappe.generate_hash(length=20), "status": "running", "created": 1.5}
	)
	store.finish(name, {"status": "completed", "usage": {"total_tokens": tokens, "cost_usd": cost_usd}})


class TestAIUsage(TestCase):
	@classmethod
	def setUpClass(cls) -> None:
		super().setUpClass()
		frappe.set_user("Administrator")
		# Of the site's account what others have used would count too.
		frappe.db.delete("AI Usage", {"user": SITE})
		for user, role in ((ANN, USER), (BOB, USER), (CHIEF, MANAGER), (STRANGER, "Report Manager")):
			make_user(user, role)
		use(ANN, 1111, 0.5)
		use(BOB, 2222, 1.25)
		commit()

	@classmethod
	def tearDownClass(cls) -> None:
		frappe.db.rollback()
		for user in (ANN, BOB, CHIEF, STRANGER):
			delete_user(user)
		super().tearDownClass()

	def tearDown(self) -> None:
		frappe.db.rollback()
		frappe.set_user("Administrator")

	def name(self, user: str) -> str:
		(rows,) = frappe.get_all("AI Usage", filters={"user": user}, pluck="name")
		return str(rows)

	def report(self, user: str | None) -> tuple[int, dict[str, dict[str, Any]]]:
		status, body = rest("GET", RUN, user, report_name="AI Budgets", filters="{}")
		rows = body["message"]["result"] if status == 200 else []
		return status, {row["user"]: row for row in rows if isinstance(row, dict)}

	def test_a_user_sees_their_own_rows_and_a_system_manager_all(self) -> None:
		for path, fields in (
			("/api/resource/AI Usage", {"fields": '["user", "tokens"]', "limit": "0"}),
			(
				"/api/method/frappe.desk.reportview.get",
				{"doctype": "AI Usage", "fields": '["user", "tokens"]'},
			),
			(
				"/api/method/frappe.desk.search.search_link",
				{"doctype": "AI Usage", "txt": "", "page_length": "500", "ignore_user_permissions": "1"},
			),
		):
			_status, body = rest("GET", path, ANN, **fields)
			with self.subTest(path=path):
				self.assertNotIn("2222", str(body))
				self.assertNotIn("3333", str(body))
				self.assertNotIn(self.name(BOB), str(body))
				if "search" not in path:
					self.assertIn("1111", str(body))
					self.assertTrue(
						all(
							amount in str(rest("GET", path, CHIEF, **fields)[1])
							for amount in ("2222", "3333")
						)
					)
				for user in (STRANGER, None):
					self.assertEqual(rest("GET", path, user, **fields)[0], 403)
		for user, own, others in ((ANN, 200, 403), (CHIEF, 200, 200), (STRANGER, 403, 403), (None, 403, 403)):
			self.assertEqual(rest("GET", f"/api/resource/AI Usage/{self.name(ANN)}", user)[0], own, user)
			for name in (self.name(BOB), self.name(SITE)):
				self.assertEqual(rest("GET", f"/api/resource/AI Usage/{name}", user)[0], others, user)
		for path in ("/api/method/frappe.client.get_count", "/api/method/frappe.desk.reportview.get_count"):
			if COUNTS_FOR_ANYBODY and path.endswith("client.get_count"):
				continue
			counted = {
				user: rest("GET", path, user, doctype="AI Usage", filters='{"tokens": [">", 1000]}')[1][
					"message"
				]
				for user in (ANN, CHIEF)
			}
			self.assertEqual(counted[ANN], 1)
			self.assertGreaterEqual(counted[CHIEF], 3)

	def test_nobody_makes_edits_or_deletes_rows(self) -> None:
		for user in (ANN, CHIEF):
			name = self.name(ANN)
			self.assertEqual(rest("POST", "/api/resource/AI Usage", user, user=user, tokens=0)[0], 403)
			self.assertEqual(rest("PUT", f"/api/resource/AI Usage/{name}", user, tokens=0)[0], 403)
			self.assertEqual(rest("DELETE", f"/api/resource/AI Usage/{name}", user)[0], 403)
		with self.assertRaises(frappe.PermissionError):
			frappe.get_doc("AI Usage", self.name(ANN)).save()

	def test_the_report_shows_usage_against_budget_to_each_their_own(self) -> None:
		budgets = {"user_tokens_per_day": 2222, "user_cost_per_month": 2, "site_cost_per_day": 7}
		with patch.dict(frappe.local.conf, {CONF_KEY: {"budgets": budgets}}):
			from ...report.ai_budgets.ai_budgets import execute

			frappe.set_user(CHIEF)
			_columns, rows = execute()
			by_user = {row["user"]: row for row in rows}
		self.assertEqual(rows[0]["user"], "All users")
		self.assertEqual((rows[0]["tokens_today"], rows[0]["cost_today_percent"]), (3333, "25 %"))
		self.assertNotIn("tokens_today_percent", rows[0])
		ann, bob = by_user[ANN], by_user[BOB]
		self.assertEqual((ann["tokens_today_percent"], ann["cost_month_percent"]), ("50 %", "25 %"))
		self.assertEqual((bob["tokens_month"], bob["tokens_today_percent"]), (2222, "100 %"))
		status, own = self.report(ANN)
		self.assertEqual((status, set(own)), (200, {ANN}))
		self.assertGreaterEqual(set(self.report(CHIEF)[1]), {"All users", ANN, BOB})
		for user in (STRANGER, None):
			self.assertEqual(self.report(user)[0], 403)

	def test_the_report_shows_no_cost_where_no_price_is_known(self) -> None:
		from ...report.ai_budgets.ai_budgets import execute

		unpriced, free = "unpriced@usage.test", "free@usage.test"
		use(unpriced, 10, None)
		use(free, 10, 0)
		_columns, rows = execute()
		costs = {row["user"]: (row["cost_today"], row["cost_month"]) for row in rows}
		self.assertEqual((costs[unpriced], costs[free]), ((None, None), (0, 0)))
		self.assertEqual(costs["All users"], (1.75, 1.75))

	def test_the_cards_show_the_fullest_budget_that_one_may_see(self) -> None:
		from ...number_card.ai_budget_this_month.ai_budget_this_month import get as month
		from ...number_card.ai_budget_today.ai_budget_today import get as today

		budgets = {"user_tokens_per_day": 2222, "site_tokens_per_day": 3333}
		with patch.dict(frappe.local.conf, {CONF_KEY: {"budgets": budgets}}):
			for user, shown in ((ANN, "50 %"), (CHIEF, "100 %")):
				frappe.set_user(user)
				self.assertEqual((today(), month()), (shown, "No budget"))
		for card in ("today", "this_month"):
			for asking, expected in ((ANN, 200), (CHIEF, 200), (STRANGER, 403), (None, 403)):
				self.assertEqual(rest("GET", CARD.format(card), asking)[0], expected)

	def test_old_days_are_cleared_and_those_of_this_month_kept_however_few_are_asked_for(self) -> None:
		first = getdate(nowdate()).replace(day=1)
		frappe.db.set_value("AI Usage", self.name(ANN), "day", first)
		frappe.db.set_value("AI Usage", self.name(BOB), "day", first - timedelta(days=1))
		AIUsage.clear_old_logs(400)
		self.assertTrue(frappe.db.exists("AI Usage", {"user": BOB}))
		AIUsage.clear_old_logs(1)
		self.assertFalse(frappe.db.exists("AI Usage", {"user": BOB}))
		self.assertTrue(frappe.db.exists("AI Usage", {"user": ANN}))
		log_settings = frappe.get_doc("Log Settings")
		log_settings.logs_to_clear = []
		log_settings.add_default_logtypes()
		self.assertEqual({row.ref_doctype: row.days for row in log_settings.logs_to_clear}["AI Usage"], 400)

	def test_usage_goes_with_a_renamed_user_and_keeps_nobody_from_being_deleted(self) -> None:
		old, new = make_user("old@usage.test", USER), "new@usage.test"
		delete_user(new)
		use(old, 5, 0)
		make_user(new, USER)
		use(new, 7, 0)
		commit()
		frappe.rename_doc("User", old, new, merge=True, force=True)
		use(new, 1, 0)
		booked = FrappeStore().booked(new, getdate(nowdate()))
		self.assertEqual(sum(row.tokens for row in booked), 13)
		frappe.delete_doc("User", new)
		self.assertFalse(frappe.db.exists("User", new))
		frappe.db.delete("AI Usage", {"user": new})
		frappe.db.delete("AI Request", {"user": new})
		commit()

	def test_users_stay_compared_byte_by_byte_and_are_looked_up_by_an_index(self) -> None:
		def state() -> Any:
			((collation,),) = frappe.db.sql(
				"""select collation_name from information_schema.columns
				where table_schema = database() and table_name = 'tabAI Usage' and column_name = 'user'"""
			)
			indexes = {row.Key_name for row in frappe.db.sql("show index from `tabAI Usage`", as_dict=True)}
			return collation, "user_day_index" in indexes

		self.assertEqual(state(), (BINARY, True))
		frappe.db.sql_ddl("alter table `tabAI Usage` modify user varchar(140)")
		self.assertNotEqual(state(), (BINARY, True))
		install.after_migrate()
		self.assertEqual(state(), (BINARY, True))
