"""Who is let in on MariaDB; tests/api/test_admission.py asks the same of SQLite, over HTTP."""

import threading
import time
from collections import Counter
from collections.abc import Callable
from typing import Any

import frappe

from ai_assistant import store
from ai_assistant.bench_tests import TestCase, commit, start_without_requests
from ai_assistant.config.settings import Limits, Settings

from . import lifecycle
from .errors import ChatError
from .request import ChatRequest

USERS = ("ann@admission.test", "bob@admission.test")
RACERS = 50


def request(n: int) -> ChatRequest:
	return ChatRequest(
		messages=[],
		request_id=f"request-{n}",
		task_id="t1",
		mode="chat",
		provider=None,
		background=False,
		fingerprint="",
	)


def at_once(works: list[Callable[[], Any]]) -> list[Any]:
	"""What each gives or raises, each on a connection of its own and all at the same moment."""
	outcomes: list[Any] = [None] * len(works)
	together = threading.Barrier(len(works))
	site, sites_path = frappe.local.site, frappe.local.sites_path

	def run(n: int) -> None:
		frappe.init(site, sites_path=sites_path)
		frappe.connect()
		try:
			# As Frappe and what comes before admission do: a transaction that has read sees the past from then on.
			frappe.db.sql("SELECT COUNT(*) FROM `tabAI Request`")
			together.wait(30)
			outcomes[n] = works[n]()
			commit()
		except Exception as error:
			outcomes[n] = getattr(error, "code", None) or repr(error)
		finally:
			frappe.destroy()

	threads = [threading.Thread(target=run, args=(n,)) for n in range(len(works))]
	for thread in threads:
		thread.start()
	for thread in threads:
		thread.join()
	return outcomes


class TestAdmission(TestCase):
	def setUp(self) -> None:
		start_without_requests(self, *USERS)

	def ask(self, n: int, user: str = USERS[0], status: str = "running", **limits: int) -> str:
		"""Asks as that user; the name of the request that was let in."""
		frappe.session.user = user
		settings = Settings(
			limits=Limits(**{"requests_per_minute": 1000, "concurrent_per_user": 1000, **limits})
		)
		return lifecycle.accept(request(n), settings, status, time.monotonic()).name

	def refused(
		self, code: str, n: int, user: str = USERS[0], status: str = "running", **limits: int
	) -> ChatError:
		with self.assertRaises(ChatError) as refusal:
			self.ask(n, user, status, **limits)
		self.assertEqual(refusal.exception.code, code)
		self.assertIsNone(store.current().get(frappe.session.user, f"request-{n}"))
		error: ChatError = refusal.exception
		return error

	def race(self, **limits: int) -> Counter[str]:
		"""Fifty who ask at once, while those who run already renew their leases and end."""
		running = [self.ask(1000 + n, USERS[1]) for n in range(4)]

		def keep(name: str) -> str:
			for _time in range(20):
				with store.transaction() as transaction:
					transaction.renew(name, time.time() + lifecycle.LEASE_S)
			with store.transaction() as transaction:
				transaction.finish(name, {"status": "completed", "response": "x"})
			return "kept"

		asking = [lambda n=n: self.ask(n, USERS[0], "running", **limits) and "let in" for n in range(RACERS)]
		return Counter(at_once([*asking, *(lambda name=name: keep(name) for name in running)]))

	def test_of_fifty_at_once_as_many_are_let_in_as_a_user_may_have(self) -> None:
		self.assertEqual(self.race(concurrent_per_user=4), {"let in": 4, "busy": RACERS - 4, "kept": 4})

	def test_of_fifty_at_once_as_many_are_let_in_as_a_user_may_ask_in_a_minute(self) -> None:
		self.assertEqual(
			self.race(requests_per_minute=20), {"let in": 20, "rate_limited": RACERS - 20, "kept": 4}
		)

	def test_the_minute_is_over_when_it_is_said_to_be(self) -> None:
		first, _second = self.ask(1), self.ask(2)
		frappe.db.set_value("AI Request", first, "created", time.time() - 50.5, update_modified=False)
		commit()
		error = self.refused("rate_limited", 3, requests_per_minute=2)
		self.assertIn(error.retry_after, (9, 10))
		frappe.db.set_value("AI Request", first, "created", time.time() - 60.1, update_modified=False)
		commit()
		self.ask(3, requests_per_minute=2)

	def test_others_and_those_that_have_ended_or_whose_process_died_count_no_more(self) -> None:
		self.ask(1, USERS[1])
		name = self.ask(1, concurrent_per_user=1)
		self.refused("busy", 2, concurrent_per_user=1)
		with store.transaction() as transaction:
			transaction.renew(name, time.time() - 1)
		second = self.ask(2, concurrent_per_user=1)
		self.refused("busy", 3, concurrent_per_user=1)
		with store.transaction() as transaction:
			transaction.finish(second, {"status": "completed"})
		self.ask(3, concurrent_per_user=1)

	def test_the_queue_of_a_user_is_bounded_and_counts_to_the_site_when_it_runs(self) -> None:
		others = store.current().admission_load(USERS[0], 60, 1).running
		frappe.db.rollback()
		for n in range(2):
			self.ask(n, status="queued", concurrent_per_user=2, concurrent_per_site=1)
		self.refused("busy", 2, USERS[0], "queued", concurrent_per_user=2)
		self.ask(3, USERS[1], concurrent_per_site=others + 1)
		self.refused("busy", 4, USERS[1], concurrent_per_site=others + 1)
		self.ask(4, USERS[1], "queued", concurrent_per_site=others + 1)

	def test_whoever_is_refused_holds_nobody_up(self) -> None:
		self.ask(1)
		self.refused("busy", 2, concurrent_per_user=1)
		self.assertEqual(at_once([lambda: self.ask(3, USERS[1]) and "let in"]), ["let in"])
		with self.assertRaises(ChatError) as conflict:
			self.ask(1)
		self.assertEqual(conflict.exception.code, "conflict")
		self.assertEqual(at_once([lambda: self.ask(4, USERS[1]) and "let in"]), ["let in"])
