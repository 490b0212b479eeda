"""The tests that every store must pass. Each store's own test file runs them."""

import threading
import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from datetime import date
from typing import TYPE_CHECKING, Any

from . import (
	KEY,
	MEASURED_FIELDS,
	REQUEST_FIELDS,
	SITE,
	Booked,
	LeaseLost,
	RequestExists,
	Store,
)

# Not a TestCase itself, or each test runner that imports it would run it without a store.
if TYPE_CHECKING:
	from unittest import TestCase as Base
else:
	Base = object

ANN, BOB = "ann@store.test", "bob@store.test"
OTHER_ANNS = (ANN.upper(), f"{ANN} ")
SERIES = ("test of the store", "ü")
USAGE = {"total_tokens": 18, "cost_usd": 0.25}
NUMBERS = ("lease", "cancel_asked", "prompt_bytes", "ended", "first_event_ms")
"""The fields that hold numbers, apart from `created`, which every request has."""


def row(**values: Any) -> dict[str, Any]:
	"""Makes a request of ANN."""
	request = {"user": ANN, "request_id": "request-1", "task_id": "t1", "status": "running", "created": 1.5}
	return {**request, **values}


def event(seq: int, text: str = "Yes.") -> dict[str, Any]:
	"""Makes a text event."""
	return {
		"type": "text",
		"text": text,
		"partial": True,
		"task_id": "t1",
		"request_id": "request-1",
		"seq": seq,
		"elapsed_ms": 3,
		"timestamp": "2026-11-24 12:34:56.123456",
	}


def sums_of(rows: list[Any]) -> dict[tuple[str, ...], float]:
	"""Adds an eighth for each request."""
	return {SERIES: len(rows) * 0.125}


