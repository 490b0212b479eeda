"""Holds what waits for the store while the store is unavailable, and stores each event once."""

import time
from collections import deque
from collections.abc import Callable, Iterable

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
	"""The queue of one request. Nothing in it is lost while the store is unavailable, and the stream goes on."""

	def __init__(self, name: str, user: str, request_id: str, deliver: Callable[[Item], None]) -> None:
		"""Makes an empty outbox.

		Args:
			name: the request's key in the store.
			user: the user of the request, for the log.
			request_id: the id of the request, for the log.
			deliver: stores and publishes one item. It calls `store_event`.
		"""
		self._name = name
		self._ids = fields(request=request_id, user=user)
		self._deliver = deliver
		self._waiting: deque[Item] = deque()
		self._retry_at: float | None = None
		# The event whose last attempt failed. It may have been stored nevertheless.
		self.unsure: store.Event | None = None

	def add(self, items: Iterable[Item]) -> None:
		"""Adds items behind those that wait."""
		self._waiting += items

	def send(self) -> None:
		"""Delivers what waits, unless the store was unavailable within the last RETRY_S seconds."""
		if self._retry_at is not None and time.monotonic() < self._retry_at:
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

	def store_event(self, event: store.Event, also: Callable[[], None]) -> None:
		"""Stores an event in one transaction, exactly once however often it is tried.

		Args:
			event: the event. After an attempt that failed it must be `unsure`.
			also: writes what belongs to the same transaction.

		Raises:
			store.StoreUnavailable: the event may be stored or not; it is `unsure` then.
			store.LeaseLost: somebody else has stored an event of that number.
		"""
		repeated, self.unsure = self.unsure is not None, event
		with store.transaction() as current:
			if not (repeated and self._is_stored(event)):
				current.append(self._name, event)
				also()
		self.unsure = self._retry_at = None

	def _is_stored(self, event: store.Event) -> bool:
		stored = store.current().events(self._name, event["seq"] - 1)
		if stored and stored[0]["timestamp"] != event["timestamp"]:
			raise store.LeaseLost(self._name)
		return bool(stored)

	def _send_all(self) -> None:
		# An item leaves once it is stored: one that the store refused is sent with what comes next.
		while self._waiting:
			self._deliver(self._waiting[0])
			self._waiting.popleft()

	def _put_off(self, error: store.StoreUnavailable) -> None:
		if self._retry_at is None:
			logger().warning(f"[Store] away: {error} {self._ids}")
		self._retry_at = time.monotonic() + RETRY_S
