"""Tests the store on MariaDB: the contract of all stores, and what only this one has."""

import json
import threading
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from datetime import date
from typing import Any
from unittest.mock import patch

import frappe

from ai_assistant import store
from ai_assistant.bench_tests import TestCase, commit, start_without_requests
from ai_assistant.gateway import Text
from ai_assistant.realtime import redis_health
from ai_assistant.realtime.publisher import Publisher

from . import SITE, RequestExists
from .contract import ANN, BOB, OTHER_ANNS, StoreContract, event, row, sums_of
from .frappe_store import FrappeStore


class TestFrappeStore(StoreContract, TestCase):
	# Frappe's number columns have no NULL.
	absent_number = 0

	def setUp(self) -> None:
		self.store = FrappeStore()
		# A thread of a test has no frappe.local yet.
		self.site = frappe.local.site, frappe.local.sites_path
		start_without_requests(self, ANN, BOB, *OTHER_ANNS)
		self.addCleanup(frappe.db.delete, "AI Usage", {"day": ("<", "2002-01-01")})

	def commit(self) -> None:
		commit()

	def rollback(self) -> None:
		frappe.db.rollback()

	def connection(self) -> AbstractContextManager[None]:
		return connected(*self.site)

	def today_is(self, day: date) -> AbstractContextManager[Any]:
		return patch.object(frappe.utils, "now", lambda: f"{day} 23:59:59.999999")

	def delete_requests(self) -> None:
		frappe.db.delete("AI Request", {"user": ANN})

	def delete_sums(self) -> None:
		frappe.db.sql("delete from `tabAI Sum` where series like '%%test of the store%%'")
		commit()

	def test_it_is_the_store_of_a_bench(self) -> None:
		self.assertIsInstance(store.current(), FrappeStore)

	def test_a_refused_request_leaves_no_message_for_the_client(self) -> None:
		self.store.open(row())
		messages = list(frappe.local.message_log)
		with self.assertRaises(RequestExists):
			self.store.open(row(task_id="another"))
		self.assertEqual(list(frappe.local.message_log), messages)

	def test_the_end_of_a_queued_request_and_of_a_forgotten_one_leaves_no_content(self) -> None:
		name = self.store.open(row(status="queued"), {"messages": ["secret"]})
		call = {**event(1, ""), "type": "tool_call", "id": "c", "name": "f", "arguments": '{"a": "secret"}'}
		self.store.append(name, call)
		self.store.finish(name, {"status": "cancelled"})
		self.store.forget(name)
		self.assertIsNone(frappe.db.get_value("AI Request", name, "question"))
		payloads = frappe.db.sql("SELECT payload FROM `tabAI Request Event` WHERE request = %s", (name,))
		self.assertNotIn("secret", str(payloads))

	def test_a_request_that_was_renewed_meanwhile_is_asked_to_cancel(self) -> None:
		"""`innodb_snapshot_isolation`, on by default from MariaDB 11.6 on, refuses a write to a row that has changed."""
		if not frappe.db.sql("show variables like 'innodb_snapshot_isolation'"):
			self.skipTest("This MariaDB has no innodb_snapshot_isolation.")
		name = self.store.open(row())
		self.commit()
		frappe.db.sql("set session innodb_snapshot_isolation = on")
		self.addCleanup(frappe.db.close)
		# The transaction sees the row as it was before its process renews the lease.
		self.stored()
		self.elsewhere(lambda: self.store.renew(name, time.time() + 60))
		with store.transaction() as current:
			current.ask_to_cancel(name)
		self.assertTrue(self.store.renew(name, time.time() + 60))

	def test_what_desk_sums_is_in_columns_of_its_own(self) -> None:
		name = self.store.open(row())
		self.store.finish(
			name,
			{
				"usage": {"prompt_tokens": 1, "total_tokens": 3, "cost_usd": None},
				"timing": {"first_reasoning_ms": 7, "first_text_ms": None, "duration_ms": 9},
				"realtime": {"events": 4, "failed": 2, "last_seq": 4},
				"error": {"code": "timeout", "message": "Late.", "retryable": True},
			},
		)
		stored = frappe.get_doc("AI Request", name)
		figures = (
			"prompt_tokens",
			"completion_tokens",
			"total_tokens",
			"cost_usd",
			"first_chunk_ms",
			"first_text_ms",
			"duration_ms",
		)
		self.assertEqual([stored.get(figure) for figure in figures], [1, 0, 3, 0, 7, 0, 9])
		self.assertEqual((stored.events, stored.failed_events, stored.error_code), (4, 2, "timeout"))
		# Desk, Frappe's REST and its webhooks get the objects as well.
		usage, timing = (json.loads(stored.as_dict()[field]) for field in ("usage", "timing"))
		self.assertEqual(usage, {"prompt_tokens": 1, "total_tokens": 3, "cost_usd": None})
		self.assertEqual(timing, {"first_reasoning_ms": 7, "first_text_ms": None, "duration_ms": 9})
		self.assertEqual(json.loads(stored.realtime), {"events": 4, "failed": 2, "last_seq": 4})
		self.store.finish(name, {"usage": None, "error": None})
		stored = frappe.get_doc("AI Request", name)
		self.assertEqual((stored.total_tokens, stored.error_code, stored.duration_ms), (0, None, 9))

	def test_who_watches_and_who_cancels_reads_no_requests_that_have_ended(self) -> None:
		# Not ended by `finish`: the index would hold their old status until the transaction ends.
		for n in range(300):
			self.store.open(row(request_id=f"request-{n}", status="completed", created=3e9 + n))
		running = self.store.open(row(request_id="running", created=4e9))
		queries: list[tuple[str, Any]] = []
		ask = frappe.db.sql
		with patch.object(frappe.db, "sql", lambda *query: queries.append(query) or ask(*query)):  # type: ignore[func-returns-value]
			for rows in (
				self.store.live(ANN, 4e9 - 10, [running], 100),
				self.store.live(None, 4e9 - 10, [running], 100),
				self.store.of_task(ANN, "t1", unended=True),
				self.store.of_task(ANN, "t1", limit=1),
			):
				self.assertEqual([stage["name"] for stage in rows], [running])
		self.assertEqual(len(queries), 4)

		steps = [
			(query, step)
			for query, values in queries
			for step in ask(f"explain {query}", values, as_dict=True)
			# The newest request of a task is the first of its index.
			if step["table"] == "tabAI Request" and values.get("limit") != 1
		]
		few = ("PRIMARY", "status_lease_index", "created_index", "user_created_index")
		# "ref" would read all requests of a user.
		all_rows = [
			(query, step)
			for query, step in steps
			if step["key"] not in few or step["type"] not in ("range", "eq_ref", "const")
		]
		self.assertEqual(all_rows, [])

	def test_who_counts_keeps_no_request_from_ending(self) -> None:
		names = self.open_and_end(3)
		running = self.store.open(row(request_id="running"))
		commit()
		self.store.count(sums_of, 10, names)
		site, ended = frappe.local.site, threading.Event()

		def end() -> None:
			frappe.init(site)
			frappe.connect()
			try:
				frappe.db.sql("set innodb_lock_wait_timeout = 2")
				self.store.finish(running, {"status": "completed", "ended": 4e9 + 1.5})
				commit()
				ended.set()
			finally:
				frappe.destroy()

		thread = threading.Thread(target=end)
		thread.start()
		thread.join()
		self.assertTrue(ended.is_set())
		frappe.db.rollback()

	def test_the_longest_event_and_an_answer_of_ten_megabytes_are_kept_whole(self) -> None:
		name = self.store.open(row())
		longest = event(1, "💭" * 8192)
		self.store.append(name, longest)
		self.assertEqual(self.store.events(name), [longest])
		# Quotes and line breaks take two bytes in a statement.
		answer = "a 💭 'quoted'\n" * 700_000
		self.assertGreater(len(answer.encode()), 10_000_000)
		self.store.finish(name, {"status": "completed", "response": answer, "reasoning": answer[::-1]})
		commit()
		stored = self.store.get(ANN, "request-1")
		assert stored
		self.assertTrue(stored["response"] == answer and stored["reasoning"] == answer[::-1])

	def test_names_that_are_too_long_for_a_column_do_not_cost_the_answer(self) -> None:
		name = self.store.open(row(mode="m" * 200, provider="p" * 200))
		self.store.finish(name, {"status": "completed", "finish_reason": "f" * 200, "response": "kept"})
		stored = self.store.get(ANN, "request-1")
		assert stored
		self.assertEqual((stored["response"], len(stored["finish_reason"])), ("kept", 140))

	def test_a_question_with_images_of_fifteen_megabytes_is_kept_whole(self) -> None:
		# What max_allowed_packet is by default, and what may be asked at most.
		question = {"messages": [{"role": "user", "content": "x" * 12_000_000 + 'a 💭 "quoted"\n' * 100_000}]}
		name = self.store.open(row(status="queued"), question)
		self.assertTrue(self.store.start(name, 99.5)[1] == question)

	def test_calls_and_a_continuation_of_megabytes_are_kept_whole(self) -> None:
		name = self.store.open(row(tool_calls=[]))
		longest = {**event(1, ""), "type": "tool_call", "arguments": '{"a": "' + '💭"\\\n' * 250_000}
		self.store.append(name, longest)
		self.assertTrue(self.store.events(name) == [longest])
		outcome = {"tool_calls": [{"arguments": longest["arguments"]}], "continuation": "x" * 4_000_000}
		self.store.finish(name, {"status": "completed", **outcome})
		stored = self.store.get(ANN, "request-1")
		assert stored
		self.assertTrue({field: stored[field] for field in outcome} == outcome)

	def test_events_leave_after_a_connection_that_broke_off(self) -> None:
		name, sent = self.store.open({**row(), "created": self.store.now()}), []
		commit()
		publisher = Publisher(name, ANN, "t1", "request-1", 1.0, enabled=True, keep_content=True)
		((own,),) = frappe.db.sql("SELECT CONNECTION_ID()")
		site, sites_path = frappe.local.site, frappe.local.sites_path

		def kill() -> None:
			frappe.init(site, sites_path=sites_path)
			frappe.connect()
			frappe.db.sql(f"KILL {own}")
			frappe.destroy()

		with (
			patch(
				"frappe.realtime.emit_via_redis", lambda _event, message, _room: sent.append(message["seq"])
			),
			patch.object(redis_health, "why_not", lambda: None),
		):
			publisher.accepted()
			thread = threading.Thread(target=kill)
			thread.start()
			thread.join()
			publisher.forward(Text("Yes."))
			self.assertEqual(sent, [1])
			outcome = {"status": "completed", "finish_reason": "stop", "provider": "p", "model": "m"}
			publisher.complete(publisher.row({**outcome, "usage": None, "attempts": [], "error": None}))
		self.assertEqual(sent, [1, 2, 3])
		self.assertEqual([event["seq"] for event in self.store.events(name)], [1, 2, 3])

	def test_one_that_polls_sees_new_events_after_a_rollback(self) -> None:
		name = self.store.open(row())
		commit()
		self.assertEqual(self.store.events(name), [])
		site, sites_path = frappe.local.site, frappe.local.sites_path

		def write() -> None:
			frappe.init(site, sites_path=sites_path)
			frappe.connect()
			FrappeStore().append(name, event(1))
			commit()
			frappe.destroy()

		thread = threading.Thread(target=write)
		thread.start()
		thread.join()
		self.assertEqual(self.store.events(name), [])
		frappe.db.rollback()
		self.assertEqual(len(self.store.events(name)), 1)

	def test_tokens_of_the_cache_are_booked_too(self) -> None:
		day = date(2001, 11, 30)
		self.addCleanup(frappe.db.delete, "AI Usage", {"day": ("<=", day)})
		for n, cached in enumerate(({"cached_tokens": 7, "cache_write_tokens": 2}, {})):
			name = self.store.open(row(user=ANN, request_id=f"request-{n}"))
			with patch.object(frappe.utils, "now", lambda: f"{day} 23:59:59.999999"):
				used = {"total_tokens": 18, "cost_usd": 0.25, **cached}
				self.store.finish(name, {"status": "completed", "usage": used})
		for account in (ANN, SITE):
			(rows,) = frappe.get_all(
				"AI Usage",
				{"user": account or ("is", "not set"), "day": day},
				["tokens", "cached_tokens", "cache_write_tokens"],
			)
			self.assertEqual(rows, {"tokens": 36, "cached_tokens": 7, "cache_write_tokens": 2})


@contextmanager
def connected(site: str, sites_path: str) -> Iterator[None]:
	"""Connects this thread to the site."""
	frappe.init(site, sites_path=sites_path)
	frappe.connect()
	try:
		yield
	finally:
		frappe.destroy()
