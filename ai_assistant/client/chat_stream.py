"""One chat as its client sees it: its events whole and in order, and then its answer.

A python-socketio client does not keep the order of events, because engineio handles each packet on a thread of its own.
So the events are ordered by `seq`. Events that the socket has lost are read from the journal, by `get_events`.
"""

import queue
import threading
import time
import weakref
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import httpx

from ai_assistant.realtime.event import EVENT, STATUS
from ai_assistant.store import UNENDED

from .event_socket import Inbox
from .rest import ApiError

if TYPE_CHECKING:
	from .client import Client

# An event may be late on its way. After that time it is read from the journal.
GAP_S = 1.0
# Without a socket: how long `get_events` may wait for an event, and the pause after an answer without one.
LONG_POLL_S = 20
RETRY_S = 0.25
# How long the answer is looked for after the connection of the POST has broken.
RECOVER_S = 120
# A server sends something at once, and then at least every three seconds while it waits for a provider. A connection
# that is silent for longer is dead, or connected without a user. (Frappe's realtime server forgets a site's namespace
# with its last socket. A socket that is being accepted at that moment stays in the forgotten namespace and receives no
# event: frappe/realtime/index.js, `cleanupEmptyChildNamespaces`; seen on 15.72.4 and 16-dev.) So a new connection is
# trusted for FIRST_SILENCE_S until it brings its first message.
SILENCE_S = 5.0
FIRST_SILENCE_S = 1.0
# How often a waiting stream checks that the socket is still connected.
CHECK_S = 1.0