class StoreContract(Base):
	"""Mix this into a TestCase that has a `store` without requests of ANN, OTHER_ANNS and BOB."""

	store: Store
	absent_number: int | None = None
	"""What the store returns for a number that was not given."""

	def commit(self) -> None:
		"""Commits the transaction of this thread."""
		raise NotImplementedError

	def rollback(self) -> None:
		"""Rolls the transaction of this thread back."""
		raise NotImplementedError

	def connection(self) -> AbstractContextManager[None]:
		"""Gives this thread a connection of its own."""
		raise NotImplementedError

	def today_is(self, day: date) -> AbstractContextManager[Any]:
		"""Makes `day` the site's day."""
		raise NotImplementedError

	def delete_requests(self) -> None:
		"""Deletes the requests of ANN."""
		raise NotImplementedError

	def delete_sums(self) -> None:
		"""Deletes the sum SERIES and commits."""
		raise NotImplementedError

	def at_once(self, *works: Callable[[], Any]) -> list[Any]:
		"""Runs works at the same time, each on a connection of its own, which is committed.

		Returns:
			What each returned, or the error that it raised.
		"""
		results: list[Any] = [None] * len(works)
		barrier = threading.Barrier(len(works))

		def run(number: int) -> None:
			try:
				with self.connection():
					try:
						barrier.wait(30)
						results[number] = works[number]()
						self.commit()
					finally:
						self.rollback()
			except Exception as error:
				results[number] = error

		threads = [threading.Thread(target=run, args=(number,)) for number in range(len(works))]
		for thread in threads:
			thread.start()
		for thread in threads:
			thread.join()
		return results

	def elsewhere(self, work: Callable[[], Any]) -> Any:
		"""Runs a work on another connection, commits it, and returns what it returned."""
		(result,) = self.at_once(work)
		if isinstance(result, Exception):
			raise result
		return result

	def found(self, request_id: str = "request-1", user: str = ANN) -> dict[str, Any]:
		"""Returns a request that must exist."""
		found = self.store.get(user, request_id)
		assert found, request_id
		return found

	# Requests

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
		empty = {**dict.fromkeys(REQUEST_FIELDS), **dict.fromkeys(NUMBERS, self.absent_number)}
		self.assertEqual(self.found(), {"name": name, **empty, **given})

	def test_the_outcome_of_a_request_is_written_over_what_was_there(self) -> None:
		name = self.store.open(row(usage={"total_tokens": 1}))
		timing = {"first_reasoning_ms": None, "first_text_ms": None, "duration_ms": 5}
		self.store.finish(name, {"status": "completed", "usage": None, "timing": timing})
		found = self.found()
		values = [found[field] for field in ("status", "usage", "timing", "task_id")]
		self.assertEqual(values, ["completed", None, timing, "t1"])

	def test_what_is_no_field_of_a_request_is_refused(self) -> None:
		with self.assertRaisesRegex(ValueError, "a request has no colour"):
			self.store.open(row(colour="red"))
		name = self.store.open(row())
		with self.assertRaisesRegex(ValueError, "a request has no colour"):
			self.store.finish(name, {"colour": "red"})

	def test_a_request_is_its_users_own(self) -> None:
		self.store.open(row())
		self.assertIsNone(self.store.get(BOB, "request-1"))
		self.assertIsNone(self.store.get(ANN, "request-2"))
		self.assertEqual(self.store.of_task(BOB, "t1"), [])

	def test_two_users_may_use_the_same_id(self) -> None:
		self.assertNotEqual(self.store.open(row()), self.store.open(row(user=BOB)))

	def test_keys_are_compared_byte_by_byte(self) -> None:
		self.store.open(row(request_id="request-1", task_id="request-1"))
		for other in (
			"Request-1",
			"request-1 ",
			" request-1",
			"request-1\0",
			"ｒequest-1",
			"réquest-1",
			"request-01",
		):
			self.assertIsNone(self.store.get(ANN, other), other)
			self.assertEqual(self.store.of_task(ANN, other), [], other)
			self.store.open(row(request_id=other, task_id=other))
			self.assertEqual(self.found(other)["request_id"], other)
			self.assertEqual([found["task_id"] for found in self.store.of_task(ANN, other)], [other])
		for user in OTHER_ANNS:
			self.assertIsNone(self.store.get(user, "request-1"))
			self.store.open(row(user=user))
			self.assertTrue(self.store.get(user, "request-1"))

	def test_numbers_that_are_strings_stay_strings(self) -> None:
		self.store.open(row(request_id="00000007", task_id="1e3"))
		self.assertIsNone(self.store.get(ANN, "7"))
		self.assertEqual([found["task_id"] for found in self.store.of_task(ANN, "1e3")], ["1e3"])

	def test_a_second_request_of_an_id_is_refused_and_the_transaction_goes_on(self) -> None:
		first = self.store.open(row())
		with self.assertRaises(RequestExists):
			self.store.open(row(task_id="another"))
		self.store.open(row(request_id="request-2"))
		self.commit()
		found = self.found()
		self.assertEqual((found["name"], found["task_id"]), (first, "t1"))
		self.assertTrue(self.store.get(ANN, "request-2"))

	def test_of_many_at_once_that_open_the_same_id_one_is_accepted(self) -> None:
		def attempt() -> str:
			# As everybody does who accepts a request. Without the lock MariaDB can call the race a deadlock.
			self.store.admission_load(ANN, 0, 0)
			return self.store.open(row())

		results = self.at_once(*[attempt] * 6)
		self.assertEqual(sorted(type(result).__name__ for result in results), ["RequestExists"] * 5 + ["str"])

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
		# Later than the requests that a bench may have.
		now = time.time() + 1000
		ended = self.store.open(row(request_id="ended-00", status="completed", created=now + 1))
		self.store.open(row(request_id="never-named", status="failed", created=now + 2))
		self.store.open(row(request_id="queued-0", status="queued", created=now + 0.5))
		self.store.open(row(request_id="just-then", status="completed", created=now + 3))
		self.store.open(row(request_id="since-00", status="cancelled", created=now + 3.25))
		theirs = self.store.open(row(user=BOB, request_id="bobs-own", status="running", created=now + 0.25))
		ids_of = {
			each["name"]: each["request_id"] for user in (ANN, BOB) for each in self.store.of_task(user, "t1")
		}

		def ids(user: str | None, since: float, *names: str, limit: int = 10_000) -> list[str]:
			live = self.store.live(user, now + since, names, limit)
			return [ids_of[each["name"]] for each in live if each["name"] in ids_of]

		self.assertEqual(ids(ANN, 9), ["queued-0"])
		self.assertEqual(ids(ANN, 3), ["queued-0", "since-00"])
		# A request of another user is not returned, though it is named.
		self.assertEqual(ids(ANN, 9, ended, theirs, "none", ended), ["queued-0", "ended-00"])
		self.assertEqual(ids(BOB, 0, ended), ["bobs-own"])
		self.assertEqual(ids(None, 9, ended), ["bobs-own", "queued-0", "ended-00"])
		for other in (*OTHER_ANNS, ""):
			self.assertEqual(self.store.live(other, now, [ended], 9), [])
		self.assertEqual(
			ids(ANN, 9, *(str(number) for number in range(1000)), ended), ["queued-0", "ended-00"]
		)
		self.assertEqual(ids(ANN, 3, limit=1), ["queued-0"])
		self.assertEqual(ids(ANN, 3, limit=2), ["queued-0", "since-00"])

	def test_a_lease_is_renewed_until_the_request_ends(self) -> None:
		name = self.store.open(row(lease=10.5))
		lapsed = [each["name"] for each in self.store.lapsed(11) if each["user"] == ANN]
		self.assertEqual(lapsed, [name])
		self.assertIs(self.store.renew(name, 11.5), False)
		self.assertNotIn(name, [each["name"] for each in self.store.lapsed(11)])
		self.store.ask_to_cancel(name)
		self.assertIs(self.store.renew(name, 12.5), True)
		self.store.finish(name, {"status": "cancelled"})
		self.assertNotIn(name, [each["name"] for each in self.store.lapsed(13)])
		for late in (
			lambda: self.store.renew(name, 14.5),
			lambda: self.store.finish(name, {"status": "failed"}),
		):
			with self.assertRaises(LeaseLost):
				late()
		found = self.found()
		self.assertEqual((found["status"], found["lease"]), ("cancelled", 12.5))

	def test_a_queued_request_keeps_its_question_and_is_started_once(self) -> None:
		question = {"messages": [{"role": "user", "content": "💭"}], "temperature": None}
		later = self.store.open(row(request_id="later-1", status="queued", created=3.0), question)
		name = self.store.open(row(request_id="sooner-1", status="queued", created=2.0), question)
		self.store.open(row(request_id="running-1"))
		self.commit()
		self.assertEqual([each["name"] for each in self.store.queued() if each["user"] == ANN], [name, later])
		results = self.at_once(*[lambda: self.store.start(name, 99.5)] * 6)
		((found, asked),) = [result for result in results if not isinstance(result, LeaseLost)]
		self.assertEqual(
			(found["request_id"], found["status"], found["lease"]), ("sooner-1", "running", 99.5)
		)
		self.assertEqual(asked, question)
		self.rollback()
		self.assertEqual([each["name"] for each in self.store.queued() if each["user"] == ANN], [later])

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

	def test_admission_counts_the_requests_that_matter_and_lets_the_next_caller_wait(self) -> None:
		before = self.store.admission_load(BOB, 100.0, 0).running
		requests: dict[str, dict[str, Any]] = {
			"queued-1": {"status": "queued", "created": 50.0},
			"running-1": {"lease": 100.5, "created": 60.0},
			"dead-0001": {"lease": 99.5, "created": 70.0},
			"ended-001": {"status": "completed", "lease": 100.5, "created": 40.0},
		}
		for request_id, values in requests.items():
			self.store.open(row(request_id=request_id, **values))
		self.store.open(row(user=BOB, lease=100.5))
		load = self.store.admission_load(ANN, 100.0, 45.0)
		self.assertEqual(load, (2, before + 2, [50.0, 60.0, 70.0]))
		started, counted = threading.Event(), threading.Event()
		loads = []

		def count() -> None:
			with self.connection():
				started.set()
				loads.append(self.store.admission_load(ANN, 100.0, 45.0).own)
				counted.set()
				self.rollback()

		thread = threading.Thread(target=count)
		thread.start()
		started.wait(20)
		# A caller that does not wait has counted by then.
		self.assertFalse(counted.wait(0.3))
		self.store.open(row(request_id="one-more", status="queued"))
		self.commit()
		thread.join()
		self.assertEqual(loads, [3])

	def test_the_continuation_of_a_call_is_that_of_its_users_newest_request(self) -> None:
		requests: list[dict[str, Any]] = [
			{"call_key": "a", "continuation": "old"},
			{"call_key": "a", "continuation": "new"},
			{"call_key": "a", "continuation": None},
			{"call_key": "b", "continuation": "other"},
			{"call_key": "c", "continuation": None},
			{"call_key": "c", "continuation": "theirs", "user": BOB},
		]
		for n, values in enumerate(requests):
			self.store.open(row(request_id=f"request-{n}", created=float(n), **values))
		self.assertEqual(self.store.continuations(ANN, ["a", "c", "none"]), {"a": "new"})
		self.assertEqual(self.store.continuations(BOB, ["c"]), {"c": "theirs"})

	# Events

	def test_events_come_back_as_they_were_and_in_order_after_a_number(self) -> None:
		name, other = self.store.open(row()), self.store.open(row(request_id="request-2"))
		events = [event(seq, f"💭{seq}") for seq in range(1, 12)]
		for each in reversed(events):
			self.store.append(name, each)
		self.store.append(other, event(1))
		self.assertEqual(self.store.events(name), events)
		self.assertEqual(self.store.events(name, after_seq=9), events[9:])
		self.assertEqual(self.store.events(name, after_seq=11), [])
		self.assertEqual((self.store.events("none"), self.store.last_seq("none")), ([], 0))
		self.assertEqual(self.store.last_seq(name), 11)

	def test_a_number_is_given_to_one_event_of_a_request_alone(self) -> None:
		name = self.store.open(row())
		self.store.append(name, event(1, "first"))
		with self.assertRaises(LeaseLost):
			self.store.append(name, event(1, "second"))
		self.store.append(name, event(2, "third"))
		self.commit()
		self.assertEqual([each["text"] for each in self.store.events(name)], ["first", "third"])

	def test_a_request_that_is_forgotten_keeps_its_events_without_their_text(self) -> None:
		name, other = self.store.open(row()), self.store.open(row(request_id="request-2"))
		events = [event(1, "said 💭"), event(2)]
		for each in events:
			self.store.append(name, each)
			self.store.append(other, each)
		self.store.forget(name)
		self.assertEqual(self.store.events(name), [{**each, "text": ""} for each in events])
		self.assertEqual(self.store.events(other), events)

	def test_what_a_forgotten_request_called_is_forgotten_too(self) -> None:
		name = self.store.open(row())
		call = {**event(1, ""), "type": "tool_call", "id": "c", "name": "💡", "arguments": '{"a": "secret"}'}
		end = {**event(2, ""), "type": "completion", "usage": None, "tool_calls": [{"arguments": "secret"}]}
		for each in (call, end):
			self.store.append(name, each)
		self.store.forget(name)
		self.assertEqual(self.store.events(name), [{**call, "arguments": ""}, {**end, "tool_calls": []}])

	def test_what_a_forgotten_request_cites_is_forgotten_too(self) -> None:
		name = self.store.open(row())
		error = {"code": "content_filtered", "explanation": "secret"}
		cited = {"sources": [{"url": "secret"}], "images": [{"type": "image/png"}], "error": error}
		end = {**event(1, ""), "type": "completion", **cited}
		self.store.append(name, end)
		self.store.forget(name)
		blank = {"sources": [], "images": [], "error": {**error, "explanation": ""}}
		self.assertEqual(self.store.events(name), [{**end, **blank}])

	def test_what_a_client_sent_is_kept_as_long_as_its_request(self) -> None:
		sent = {"messages": [{"role": "user", "content": "💭"}], "background": True}
		name = self.store.open(row(), sent=sent)
		other = self.store.open(row(request_id="request-2"))
		self.assertEqual((self.store.sent(name), self.store.sent(other)), (sent, None))
		self.store.finish(name, {"status": "completed"})
		self.assertEqual(self.store.sent(name), sent)

	def test_an_erased_request_keeps_its_figures_alone(self) -> None:
		told = {
			**dict.fromkeys(("response", "reasoning", "continuation"), "secret"),
			**{"tool_calls": [{"id": "c"}], "sources": [{"url": "secret"}], "images": [{"type": "secret"}]},
			"error": {"code": "content_filtered", "explanation": "secret"},
		}
		name = self.store.open(
			{**row(), "excerpt": "secret", "tool_calls": []}, sent={"messages": ["secret"]}
		)
		other = self.store.open(row(request_id="request-2"))
		for each in (name, other):
			self.store.append(each, event(1, "said"))
			self.store.finish(each, {"status": "completed", **told, "finish_reason": "stop"})
		self.store.erase(name)
		found = self.found()
		self.assertNotIn("secret", str(found))
		self.assertEqual(found["error"], {"code": "content_filtered"})
		self.assertEqual((found["tool_calls"], found["finish_reason"]), ([], "stop"))
		self.assertEqual(self.store.sent(name), {})
		self.assertEqual([each["text"] for each in self.store.events(name)], [""])
		self.assertEqual(self.found("request-2")["response"], "secret")
		self.assertEqual([each["text"] for each in self.store.events(other)], ["said"])

	# Transactions

	def test_others_see_what_was_written_at_the_commit_and_not_before(self) -> None:
		name = self.store.open(row())
		self.assertIsNone(self.elsewhere(lambda: self.store.get(ANN, "request-1")))
		self.commit()
		self.assertTrue(self.elsewhere(lambda: self.store.get(ANN, "request-1")))
		self.store.append(name, event(1))
		self.assertEqual(self.elsewhere(lambda: self.store.events(name)), [])
		self.commit()
		self.assertEqual(len(self.elsewhere(lambda: self.store.events(name))), 1)

	def test_a_rollback_undoes_what_was_written_since_the_commit(self) -> None:
		name = self.store.open(row())
		self.commit()
		self.store.append(name, event(1))
		self.store.finish(name, {"status": "failed"})
		self.rollback()
		self.rollback()
		self.assertEqual((self.found()["status"], self.store.events(name)), ("running", []))

	def test_a_lone_surrogate_is_refused_and_harms_nothing(self) -> None:
		name, lone = self.store.open(row()), "\ud83d"
		self.commit()
		for write in (
			lambda: self.store.append(name, event(1, lone)),
			lambda: self.store.finish(name, {"usage": {"note": lone}}),
			lambda: self.store.finish(name, {"response": lone}),
			lambda: self.store.open(row(request_id="request-2", response=lone)),
			lambda: self.store.open(row(request_id="request-2" + lone)),
		):
			with self.assertRaises(UnicodeEncodeError):
				write()
		self.store.append(name, event(1, "whole"))
		self.commit()
		self.assertEqual([each["text"] for each in self.store.events(name)], ["whole"])
		self.elsewhere(lambda: self.store.open(row(request_id="request-3")))

	# Usage

	def test_the_usage_with_an_ai_key_is_booked_on_its_account_too(self) -> None:
		day = date(2031, 1, 2)
		with self.today_is(day):
			for number, key in enumerate(("k1", "k1", "k2", None)):
				name = self.store.open(row(request_id=f"request-{number}", ai_key=key, created=number + 1.0))
				self.store.finish(name, {"status": "completed", "usage": USAGE})
		self.assertEqual(self.store.booked(f"{KEY}k1", day), [Booked(day, 36, 0.5)])
		self.assertEqual(self.store.booked(f"{KEY}k2", day), [Booked(day, 18, 0.25)])
		self.assertEqual(self.store.booked(ANN, day), [Booked(day, 72, 1.0)])
		self.assertEqual(self.store.recent_of_key("k1", 1.0), [2.0])
		self.assertEqual(self.store.recent_of_key("k1", 0.5), [1.0, 2.0])
		self.assertEqual(self.store.recent_of_key("unknown", 0.0), [])

	def test_what_a_request_has_used_is_booked_on_the_day_on_which_it_ends(self) -> None:
		first, second, third = date(2001, 11, 30), date(2001, 12, 1), date(2001, 12, 2)
		large = 2**31 - 1
		for n, (user, day, usage) in enumerate(
			[
				(ANN, first, USAGE),
				(ANN, second, USAGE),
				(ANN, second, {"total_tokens": large, "cost_usd": None}),
				(ANN, second, {"total_tokens": large, "cost_usd": 1e-9}),
				(BOB, second, USAGE),
				(ANN.upper(), third, USAGE),
				(ANN, third, None),
			]
		):
			name = self.store.open(row(user=user, request_id=f"request-{n}"))
			with self.today_is(day):
				self.store.finish(name, {"status": "completed", "usage": usage})
				with self.assertRaises(LeaseLost):
					self.store.finish(name, {"status": "failed", "usage": USAGE})
		self.assertEqual(
			self.store.booked(ANN, first)[:2],
			[Booked(first, 18, 0.25), Booked(second, 18 + 2 * large, 0.250000001)],
		)
		self.assertEqual([booked.day for booked in self.store.booked(ANN, second)], [second])
		self.assertEqual(self.store.booked(ANN, third), [])
		self.assertEqual(self.store.booked(ANN.upper(), first), [Booked(third, 18, 0.25)])
		self.assertEqual(self.store.booked("nobody", first), [])
		# MariaDB keeps nine places of a cost.
		site = [
			booked._replace(cost_usd=round(booked.cost_usd, 9))
			for booked in self.store.booked(SITE, second)
			if booked.day <= third
		]
		self.assertEqual(site, [Booked(second, 36 + 2 * large, 0.500000001), Booked(third, 18, 0.25)])
		self.rollback()
		self.assertEqual(self.store.booked(ANN, first), [])

	def test_of_many_who_end_a_request_one_books_it(self) -> None:
		name, day = self.store.open(row()), date(2001, 11, 29)
		self.commit()
		with self.today_is(day):
			end = {"status": "failed", "usage": USAGE}
			results = self.at_once(*[lambda: self.store.finish(name, end)] * 6)
		self.assertEqual(
			sorted(type(result).__name__ for result in results), ["LeaseLost"] * 5 + ["NoneType"]
		)
		self.rollback()
		for account in (ANN, SITE):
			booked = [each for each in self.store.booked(account, day) if each.day == day]
			self.assertEqual(booked, [Booked(day, 18, 0.25)])

	# Figures

	def open_and_end(self, count: int) -> list[str]:
		"""Opens requests and ends them a second apart, later than all others of a bench."""
		names = [self.store.open(row(request_id=f"request-{n}")) for n in range(count)]
		for n, name in enumerate(names):
			self.store.finish(name, {"status": "completed", "ended": 4e9 + n, "first_event_ms": 5})
		return names

	def test_each_ended_request_is_counted_once_and_outlived_by_its_sum(self) -> None:
		names = self.open_and_end(3)
		running = self.store.open(row(request_id="running"))
		before = self.store.sums().get(SERIES, 0)
		self.assertEqual(self.store.count(sums_of, 10, [*names[:2], running]), 2)
		self.assertEqual(self.store.count(sums_of, 10, names), 1)
		self.assertEqual(self.store.count(sums_of, 10, names), 0)
		self.delete_requests()
		self.assertEqual(self.store.sums()[SERIES], before + 3 * 0.125)
		self.rollback()
		self.assertEqual(self.store.sums().get(SERIES, 0), before)

	def test_no_more_are_counted_than_asked_for_the_oldest_first(self) -> None:
		while self.store.count(lambda rows: {}, 1000):
			pass
		names = self.open_and_end(3)
		counted: list[str] = []

		def see(rows: list[Any]) -> dict[Any, float]:
			counted.extend(each["name"] for each in rows)
			return {}

		self.assertEqual(self.store.count(see, 2), 2)
		self.assertEqual(sorted(counted), sorted(names[:2]))
		self.rollback()

	def test_of_many_who_count_at_once_each_request_is_counted_by_one(self) -> None:
		names = self.open_and_end(40)
		self.commit()
		self.addCleanup(self.delete_sums)
		before = self.store.sums().get(SERIES, 0)

		def count() -> None:
			for start in range(0, 40, 10):
				self.store.count(sums_of, 10, names[start : start + 10])
				self.commit()

		self.assertEqual(self.at_once(*[count] * 4), [None] * 4)
		self.rollback()
		self.assertEqual(self.store.sums()[SERIES], before + 40 * 0.125)

	def test_what_ended_lately_comes_newest_first_without_what_was_said(self) -> None:
		names = self.open_and_end(3)
		found = self.store.ended(4e9, 10)
		self.assertEqual([each["name"] for each in found], [names[2], names[1]])
		self.assertEqual(set(found[0]), {"name", *MEASURED_FIELDS})
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

	# Alerts

	def test_of_a_kind_and_subject_one_alert_is_open_until_it_ends(self) -> None:
		kind, subjects = "provider_failing", ("test of the store", "Test of the store")
		for subject in subjects:
			self.store.keep_alert(kind, subject, "It fails.", 5.5)
		self.store.keep_alert(kind, subjects[0], "It fails again.", 6.5)
		self.store.keep_alert("realtime_gone", "test of the store", "It is gone.", 7.5)

		def open_alerts() -> dict[tuple[str, str], float]:
			return {key: seen for key, seen in self.store.alerts().items() if key[1] in subjects}

		gone = ("realtime_gone", subjects[0])
		self.assertEqual(open_alerts(), {(kind, subjects[0]): 6.5, (kind, subjects[1]): 5.5, gone: 7.5})
		self.store.end_alert(kind, subjects[0], 8.5)
		self.assertEqual(open_alerts(), {(kind, subjects[1]): 5.5, gone: 7.5})
		self.rollback()
		self.assertEqual(open_alerts(), {})
