"""What the tests of all stores share: rows, connections and threads."""

import threading
from collections.abc import Callable
from contextlib import AbstractContextManager
from datetime import date
from typing import TYPE_CHECKING, Any

from .. import (
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
NUMBERS = ("lease", "cancel_asked", "is_continuation", "prompt_bytes", "ended", "first_event_ms")
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


class Contract(Base):
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

	def stored(self, request_id: str = "request-1", user: str = ANN) -> dict[str, Any]:
		"""Returns a request that must exist."""
		row = self.store.get(user, request_id)
		assert row, request_id
		return row
