"""How the log of requests is cleared, counted and synced."""

from typing import Any

import frappe
from frappe.utils import add_days, now_datetime

from ai_assistant import install
from ai_assistant.store.mariadb import BINARY

from .ai_request import AIRequest, on_doctype_update
from .for_tests import ANN, LoggedRequestsTestCase, make_request
from ..ai_request_event.ai_request_event import AIRequestEvent
from ai_assistant.bench_tests import commit, make_user
from ai_assistant.patches.v0_3 import set_ended
from ai_assistant.permissions import USER
from ai_assistant.store.frappe_store import FrappeStore

test_ignore = IGNORE_TEST_RECORD_DEPENDENCIES = ["User"]


class TestAIRequestLogs(LoggedRequestsTestCase):
	def test_a_request_keeps_nobody_from_deleting_its_user(self) -> None:
		gone = make_user("gone@permissions.test", USER)
		make_request(gone, "x")
		frappe.delete_doc("User", gone)
		self.assertFalse(frappe.db.exists("User", gone))
		frappe.db.delete("AI Request Event", {"owner": "Administrator", "text": "x"})
		frappe.db.delete("AI Request", {"user": gone})
		commit()

	def test_the_keys_stay_binary_when_the_doctype_is_synced_again(self) -> None:
		def state() -> Any:
			collations = frappe.db.sql(
				"""select column_name, collation_name from information_schema.columns
				where table_schema = database() and table_name = 'tabAI Request'
				and column_name in ('user', 'request_id', 'task_id') order by 1"""
			)
			indexes = {
				row.Key_name: row.Non_unique
				for row in frappe.db.sql("show index from `tabAI Request`", as_dict=True)
			}
			return (
				dict(collations),
				indexes["unique_user_request_id"],
				indexes["user_task_id_created_creation_index"],
			)

		expected = dict.fromkeys(("user", "request_id", "task_id"), BINARY), 0, 1
		self.assertEqual(state(), expected)
		frappe.reload_doc("ai_assistant", "doctype", "ai_request", force=True)
		frappe.db.updatedb("AI Request")
		self.assertEqual(state(), expected)
		# As after a dump of the schema alone, or somebody's hand.
		frappe.db.sql_ddl("alter table `tabAI Request` modify request_id varchar(64)")
		self.assertNotEqual(state(), expected)
		install.after_migrate()
		self.assertEqual(state(), expected)
		on_doctype_update()
		self.assertEqual(state(), expected)

	def test_old_logs_are_cleared_and_new_ones_kept(self) -> None:
		for old, days, clear, doctype in (
			(31, 30, AIRequest.clear_old_logs, "AI Request"),
			(2, 1, AIRequestEvent.clear_old_logs, "AI Request Event"),
		):
			name = f"{self.anns}:1" if doctype == "AI Request Event" else self.anns
			frappe.db.set_value(
				doctype, name, "creation", add_days(now_datetime(), -old), update_modified=False
			)
			clear(days)
			self.assertFalse(frappe.db.exists(doctype, name))
			self.assertFalse(frappe.db.exists("AI Request Event", f"{self.anns}:1"))
			self.assertTrue(frappe.db.exists("AI Request", self.bobs))
			self.assertTrue(frappe.db.exists("AI Request Event", f"{self.bobs}:1"))
			frappe.db.rollback()

	def ended(self, old: int) -> str:
		name = FrappeStore().open(
			{
				"user": ANN,
				"request_id": f"ended-{old}",
				"task_id": "t",
				"status": "cancelled",
				"created": 1.0,
				"ended": 2.0,
			}
		)
		at = add_days(now_datetime(), -old)
		frappe.db.set_value("AI Request", name, "creation", at, update_modified=False)
		return name

	def test_what_is_cleared_or_deleted_stays_in_the_sums(self) -> None:
		def cancelled() -> float:
			return FrappeStore().sums().get(("requests", "cancelled"), 0)

		before = cancelled()
		self.ended(31)
		self.ended(29)
		AIRequest.clear_old_logs(30)
		self.assertEqual(cancelled(), before + 1)
		AIRequest.clear_old_logs(30)
		self.assertEqual(cancelled(), before + 1)
		frappe.delete_doc("AI Request", self.ended(1))
		self.assertEqual(cancelled(), before + 2)

	def test_what_an_earlier_release_ended_gets_its_end(self) -> None:
		name = self.ended(1)
		frappe.db.set_value("AI Request", name, {"ended": 0, "created": 100.5, "duration_ms": 2000})
		set_ended.execute()
		self.assertEqual(frappe.db.get_value("AI Request", name, "ended"), 102.5)
		frappe.db.delete("AI Request", name)
		commit()

	def test_what_an_earlier_release_ended_after_the_patch_is_counted_all_the_same(self) -> None:
		name = self.ended(1)
		frappe.db.set_value("AI Request", name, "ended", 0)
		self.assertEqual(FrappeStore().count(lambda _rows: {}, 1, [name]), 1)
		self.assertEqual(frappe.db.get_value("AI Request", name, "counted"), 1)

	def test_log_settings_know_both_logs(self) -> None:
		log_settings = frappe.get_doc("Log Settings")
		log_settings.logs_to_clear = []
		log_settings.add_default_logtypes()
		days = {row.ref_doctype: row.days for row in log_settings.logs_to_clear}
		self.assertEqual((days["AI Request"], days["AI Request Event"]), (30, 1))
