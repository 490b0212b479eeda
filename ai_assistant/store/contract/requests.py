"""The tests of requests that every store must pass."""

import json
import threading
import time
from typing import Any

from .. import REQUEST_FIELDS, LeaseLost, RequestExists
from .base import ANN, BOB, NUMBERS, OTHER_ANNS, Contract, row


class RequestsContract(Contract):
	def test_a_request_comes_back_as_it_was_kept(self) -> None:
		value = row(
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
		name = self.store.open(value)
		empty = {**dict.fromkeys(REQUEST_FIELDS), **dict.fromkeys(NUMBERS, self.absent_number)}
		self.assertEqual(self.stored(), {"name": name, **empty, **value})

	def test_the_outcome_of_a_request_is_written_over_what_was_there(self) -> None:
		name = self.store.open(row(usage={"total_tokens": 1}))
		timing = {"first_reasoning_ms": None, "first_text_ms": None, "duration_ms": 5}
		self.store.finish(name, {"status": "completed", "usage": None, "timing": timing})
		stored = self.stored()
		values = [stored[field] for field in ("status", "usage", "timing", "task_id")]
		self.assertEqual(values, ["completed", None, timing, "t1"])

	def test_a_figure_that_is_unknown_differs_from_0_and_from_one_that_is_absent(self) -> None:
		usage: dict[str, Any] = {
			"prompt_tokens": 2**31 - 1,
			"completion_tokens": 0,
			"reasoning_tokens": 0,
			"total_tokens": 2**31 - 1,
			"cost_usd": None,
			"estimated": False,
			"cached_tokens": 0,
			"cache_write_tokens": 0,
		}
		timing = {"first_reasoning_ms": 0, "first_text_ms": None, "thinking_ms": 0, "duration_ms": 7}
		realtime = {"events": 4, "failed": 0, "last_seq": 4}
		objects: list[dict[str, Any]] = [
			{"usage": usage, "timing": timing, "realtime": realtime},
			{"usage": {**usage, "cost_usd": 0.0, "estimated": True}, "timing": None, "realtime": None},
			{"usage": {**usage, "cost_usd": 1.675e-05}, "timing": timing, "realtime": realtime},
			{"usage": None, "timing": {**timing, "thinking_ms": None}, "realtime": realtime},
			# As a version before these figures stored it.
			{"usage": {"total_tokens": 1, "cost_usd": None}, "timing": {"duration_ms": 0}, "realtime": None},
		]
		for n, figures in enumerate(objects):
			name = self.store.open(row(request_id=f"request-{n}"))
			running = self.stored(f"request-{n}")
			self.assertEqual([running[field] for field in figures], [None] * 3)
			self.store.finish(name, {"status": "completed", **figures})
			stored = self.stored(f"request-{n}")
			# As text: `False` equals 0, and clients get the figures in this order.
			self.assertEqual(json.dumps({field: stored[field] for field in figures}), json.dumps(figures))

	def test_an_error_comes_back_in_the_order_in_which_clients_get_it(self) -> None:
		error = {"code": "timeout", "message": "Late.", "retryable": True, "explanation": "ü"}
		name = self.store.open(row())
		self.store.finish(name, {"status": "failed", "error": error})
		self.assertEqual(json.dumps(self.stored()["error"]), json.dumps(error))
		self.store.erase(name)
		self.assertEqual(self.stored()["error"], {key: error[key] for key in list(error)[:3]})

	def test_what_is_no_field_of_a_request_is_refused(self) -> None:
		with self.assertRaisesRegex(ValueError, "a request has no colour"):
			self.store.open(row(colour="red"))
		name = self.store.open(row())
		with self.assertRaisesRegex(ValueError, "a request has no colour"):
			self.store.finish(name, {"colour": "red"})
		with self.assertRaisesRegex(ValueError, "the usage of a request has no colour"):
			self.store.finish(name, {"usage": {"total_tokens": 1, "colour": 1}})

	def test_a_running_request_whose_lease_has_run_out_is_queued_again(self) -> None:
		name = self.store.open(row(status="queued"), {"messages": []})
		self.store.start(name, 100.0)
		self.store.detach(name, {"id": "resp_1"})
		with self.assertRaises(LeaseLost):
			self.store.requeue(name, 99.0)
		self.store.requeue(name, 100.0)
		self.assertEqual((self.stored()["status"], self.stored()["detached"]), ("queued", {"id": "resp_1"}))
		with self.assertRaises(LeaseLost):
			self.store.requeue(name, 200.0)
		with self.assertRaises(LeaseLost):
			self.store.detach(name, {})
		_row, question = self.store.start(name, 300.0)
		self.assertEqual(question, {"messages": []})

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
			self.assertEqual(self.stored(other)["request_id"], other)
			self.assertEqual([stored["task_id"] for stored in self.store.of_task(ANN, other)], [other])
		for user in OTHER_ANNS:
			self.assertIsNone(self.store.get(user, "request-1"))
			self.store.open(row(user=user))
			self.assertTrue(self.store.get(user, "request-1"))

	def test_numbers_that_are_strings_stay_strings(self) -> None:
		self.store.open(row(request_id="00000007", task_id="1e3"))
		self.assertIsNone(self.store.get(ANN, "7"))
		self.assertEqual([stored["task_id"] for stored in self.store.of_task(ANN, "1e3")], ["1e3"])

	def test_one_decision_on_the_call_that_waits_is_stored(self) -> None:
		name = self.store.open(row())
		self.assertFalse(self.store.decide(name, "call-1", True))
		self.store.ask_approval(name, "call-1")
		self.assertIsNone(self.store.decision(name, "call-1"))
		self.assertFalse(self.store.decide(name, "call-2", True))
		self.commit()
		self.assertEqual(self.elsewhere(lambda: self.store.decide(name, "call-1", False)), True)
		self.rollback()
		self.assertIs(self.store.decision(name, "call-1"), False)
		self.assertFalse(self.store.decide(name, "call-1", True))
		self.store.ask_approval(name, "call-2")
		self.assertIsNone(self.store.decision(name, "call-2"))
		self.assertTrue(self.store.decide(name, "call-2", True))
		self.assertIs(self.store.decision(name, "call-2"), True)

	def test_an_ended_request_waits_for_no_approval(self) -> None:
		name = self.store.open(row())
		self.store.ask_approval(name, "call-1")
		self.store.finish(name, {"status": "completed"})
		self.assertFalse(self.store.decide(name, "call-1", True))
		with self.assertRaises(LeaseLost):
			self.store.ask_approval(name, "call-2")

	def test_a_second_request_of_an_id_is_refused_and_the_transaction_goes_on(self) -> None:
		first = self.store.open(row())
		with self.assertRaises(RequestExists):
			self.store.open(row(task_id="another"))
		self.store.open(row(request_id="request-2"))
		self.commit()
		stored = self.stored()
		self.assertEqual((stored["name"], stored["task_id"]), (first, "t1"))
		self.assertTrue(self.store.get(ANN, "request-2"))

	def test_of_many_at_once_that_open_the_same_id_one_is_accepted(self) -> None:
		def attempt() -> str:
			# As everybody does who accepts a request. Without the lock MariaDB can call the race a deadlock.
			self.store.admission_load(ANN, 60, 1)
			return self.store.open(row())

		results = self.at_once(*[attempt] * 6)
		self.assertEqual(sorted(type(result).__name__ for result in results), ["RequestExists"] * 5 + ["str"])

	def test_the_requests_of_a_task_come_newest_first_all_or_those_unended(self) -> None:
		for n, status in enumerate(("completed", "running", "queued")):
			self.store.open(row(request_id=f"request-{n}", status=status, created=1e9 + n / 1e6))
		self.store.open(row(request_id="elsewhere", task_id="t2"))
		self.store.open(row(user=BOB, request_id="another-users"))
		for unended, expected in ((False, [2, 1, 0]), (True, [2, 1])):
			ids = [stored["request_id"] for stored in self.store.of_task(ANN, "t1", unended)]
			self.assertEqual(ids, [f"request-{n}" for n in expected])
		newest = self.store.of_task(ANN, "t1", limit=1)
		self.assertEqual([stored["request_id"] for stored in newest], ["request-2"])
		(wanted,) = self.store.of_task(ANN, "t1", limit=1, wanted=("status",))
		self.assertEqual(wanted, {"name": newest[0]["name"], "status": "queued"})

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
			entry["name"]: entry["request_id"]
			for user in (ANN, BOB)
			for entry in self.store.of_task(user, "t1")
		}

		def ids(user: str | None, since: float, *names: str, limit: int = 10_000) -> list[str]:
			live = self.store.live(user, now + since, names, limit)
			return [ids_of[row["name"]] for row in live if row["name"] in ids_of]

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
		lapsed = [entry["name"] for entry in self.store.lapsed(11) if entry["user"] == ANN]
		self.assertEqual(lapsed, [name])
		self.assertIs(self.store.renew(name, 11.5), False)
		self.assertNotIn(name, [entry["name"] for entry in self.store.lapsed(11)])
		self.store.ask_to_cancel(name)
		self.assertIs(self.store.renew(name, 12.5), True)
		self.store.finish(name, {"status": "cancelled"})
		self.assertNotIn(name, [entry["name"] for entry in self.store.lapsed(13)])
		for late in (
			lambda: self.store.renew(name, 14.5),
			lambda: self.store.finish(name, {"status": "failed"}),
		):
			with self.assertRaises(LeaseLost):
				late()
		stored = self.stored()
		self.assertEqual((stored["status"], stored["lease"]), ("cancelled", 12.5))

	def test_a_queued_request_keeps_its_question_and_is_started_once(self) -> None:
		question = {"messages": [{"role": "user", "content": "💭"}], "temperature": None}
		later = self.store.open(row(request_id="later-1", status="queued", created=3.0), question)
		name = self.store.open(row(request_id="sooner-1", status="queued", created=2.0), question)
		self.store.open(row(request_id="running-1"))
		self.commit()
		self.assertEqual(
			[entry["name"] for entry in self.store.queued() if entry["user"] == ANN], [name, later]
		)
		results = self.at_once(*[lambda: self.store.start(name, 99.5)] * 6)
		((stored, queries),) = [result for result in results if not isinstance(result, LeaseLost)]
		self.assertEqual(
			(stored["request_id"], stored["status"], stored["lease"]), ("sooner-1", "running", 99.5)
		)
		self.assertEqual(queries, question)
		self.rollback()
		self.assertEqual([entry["name"] for entry in self.store.queued() if entry["user"] == ANN], [later])

	def test_a_queued_request_may_end_without_having_been_started(self) -> None:
		name = self.store.open(row(status="queued"), {"messages": []})
		self.assertNotIn(name, [entry["name"] for entry in self.store.lapsed(1e12)])
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
		before = self.store.admission_load(BOB, 60, 1)
		# A float of a binary fraction is the same in every database.
		now = float(int(before.now))
		self.assertAlmostEqual(before.now, self.store.now(), delta=20)
		requests: dict[str, dict[str, Any]] = {
			"queued-1": {"status": "queued", "created": now - 50},
			"running-1": {"lease": now + 60, "created": now - 40},
			"dead-0001": {"lease": now - 1, "created": now - 30},
			"ended-001": {"status": "completed", "lease": now + 60, "created": now - 120},
		}
		for request_id, values in requests.items():
			self.store.open(row(request_id=request_id, **values))
		self.store.open(row(user=BOB, lease=now + 60))
		load = self.store.admission_load(ANN, 90, 1)
		self.assertEqual(load[1:], (2, before.running + 2, now - 30))

		def nth_newest(nth: int, is_continuation: bool = False) -> float | None:
			return self.store.admission_load(ANN, 90, nth, is_continuation).nth_newest

		# The continuation does not count among the others.
		continues = row(request_id="continues", status="completed", created=now - 35, is_continuation=1)
		self.store.open(continues)
		self.assertEqual([nth_newest(n) for n in (1, 2, 3, 4)], [now - 30, now - 40, now - 50, None])
		self.assertEqual([nth_newest(n, True) for n in (1, 2)], [now - 35, None])
		started, counted = threading.Event(), threading.Event()
		loads = []

		def count() -> None:
			with self.connection():
				started.set()
				loads.append(self.store.admission_load(ANN, 90, 1).own)
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
