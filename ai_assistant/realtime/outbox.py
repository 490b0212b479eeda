"""Holds what waits for the store while the store is unavailable, and stores each event once."""

import time
from collections.abc import Callable, Iterable, Sequence

from ai_assistant import store
from ai_assistant.gateway import ToolApproval, ToolCall, ToolCallStart, ToolResult
from ai_assistant.log import fields, logger

from .batcher import Batch

# How often an unavailable store is tried, and how long the end of a request waits for it. The lease of the request
# keeps other processes from ending it for as long (`ai_assistant.chat.lifecycle`).
RETRY_S = 0.25
GIVE_UP_S = 20.0

Item = Batch | ToolCallStart | ToolCall | ToolApproval | ToolResult
"""What becomes one event."""


class Outbox:
	"""The queue of one request. Nothing in it is lost while the store is unavailable, and the stream goes on.

	Events that leave at the same moment are stored in one transaction.
	"""

	def __init__(
		self, name: str, user: str, request_id: str, deliver: Callable[[Sequence[Item]], None]
	) -> None:
		"""Makes an empty outbox.

		Args:
			name: the request's key in the store.
			user: the user of the request, for the log.
			request_id: the id of the request, for the log.
			deliver: stores and publishes some items. It calls `store_events`.
		"""
		self._name = name
		self._user = user
		self._request_id = request_id
		self._deliver = deliver
		self._waiting: list[Item] = []
		self._retry_at: float | None = None
		# The events whose last attempt failed. They may have been stored nevertheless.
		self.unsure: list[store.Event] = []

	def add(self, items: Iterable[Item]) -> None:
		"""Adds items behind those that wait."""
		self._waiting += items

	def send(self) -> None:
		"""Delivers what waits, unless the store was unavailable within the last RETRY_S seconds."""
		if self.retry_in():
			return
		try:
			self._send_all()
		except store.StoreUnavailable as error:
			self._put_off(error)

	def send_until_done(self, last: Callable[[], None]) -> None:
		"""Delivers what waits and then calls `last`. It waits for a store that is unavailable.

		Raises:
			store.StoreUnavailable: after GIVE_UP_S seconds.
		"""
		give_up_at = time.monotonic() + GIVE_UP_S
		while True:
			try:
				self._send_all()
				return last()
			except store.StoreUnavailable as error:
				self._put_off(error)
				if time.monotonic() > give_up_at:
					raise
				time.sleep(RETRY_S)

	def retry_in(self) -> float | None:
		"""Returns the seconds until the store is tried again, None if it is available."""
		return None if self._retry_at is None else max(0.0, self._retry_at - time.monotonic())

	def store_events(self, events: list[store.Event], also: Callable[[], None]) -> None:
		"""Stores events in one transaction, exactly once however often it is tried.

		Args:
			events: at least one event. After an attempt that failed they must be those in `unsure`.
			also: writes what belongs to the same transaction.

		Raises:
			store.StoreUnavailable: the events may be stored or not; they are in `unsure` then.
			store.LeaseLost: somebody else has stored an event of that number.
		"""
		repeated, self.unsure = bool(self.unsure), events
		with store.transaction() as current:
			if not (repeated and self._is_stored(events[0])):
				for event in events:
					current.append(self._name, event)
				also()
		self.unsure, self._retry_at = [], None

	def _is_stored(self, event: store.Event) -> bool:
		stored = store.current().events(self._name, event["seq"] - 1)
		if stored and stored[0]["timestamp"] != event["timestamp"]:
			raise store.LeaseLost(self._name)
		return bool(stored)

	def _send_all(self) -> None:
		# Items leave once they are stored: those that the store refused are sent with what comes next.
		while self._waiting:
			together = self._waiting[: len(self.unsure) or None]
			self._deliver(together)
			del self._waiting[: len(together)]

	def _put_off(self, error: store.StoreUnavailable) -> None:
		if self._retry_at is None:
			ids = fields(request=self._request_id, user=self._user)
			logger().warning(f"[Store] away: {error} {ids}")
		self._retry_at = time.monotonic() + RETRY_S