class ChatStream:
	"""Iterate over it for the events, each once, in the order of `seq`; `answer` or `error` is set afterwards.

	The iteration may be left and continued: events are not repeated, and those in between are read from the journal.

	Attributes:
		request_id: The id of the request.
		answer: The answer object, of a failed chat too. None if the request was refused or got no answer.
		error: ApiError if the server refused or the chat failed, httpx.HTTPError if the server did not answer.
		read_back: Number of events that were read from the journal because the socket did not bring them.
	"""

	def __init__(self, client: "Client", body: dict[str, Any]) -> None:
		"""Send the request. `body` has the fields of chat_completion, with a request_id."""
		self.request_id: str = body["request_id"]
		self.answer: dict[str, Any] | None = None
		self.error: Exception | None = None
		self.read_back = 0
		self._client = client
		self._events = events = client.events
		self._inbox: Inbox = queue.SimpleQueue()
		self._next_seq = 1
		# The highest `seq` that an event or an `ai_status` has told.
		self._last_seq = 0
		# Events that arrived before one with a lower `seq`.
		self._early: dict[int, dict[str, Any]] = {}
		self._gap_until: float | None = None
		self._last_message = time.monotonic()
		self._sid = events.socket.sid if events.socket else None
		# This connection has brought a message.
		self._has_heard = False
		# The socket is connected, but the journal had an event first.
		self._socket_is_silent = False
		# The completion has arrived.
		self._completed = threading.Event()
		# The POST has returned or failed.
		self._answered = threading.Event()
		self._done = False
		events.add_inbox(self._inbox, self.request_id)
		# For a stream that is dropped without an iteration.
		weakref.finalize(self, events.remove_inbox, self._inbox).atexit = False
		threading.Thread(target=self._post, args=(body,), name="ai-assistant-post", daemon=True).start()
		if not events.socket:
			threading.Thread(target=self._poll_journal, name="ai-assistant-journal", daemon=True).start()

	def __iter__(self) -> Iterator[dict[str, Any]]:
		"""Yield the events. `ai_status` messages come in between, with the type `ai_status`."""
		self._events.add_inbox(self._inbox, self.request_id)
		try:
			yield from self._arriving()
		finally:
			self._events.remove_inbox(self._inbox)
			# As after a reconnect: the next iteration reads from the journal what it misses.
			self._sid = None

	def wait(self) -> dict[str, Any]:
		"""Wait for the end and return the answer object. Raises what `error` holds if there is no answer."""
		for _event in self:
			pass
		if self.answer is None:
			raise self.error or AssertionError("a chat ends with an answer or an error")
		return self.answer

	def _arriving(self) -> Iterator[dict[str, Any]]:
		while not self._done:
			try:
				kind, message = self._inbox.get(timeout=self._timeout_s())
			except queue.Empty:
				if self._nothing_is_missing():
					continue
				self._gap_until, self._last_message = None, time.monotonic()
				answered = self._answered.is_set()
				expected = answered or self._is_behind
				for event in self._read_journal():
					self._socket_is_silent = self._socket_is_silent or not expected
					yield event
				# The journal was complete before the answer came. What it lacks does not exist.
				self._done = answered
				continue
			self._last_message = time.monotonic()
			self._has_heard, self._socket_is_silent = True, False
			if kind == EVENT:
				yield from self._in_order(message)
			elif kind == STATUS:
				self._last_seq = max(self._last_seq, message.get("last_seq", 0))
				yield {"type": STATUS, **message}
			self._done = self._answered.is_set() and (
				self._completed.is_set() or not self.answer or not self.answer["realtime"]["last_seq"]
			)

	@property
	def _is_behind(self) -> bool:
		"""Whether an event exists that has not arrived."""
		return self._last_seq >= self._next_seq

	def _timeout_s(self) -> float:
		"""Seconds to wait for the next message before checking what is missing."""
		if not self._is_behind and not self._answered.is_set():
			return CHECK_S
		if self._gap_until is None:
			self._gap_until = time.monotonic() + (GAP_S if self._events.socket else 0.0)
		return max(0.0, self._gap_until - time.monotonic())

	def _nothing_is_missing(self) -> bool:
		"""Whether the next event can be expected from the socket, because the provider is just slow."""
		if self._is_behind or self._answered.is_set():
			return False
		socket = self._events.socket
		if not socket:
			return True
		# The event is cleared during a reconnect, and `connected` after the last attempt.
		connected = socket.connected and socket.connected_event.is_set()
		# Each connection has its own id. Events between two connections are lost.
		before, self._sid = self._sid, socket.sid if connected else self._sid
		self._has_heard = self._has_heard and self._sid == before
		silence_s = time.monotonic() - self._last_message
		return (
			connected
			and self._sid == before
			and not self._socket_is_silent
			and silence_s < (SILENCE_S if self._has_heard else FIRST_SILENCE_S)
		)

	def _in_order(self, event: dict[str, Any]) -> Iterator[dict[str, Any]]:
		self._last_seq = max(self._last_seq, event["seq"])
		if event["seq"] >= self._next_seq:
			self._early[event["seq"]] = event
		while following := self._early.pop(self._next_seq, None):
			self._next_seq += 1
			if following["type"] == "completion":
				self._completed.set()
			if not self._is_behind and not self._answered.is_set():
				self._gap_until = None
			yield following

	def _read_journal(self) -> Iterator[dict[str, Any]]:
		try:
			page = self._client.get("get_events", request_id=self.request_id, after_seq=self._next_seq - 1)
		except (ApiError, httpx.HTTPError):
			return
		for event in page["events"]:
			self.read_back += event["seq"] not in self._early
			yield from self._in_order(event)

	def _poll_journal(self) -> None:
		"""Without a socket: put events into the inbox as the journal gets them."""
		after = 0
		while not self._completed.is_set():
			try:
				page = self._client.get(
					"get_events", request_id=self.request_id, after_seq=after, wait=LONG_POLL_S
				)
			except (ApiError, httpx.HTTPError, RuntimeError):
				# Not accepted yet, refused, no connection, or this client is closed. The POST tells which.
				if self._answered.wait(RETRY_S):
					return
				continue
			for event in page["events"]:
				self._inbox.put((EVENT, event))
				after = event["seq"]
			if not page["events"] and (page["status"] not in UNENDED or self._answered.wait(RETRY_S)):
				return

	def _post(self, body: dict[str, Any]) -> None:
		try:
			# The request id makes a repetition safe: the site accepts at most one of the two.
			if self._is_lost(body):
				self._is_lost(body)
		except Exception as error:
			# For instance a value that JSON cannot express. The iteration must end.
			self.error = error
		finally:
			self._answered.set()
			self._inbox.put(("answer", None))

	def _is_lost(self, body: dict[str, Any]) -> bool:
		"""Send the request and keep its answer or error.

		Returns:
			Whether the request never reached the site.
		"""
		is_second = self.error is not None
		try:
			answer = self._client.post("chat_completion", **body)
			# The request may run in the background.
			while answer["status"] in UNENDED:
				self._completed.wait(SILENCE_S)
				answer = self._read_answer()
			self.answer, self.error = answer, None
		except ApiError as error:
			self.error = error
			if error.answer.get("request_id"):
				self.answer = error.answer
			elif (error.status >= 500 and not error.answer) or (error.status == 409 and is_second):
				# A proxy's page, or Frappe without its database: the request may have reached the site. Or the first
				# one did after all.
				return self._recover()
		except httpx.HTTPError as error:
			self.error = error
			return self._recover()
		return False

	def _recover(self) -> bool:
		"""Read the answer of a request whose POST has failed: the request continues without its connection.

		Returns:
			Whether the site does not know the request.
		"""
		until = time.monotonic() + RECOVER_S
		while time.monotonic() < until:
			try:
				answer = self._read_answer()
			except ApiError as error:
				return error.status == 404
			except RuntimeError:
				# This client is closed.
				return False
			if answer["status"] not in UNENDED:
				self.answer, self.error = answer, None
				return False
			time.sleep(RETRY_S)
		return False

	def _read_answer(self) -> dict[str, Any]:
		"""The answer object. If the site cannot be reached, the request counts as running."""
		try:
			answer: dict[str, Any] = self._client.get("get_request", request_id=self.request_id)
		except (ApiError, httpx.HTTPError) as error:
			if isinstance(error, ApiError) and error.status < 500:
				raise
			time.sleep(RETRY_S)
			return {"status": "running"}
		return answer
