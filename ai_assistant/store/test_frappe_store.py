"""The store's interface on MariaDB: the same promises that tests/standalone/test_sqlite.py checks on SQLite."""

import threading
import time
from datetime import date
from typing import Any
from unittest.mock import patch

import frappe

from ai_assistant import store
from ai_assistant.bench_tests import TestCase, start_without_requests
from ai_assistant.gateway import Text
from ai_assistant.realtime import redis_health
from ai_assistant.realtime.publisher import Publisher

from . import MEASURED, REQUEST_FIELDS, SITE, Booked, LeaseLost, RequestExists
from .frappe_store import FrappeStore

# Frappe's columns of numbers know no NULL.
NUMBERS = ("lease", "cancel_asked", "prompt_bytes", "ended", "first_event_ms")
ANN, BOB = "ann@store.test", "bob@store.test"


SERIES = ("test of the store", "ü")


def many(rows: list[Any]) -> dict[tuple[str, ...], float]:
	return {SERIES: len(rows) * 0.125}


def row(**values: Any) -> dict[str, Any]:
	given = {"user": ANN, "request_id": "request-1", "task_id": "t1", "status": "running", "created": 1.5}
	return {**given, **values}


def event(seq: int, text: str = "said") -> dict[str, Any]:
	return {
		"type": "text",
		"text": text,
		"partial": True,
		"task_id": "t1",
		"request_id": "request-1",
		"seq": seq,
		"elapsed_ms": 3,
		"timestamp": frappe.utils.now(),
	}


