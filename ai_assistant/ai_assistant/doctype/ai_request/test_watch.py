"""How `watch` logs who reads the events of another user."""

from typing import Any
from unittest.mock import patch

import frappe
import redis
from frappe import deferred_insert
from frappe.utils.redis_wrapper import RedisWrapper

from .for_tests import ANN, BOB, CHIEF, LoggedRequestsTestCase
from ai_assistant import keys, store
from ai_assistant.bench_tests import commit, rest, rest_with
from ai_assistant.chat import event_feed
from ai_assistant.chat.errors import ChatError

test_ignore = IGNORE_TEST_RECORD_DEPENDENCIES = ["User"]

PATH = "/api/method/ai_assistant.api.watch"


class TestWatch(LoggedRequestsTestCase):
	def setUp(self) -> None:
		super().setUp()
		self.forget()
		self.addCleanup(self.forget)

	def forget(self) -> None:
		"""Forgets all that the earlier tests logged."""
		event_feed._logged.clear()
		frappe.db.rollback()
		frappe.db.delete("View Log", {"reference_name": ("in", (self.anns, self.bobs))})
		commit()

	def watch(self, user: str, since: float = 0, **seen: int) -> str:
		"""Returns the answer to a user who sends this cursor. The requests of ANN and BOB are the oldest of the site."""
		status, body = rest("POST", PATH, user, cursor={"since": since, "seen": seen})
		self.assertEqual(status, 200, body)
		return str(body)

	def readers(self, name: str) -> list[str]:
		"""Returns who has read a request, as other connections see it."""
		frappe.db.rollback()
		views = {"reference_doctype": "AI Request", "reference_name": name}
		return sorted(frappe.get_all("View Log", views, pluck="viewed_by"))

	def test_a_system_manager_is_logged_once_for_each_request_of_another(self) -> None:
		for _poll in range(3):
			self.assertIn("said to ann", self.watch(CHIEF))
		self.assertEqual((self.readers(self.anns), self.readers(self.bobs)), ([CHIEF], [CHIEF]))

	def test_a_forged_cursor_avoids_no_row(self) -> None:
		later = 1e11
		# A cursor that claims to have seen all gets no text, and needs no row.
		self.assertNotIn("said to ann", self.watch(CHIEF, later, **{self.anns: 1}))
		self.assertEqual(self.readers(self.anns), [])
		for seq in (0, 0):
			self.assertIn("said to ann", self.watch(CHIEF, later, **{self.anns: seq}))
			self.assertEqual(self.readers(self.anns), [CHIEF])
		self.assertEqual(self.readers(self.bobs), [])

	def test_the_row_is_there_before_the_events_are_returned(self) -> None:
		# Without a request, nothing commits at its end.
		frappe.set_user(CHIEF)
		page = event_feed.page({"since": 0, "seen": {}})
		self.assertIn("said to ann", str(page))
		self.assertEqual(self.readers(self.anns), [CHIEF])

	def test_users_read_their_own_and_are_not_logged(self) -> None:
		for user, mine, others in ((ANN, self.anns, self.bobs), (BOB, self.bobs, self.anns)):
			body = self.watch(user, **{self.anns: 0, self.bobs: 0})
			self.assertIn(f"said to {user[:3]}", body)
			self.assertEqual((self.readers(mine), self.readers(others)), ([], []))

	def test_a_system_manager_reads_their_own_and_is_not_logged(self) -> None:
		row = {"user": CHIEF, "request_id": "request-1", "task_id": "t1", "status": "completed"}
		with store.transaction() as current:
			own = current.open({**row, "created": 1.0})
			current.append(own, {"seq": 1, "type": "text", "text": "said to chief"})
		self.assertIn("said to chief", self.watch(CHIEF, 1e11, **{own: 0}))
		self.assertEqual(self.readers(own), [])

	def test_an_ai_key_of_a_system_manager_reads_no_events_of_others(self) -> None:
		key = keys.generate()
		doc: Any = frappe.get_doc({"doctype": "AI Key", "user": CHIEF, "label": "watch"})
		doc.insert()
		self.addCleanup(frappe.delete_doc, "AI Key", doc.name, force=True, delete_permanently=True)
		doc.db_set("key_hash", keys.digest(key))
		commit()
		cursor = {"since": 0, "seen": {self.anns: 0}}
		status, body = rest_with({"x-api-key": key}, "POST", PATH, cursor=cursor)
		self.assertEqual(status, 200, body)
		self.assertNotIn("said to ann", str(body))
		self.assertEqual(self.readers(self.anns), [])

	def test_a_row_that_cannot_be_written_keeps_the_events_back(self) -> None:
		with patch.object(store.current(), "log_view", side_effect=frappe.ValidationError("no")):
			status, body = rest("POST", PATH, CHIEF, cursor={"since": 0, "seen": {}})
		self.assertNotEqual(status, 200)
		self.assertNotIn("said to ann", str(body))
		self.assertIn("said to ann", self.watch(CHIEF))
		self.assertEqual(self.readers(self.anns), [CHIEF])

	def test_a_maintenance_that_allows_reads_logs_later(self) -> None:
		frappe.set_user(CHIEF)
		frappe.flags.read_only = True
		try:
			frappe.db.rollback()
			self.assertIn("said to ann", str(event_feed.page({"since": 0, "seen": {}})))
		finally:
			frappe.flags.read_only = False
		self.assertEqual(self.readers(self.anns), [])
		frappe.set_user("Administrator")
		deferred_insert.save_to_db()
		commit()
		self.assertEqual(self.readers(self.anns), [CHIEF])

	def test_a_maintenance_without_redis_keeps_the_events_back(self) -> None:
		frappe.set_user(CHIEF)
		down = patch.object(RedisWrapper, "rpush", side_effect=redis.ConnectionError("down"))
		with patch.dict(frappe.local.flags, read_only=True), down:
			for _poll in range(2):
				frappe.db.rollback()
				self.assertRaises(redis.ConnectionError, event_feed.page, {"since": 0, "seen": {}})

	def test_where_nothing_may_be_committed_there_are_no_events_of_others(self) -> None:
		frappe.set_user(CHIEF)
		cursor = {"since": 0, "seen": {}}
		in_script = patch.dict(frappe.local.flags, in_safe_exec=True)
		# As Frappe 16 does in a document event.
		in_event = patch.object(frappe.local.db, "_disable_transaction_control", 1, create=True)
		for where in (in_script, in_event):
			with where, self.assertRaises(ChatError) as refused:
				event_feed.page(cursor)
			self.assertEqual(refused.exception.code, "not_permitted")
		self.assertEqual(self.readers(self.anns), [])
		self.assertIn("said to ann", str(event_feed.page(cursor)))
		self.assertEqual(self.readers(self.anns), [CHIEF])

	def test_a_deleted_request_leaves_no_content_to_read_without_a_row(self) -> None:
		fields = {
			"user": BOB,
			"request_id": "deleted",
			"task_id": "t1",
			"status": "completed",
			"created": 1.0,
		}
		with store.transaction() as current:
			name = current.open(
				{**fields, "response": "to delete", "new_messages": [{"content": "to delete"}]}
			)
			for seq in (1, 2):
				current.append(name, {"seq": seq, "type": "text", "text": "to delete", "more": "to delete"})
		for doctype, deleted in (("AI Request Event", f"{name}:1"), ("AI Request", name)):
			frappe.delete_doc(doctype, deleted)
			copy = {"deleted_doctype": doctype, "deleted_name": deleted}
			data = frappe.db.get_value("Deleted Document", copy, "data")
			self.assertIn(deleted, data)
			self.assertNotIn("to delete", data)
			frappe.db.delete("Deleted Document", copy)
		commit()