class TestFrappeStore(TestCase):
	def setUp(self) -> None:
		self.store = FrappeStore()
		start_without_requests(self, ANN, BOB, ANN.upper(), f"{ANN} ")

	def test_it_is_the_store_of_a_bench(self) -> None:
		self.assertIsInstance(store.current(), FrappeStore)

	def test_a_request_comes_back_as_it_was_kept(self) -> None:
		given = row(
			mode="chat",
			provider="claude",
			response="💭\0 ",
			created=time.time(),
			usage={"total_tokens": 3, "cost_usd": 0.5},
			attempts=[{"provider": "a", "error": None}],
			tool_calls=[{"id": "c", "type": "function", "function": {"name": "f", "arguments": "{}"}}],
			continuation="c2lnbmVk",
			error=None,
		)
		name = self.store.open(given)
		self.assertEqual(
			self.store.get(ANN, "request-1"),
			{"name": name, **dict.fromkeys(REQUEST_FIELDS), **dict.fromkeys(NUMBERS, 0), **given},
		)

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
		found = frappe.get_doc("AI Request", name)
		figures = (
			"prompt_tokens",
			"completion_tokens",
			"total_tokens",
			"cost_usd",
			"first_chunk_ms",
			"first_text_ms",
			"duration_ms",
		)
		self.assertEqual([found.get(figure) for figure in figures], [1, 0, 3, 0, 7, 0, 9])
		self.assertEqual((found.events, found.failed_events, found.error_code), (4, 2, "timeout"))
		self.store.finish(name, {"usage": None, "error": None})
		found = frappe.get_doc("AI Request", name)
		self.assertEqual((found.total_tokens, found.error_code, found.duration_ms), (0, None, 9))

	def test_what_is_no_field_of_a_request_is_refused(self) -> None:
		with self.assertRaisesRegex(ValueError, "a request has no colour"):
			self.store.open(row(colour="red"))

	def test_keys_are_compared_byte_by_byte(self) -> None:
		self.store.open(row(request_id="request-1", task_id="request-1"))
		for other in ("Request-1", "request-1 ", " request-1", "request-1\0", "ｒequest-1", "réquest-1"):
			self.assertIsNone(self.store.get(ANN, other), other)
			self.assertEqual(self.store.of_task(ANN, other), [], other)
			self.store.open(row(request_id=other, task_id=other))
			self.assertEqual(self.store.get(ANN, other)["request_id"], other)  # type: ignore[index]
			self.assertEqual([found["task_id"] for found in self.store.of_task(ANN, other)], [other])
		for user in (ANN.upper(), f"{ANN} "):
			self.assertIsNone(self.store.get(user, "request-1"))
			self.store.open(row(user=user))

	def test_numbers_that_are_strings_stay_strings(self) -> None:
		self.store.open(row(request_id="00000007", task_id="1e3"))
		self.assertIsNone(self.store.get(ANN, "7"))
		self.assertEqual([found["task_id"] for found in self.store.of_task(ANN, "1e3")], ["1e3"])

	def test_a_second_request_of_an_id_is_refused_and_the_transaction_goes_on(self) -> None:
		first = self.store.open(row())
		messages = list(frappe.local.message_log)
		with self.assertRaises(RequestExists):
			self.store.open(row(task_id="another"))
		self.assertEqual(list(frappe.local.message_log), messages)
		self.store.open(row(request_id="request-2"))
		frappe.db.commit()
		found = self.store.get(ANN, "request-1")
		self.assertEqual((found["name"], found["task_id"]), (first, "t1"))  # type: ignore[index]
		self.assertTrue(self.store.get(ANN, "request-2"))

	def test_of_two_at_once_that_open_the_same_id_one_is_refused(self) -> None:
		results: list[str] = []
		together = threading.Barrier(4)
		site, sites_path = frappe.local.site, frappe.local.sites_path

		def attempt() -> None:
			frappe.init(site, sites_path=sites_path)
			frappe.connect()
			try:
				together.wait(10)
				# As whoever accepts a request does: without the lock that it takes, MariaDB may call two who race
				# for a key a deadlock.
				FrappeStore().admission_load(ANN, 0, 0)
				FrappeStore().open(row())
				frappe.db.commit()
				results.append("opened")
			except RequestExists:
				results.append("refused")
			except Exception as error:
				results.append(repr(error))
			finally:
				frappe.destroy()

		threads = [threading.Thread(target=attempt) for _ in range(4)]
		for thread in threads:
			thread.start()
		for thread in threads:
			thread.join()
		self.assertEqual(sorted(results), ["opened", "refused", "refused", "refused"])

	def test_the_requests_of_a_task_come_newest_first_all_or_those_unended(self) -> None:
		for n, status in enumerate(("completed", "running", "queued")):
			self.store.open(row(request_id=f"request-{n}", status=status, created=1e9 + n / 1e6))
		self.store.open(row(request_id="elsewhere", task_id="t2"))
		self.store.open(row(user=BOB, request_id="another-users"))
		for unended, expected in ((False, [2, 1, 0]), (True, [2, 1])):
			ids = [found["request_id"] for found in self.store.of_task(ANN, "t1", unended)]
			self.assertEqual(ids, [f"request-{n}" for n in expected])
		newest = self.store.of_task(ANN, "t1", limit=1)
		self.assertEqual([found["request_id"] for found in newest], ["request-2"])

	def test_live_are_those_that_run_or_began_since_or_are_named_the_oldest_first(self) -> None:
		# Later than whatever else the site has.
		now = time.time() + 1000
		ended = self.store.open(row(request_id="ended-00", status="completed", created=now + 1))
		self.store.open(row(request_id="never-named", status="failed", created=now + 2))
		self.store.open(row(request_id="queued-0", status="queued", created=now + 0.5))
		self.store.open(row(request_id="just-then", status="completed", created=now + 3))
		self.store.open(row(request_id="since-00", status="cancelled", created=now + 3.25))
		theirs = self.store.open(row(user=BOB, request_id="bobs-own", status="running", created=now + 0.25))

		called = {
			each["name"]: each["request_id"] for user in (ANN, BOB) for each in self.store.of_task(user, "t1")
		}

		def ids(user: str | None, since: float, *names: str, limit: int = 10_000) -> list[str]:
			found = self.store.live(user, now + since, names, limit)
			return [called[each["name"]] for each in found if each["name"] in called]

		self.assertEqual(ids(ANN, 9), ["queued-0"])
		self.assertEqual(ids(ANN, 3), ["queued-0", "since-00"])
		# Another's is not shown for being named.
		self.assertEqual(ids(ANN, 9, ended, theirs, "none", ended), ["queued-0", "ended-00"])
		self.assertEqual(ids(BOB, 0, ended), ["bobs-own"])
		self.assertEqual(ids(None, 9, ended), ["bobs-own", "queued-0", "ended-00"])
		for other in (ANN.upper(), f"{ANN} ", ""):
			self.assertEqual(self.store.live(other, now, [ended], 9), [])
		self.assertEqual(ids(ANN, 9, *map(str, range(1000)), ended), ["queued-0", "ended-00"])
		self.assertEqual(ids(ANN, 3, limit=1), ["queued-0"])

	def test_events_come_back_as_they_were_and_in_order_after_a_number(self) -> None:
		name, other = self.store.open(row()), self.store.open(row(request_id="request-2"))
		events = [event(seq, f"💭{seq}") for seq in range(1, 12)]
		for each in reversed(events):
			self.store.append(name, each)
		self.store.append(other, event(1))
		self.assertEqual(self.store.events(name), events)
		self.assertEqual(self.store.events(name, after_seq=9), events[9:])
		self.assertEqual(self.store.events(name, after_seq=11), [])

	def test_a_number_is_given_to_one_event_of_a_request_alone(self) -> None:
		name = self.store.open(row())
		self.store.append(name, event(1, "first"))
		with self.assertRaises(LeaseLost):
			self.store.append(name, event(1, "second"))
		self.store.append(name, event(2))
		self.assertEqual([each["text"] for each in self.store.events(name)], ["first", "said"])

	def test_a_request_is_held_by_a_lease_until_it_ends(self) -> None:
		name = self.store.open(row(lease=10.5))
		self.store.append(name, event(1))
		self.assertEqual(self.store.last_seq(name), 1)
		self.assertEqual([each["name"] for each in self.store.lapsed(11) if each["user"] == ANN], [name])
		self.assertFalse(self.store.renew(name, time.time() + 60))
		self.assertNotIn(name, [each["name"] for each in self.store.lapsed(11)])
		self.store.ask_to_cancel(name)
		self.assertTrue(self.store.renew(name, time.time() + 60))
		self.store.finish(name, {"status": "cancelled"})
		for late in (
			lambda: self.store.renew(name, 1.0),
			lambda: self.store.finish(name, {"status": "failed"}),
		):
			with self.assertRaises(LeaseLost):
				late()
		self.assertEqual(self.store.get(ANN, "request-1")["status"], "cancelled")  # type: ignore[index]

	def test_a_queued_request_keeps_its_question_and_is_started_once(self) -> None:
		question = {"messages": [{"role": "user", "content": "💭"}], "temperature": None}
		later = self.store.open(row(request_id="later-1", status="queued", created=3.0), question)
		name = self.store.open(row(request_id="sooner-1", status="queued", created=2.0), question)
		self.store.open(row(request_id="running-1"))
		own = [each["name"] for each in self.store.queued() if each["user"] == ANN]
		self.assertEqual(own, [name, later])
		found, asked = self.store.start(name, 99.5)
		self.assertEqual(
			(found["request_id"], found["status"], found["lease"]), ("sooner-1", "running", 99.5)
		)
		self.assertEqual(asked, question)
		with self.assertRaises(LeaseLost):
			self.store.start(name, 99.5)

	def test_a_queued_request_may_end_without_having_been_started(self) -> None:
		name = self.store.open(row(status="queued"), {"messages": []})
		self.assertNotIn(name, [each["name"] for each in self.store.lapsed(1e12)])
		with self.assertRaises(LeaseLost):
			self.store.renew(name, 1.0)
		self.store.finish(name, {"status": "cancelled"})
		for late in (
			lambda: self.store.start(name, 1.0),
			lambda: self.store.finish(name, {"status": "failed"}),
		):
			with self.assertRaises(LeaseLost):
				late()
		self.assertIsNone(frappe.db.get_value("AI Request", name, "question"))

	def open_and_end(self, count: int) -> list[str]:
		names = [self.store.open(row(request_id=f"request-{n}")) for n in range(count)]
		for n, name in enumerate(names):
			self.store.finish(name, {"status": "completed", "ended": 4e9 + n, "first_event_ms": 5})
		return names

	def test_who_watches_and_who_cancels_reads_no_requests_that_have_ended(self) -> None:
		# Not ended by `finish`: the index would hold their old status until the transaction ends.
		for n in range(300):
			self.store.open(row(request_id=f"request-{n}", status="completed", created=3e9 + n))
		running = self.store.open(row(request_id="running", created=4e9))
		asked: list[tuple[str, Any]] = []
		ask = frappe.db.sql
		with patch.object(frappe.db, "sql", lambda *query: asked.append(query) or ask(*query)):  # type: ignore[func-returns-value]
			for rows in (
				self.store.live(ANN, 4e9 - 10, [running], 100),
				self.store.live(None, 4e9 - 10, [running], 100),
				self.store.of_task(ANN, "t1", unended=True),
				self.store.of_task(ANN, "t1", limit=1),
			):
				self.assertEqual([each["name"] for each in rows], [running])
		self.assertEqual(len(asked), 4)
		for query, values in asked:
			plan = ask(f"explain {query}", values, as_dict=True)
			for step in (each for each in plan if each["table"] == "tabAI Request"):
				with self.subTest(query=query, **step):
					self.assertTrue(step["key"])
					# The newest of a task is the first of its index.
					if values.get("limit") != 1:
						self.assertLess(int(step["rows"]), 100)

	def test_each_ended_request_is_counted_once_and_outlived_by_its_sum(self) -> None:
		names = self.open_and_end(3)
		running = self.store.open(row(request_id="running"))
		before = self.store.sums().get(SERIES, 0)
		self.assertEqual(self.store.count(many, 10, [*names[:2], running]), 2)
		self.assertEqual(self.store.count(many, 10, names), 1)
		self.assertEqual(self.store.count(many, 10, names), 0)
		frappe.db.delete("AI Request", {"user": ANN})
		self.assertEqual(self.store.sums()[SERIES], before + 3 * 0.125)
		frappe.db.rollback()
		self.assertEqual(self.store.sums().get(SERIES, 0), before)

	def test_no_more_are_counted_than_asked_for_the_oldest_first(self) -> None:
		while self.store.count(lambda rows: {}, 1000):
			pass
		names = self.open_and_end(3)
		counted: list[Any] = []

		def see(rows: list[Any]) -> dict[Any, float]:
			counted.extend(each["name"] for each in rows)
			return {}

		self.assertEqual(self.store.count(see, 2), 2)
		self.assertEqual(sorted(counted), sorted(names[:2]))
		frappe.db.rollback()

	def test_of_many_who_count_at_once_each_request_is_counted_by_one(self) -> None:
		names = self.open_and_end(40)
		frappe.db.commit()
		site, before = frappe.local.site, self.store.sums().get(SERIES, 0)
		together, wrong = threading.Barrier(4), []

		def count() -> None:
			frappe.init(site)
			frappe.connect()
			try:
				together.wait()
				for start in range(0, 40, 10):
					self.store.count(many, 10, names[start : start + 10])
					frappe.db.commit()
			except Exception as error:
				wrong.append(error)
			finally:
				frappe.destroy()

		threads = [threading.Thread(target=count) for _ in range(4)]
		for thread in threads:
			thread.start()
		for thread in threads:
			thread.join()
		frappe.db.rollback()
		self.assertEqual(wrong, [])
		self.assertEqual(self.store.sums()[SERIES], before + 40 * 0.125)
		frappe.db.sql("delete from `tabAI Sum` where series like '%%test of the store%%'")
		frappe.db.commit()

	def test_who_counts_keeps_no_request_from_ending(self) -> None:
		names = self.open_and_end(3)
		running = self.store.open(row(request_id="running"))
		frappe.db.commit()
		self.store.count(many, 10, names)
		site, ended = frappe.local.site, threading.Event()

		def end() -> None:
			frappe.init(site)
			frappe.connect()
			try:
				frappe.db.sql("set innodb_lock_wait_timeout = 2")
				self.store.finish(running, {"status": "completed", "ended": 4e9 + 1.5})
				frappe.db.commit()
				ended.set()
			finally:
				frappe.destroy()

		thread = threading.Thread(target=end)
		thread.start()
		thread.join()
		self.assertTrue(ended.is_set())
		frappe.db.rollback()

	def test_what_ended_lately_comes_newest_first_without_what_was_said(self) -> None:
		names = self.open_and_end(3)
		found = self.store.ended(4e9, 10)
		self.assertEqual([each["name"] for each in found], [names[2], names[1]])
		self.assertEqual(set(found[0]), {"name", *MEASURED})
		self.assertEqual((found[0]["ended"], found[0]["first_event_ms"]), (4e9 + 2, 5))
		self.assertEqual([each["name"] for each in self.store.ended(4e9, 1)], names[2:])

	def test_what_has_not_ended_is_counted_by_status(self) -> None:
		before = self.store.unended(now=1000.0)
		self.store.open(row(request_id="held", lease=1000.5))
		self.store.open(row(request_id="dead", lease=1000.0))
		self.store.open(row(request_id="queued", status="queued"), {})
		after = self.store.unended(now=1000.0)
		grown = {status: after[status] - before[status] for status in after}
		self.assertEqual(grown, {"running": 1, "queued": 1})

	def test_the_longest_event_and_an_answer_of_ten_megabytes_are_kept_whole(self) -> None:
		name = self.store.open(row())
		longest = event(1, "💭" * 8192)
		self.store.append(name, longest)
		self.assertEqual(self.store.events(name), [longest])
		# Quotes and line breaks take two bytes in a statement.
		answer = "a 💭 'quoted'\n" * 700_000
		self.assertGreater(len(answer.encode()), 10_000_000)
		self.store.finish(name, {"status": "completed", "response": answer, "reasoning": answer[::-1]})
		frappe.db.commit()
		found = self.store.get(ANN, "request-1")
		assert found
		self.assertTrue(found["response"] == answer and found["reasoning"] == answer[::-1])

	def test_names_that_are_too_long_for_a_column_do_not_cost_the_answer(self) -> None:
		name = self.store.open(row(mode="m" * 200, provider="p" * 200))
		self.store.finish(name, {"status": "completed", "finish_reason": "f" * 200, "response": "kept"})
		found = self.store.get(ANN, "request-1")
		assert found
		self.assertEqual((found["response"], len(found["finish_reason"])), ("kept", 140))

	def test_a_request_that_is_forgotten_keeps_its_events_without_their_text(self) -> None:
		name = self.store.open(row())
		events = [event(1), event(2)]
		for each in events:
			self.store.append(name, each)
		self.store.forget(name)
		self.assertEqual(self.store.events(name), [{**each, "text": ""} for each in events])

	def test_what_a_forgotten_request_called_is_forgotten_too(self) -> None:
		name = self.store.open(row())
		call = {**event(1, ""), "type": "tool_call", "id": "c", "name": "💡", "arguments": '{"a": "secret"}'}
		end = {**event(2, ""), "type": "completion", "usage": None, "tool_calls": [{"arguments": "secret"}]}
		for each in (call, end):
			self.store.append(name, each)
		self.store.forget(name)
		self.assertEqual(self.store.events(name), [{**call, "arguments": ""}, {**end, "tool_calls": []}])
		payloads = frappe.db.sql("SELECT payload FROM `tabAI Request Event` WHERE request = %s", (name,))
		self.assertNotIn("secret", str(payloads))

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
		found = self.store.get(ANN, "request-1")
		assert found
		self.assertTrue({field: found[field] for field in outcome} == outcome)

	def test_a_lone_surrogate_is_refused_and_harms_nothing(self) -> None:
		name = self.store.open(row())
		lone = "\ud83d"
		for write in (
			lambda: self.store.append(name, event(1, lone)),
			lambda: self.store.finish(name, {"usage": {"note": lone}}),
			lambda: self.store.finish(name, {"response": lone}),
			lambda: self.store.open(row(request_id="request-2", response=lone)),
		):
			with self.assertRaises(UnicodeEncodeError):
				write()
		self.store.append(name, event(1, "whole"))
		frappe.db.commit()
		self.assertEqual([each["text"] for each in self.store.events(name)], ["whole"])

	def test_a_rollback_undoes_what_was_written_since_the_commit(self) -> None:
		name = self.store.open(row())
		frappe.db.commit()
		self.store.append(name, event(1))
		self.store.finish(name, {"status": "failed"})
		frappe.db.rollback()
		self.assertEqual(self.store.get(ANN, "request-1")["status"], "running")  # type: ignore[index]
		self.assertEqual(self.store.events(name), [])

	def test_events_leave_after_a_connection_that_broke_off(self) -> None:
		name, sent = self.store.open({**row(), "created": self.store.now()}), []
		frappe.db.commit()
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
		self.assertEqual([each["seq"] for each in self.store.events(name)], [1, 2, 3])

	def test_one_that_polls_sees_new_events_after_a_rollback(self) -> None:
		name = self.store.open(row())
		frappe.db.commit()
		self.assertEqual(self.store.events(name), [])
		site, sites_path = frappe.local.site, frappe.local.sites_path

		def write() -> None:
			frappe.init(site, sites_path=sites_path)
			frappe.connect()
			FrappeStore().append(name, event(1))
			frappe.db.commit()
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
			(found,) = frappe.get_all(
				"AI Usage",
				{"user": account or ("is", "not set"), "day": day},
				["tokens", "cached_tokens", "cache_write_tokens"],
			)
			self.assertEqual(found, {"tokens": 36, "cached_tokens": 7, "cache_write_tokens": 2})

	def test_what_a_request_has_used_is_booked_on_the_day_on_which_it_ends(self) -> None:
		first, second, third = date(2001, 11, 30), date(2001, 12, 1), date(2001, 12, 2)
		usage = {"total_tokens": 18, "cost_usd": 0.25}
		self.addCleanup(frappe.db.delete, "AI Usage", {"day": ("<=", third)})
		for n, (user, day, used) in enumerate(
			[
				(ANN, first, usage),
				(ANN, second, usage),
				(ANN, second, {"total_tokens": 2**31 - 1, "cost_usd": None}),
				(ANN, second, {"total_tokens": 2**31 - 1, "cost_usd": 1e-9}),
				(BOB, second, usage),
				(ANN.upper(), third, usage),
				(ANN, third, None),
			]
		):
			name = self.store.open(row(user=user, request_id=f"request-{n}"))
			with patch.object(frappe.utils, "now", lambda day=day: f"{day} 23:59:59.999999"):
				self.store.finish(name, {"status": "completed", "usage": used})
				with self.assertRaises(LeaseLost):
					self.store.finish(name, {"status": "failed", "usage": usage})
		much = 18 + 2 * (2**31 - 1)
		self.assertEqual(
			self.store.booked(ANN, first)[:2], [Booked(first, 18, 0.25), Booked(second, much, 0.250000001)]
		)
		self.assertEqual([booked.day for booked in self.store.booked(ANN, second)], [second])
		self.assertEqual(self.store.booked(ANN.upper(), first), [Booked(third, 18, 0.25)])
		self.assertEqual(self.store.booked("nobody", first), [])
		site = [booked for booked in self.store.booked(SITE, second) if booked.day <= third]
		self.assertEqual(site, [Booked(second, much + 18, 0.500000001), Booked(third, 18, 0.25)])
		frappe.db.rollback()
		self.assertEqual(self.store.booked(ANN, first), [])
