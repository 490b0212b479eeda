"""The stream of one chat, with a socket that brings what the test delivers."""

import threading
from types import SimpleNamespace
from typing import Any

import pytest

from ai_assistant.client import chat_stream
from ai_assistant.client.chat_stream import ChatStream
from ai_assistant.client.event_socket import EventSocket


class Site:
	"""The client of a site whose answer does not come before the test ends. It stores an event after each reading."""

	def __init__(self, events: EventSocket, *journal: dict[str, Any]) -> None:
		self.events = events
		self.journal = list(journal)
		self.stored: list[dict[str, Any]] = []
		self.ended = threading.Event()

	def get(self, _method: str, after_seq: int, **_fields: Any) -> dict[str, Any]:
		events = [event for event in self.stored if event["seq"] > after_seq]
		self.stored += self.journal[:1]
		del self.journal[:1]
		return {"events": events, "status": "running"}

	def post(self, _method: str, **body: Any) -> dict[str, Any]:
		self.ended.wait()
		return {"status": "completed", "request_id": body["request_id"], "realtime": {"last_seq": 0}}


def event(seq: int) -> dict[str, Any]:
	return {"type": "text", "seq": seq, "text": "a", "request_id": "r"}


@pytest.mark.timeout(20)
def test_a_new_connection_that_has_brought_nothing_is_not_trusted_for_long(
	monkeypatch: pytest.MonkeyPatch,
) -> None:
	"""Frappe's realtime server may leave it in a namespace without events."""
	monkeypatch.setattr(chat_stream, "SILENCE_S", 3600.0)
	monkeypatch.setattr(chat_stream, "FIRST_SILENCE_S", 0.0)
	monkeypatch.setattr(chat_stream, "CHECK_S", 0.01)
	connected = threading.Event()
	connected.set()
	sockets = EventSocket("http://127.0.0.1", "site")
	socket = sockets.socket = SimpleNamespace(sid="first", connected=True, connected_event=connected)
	site = Site(sockets, event(2))
	stream = ChatStream(site, {"request_id": "r"})  # type: ignore[arg-type]
	try:
		events = iter(stream)
		sockets.deliver("ai_progress", event(1))
		assert next(events)["seq"] == 1
		# The journal has nothing yet when the stream reads it after the reconnect.
		socket.sid = "second"
		assert next(events)["seq"] == 2
	finally:
		site.ended.set()


@pytest.mark.timeout(20)
def test_an_event_that_a_status_tells_and_the_socket_has_lost_is_read_from_the_journal(
	monkeypatch: pytest.MonkeyPatch,
) -> None:
	for name in ("SILENCE_S", "FIRST_SILENCE_S"):
		monkeypatch.setattr(chat_stream, name, 3600.0)
	monkeypatch.setattr(chat_stream, "GAP_S", 0.01)
	connected = threading.Event()
	connected.set()
	sockets = EventSocket("http://127.0.0.1", "site")
	sockets.socket = SimpleNamespace(sid="first", connected=True, connected_event=connected)
	site = Site(sockets)
	site.stored = [event(1), event(2)]
	stream = ChatStream(site, {"request_id": "r"})  # type: ignore[arg-type]
	try:
		events = iter(stream)
		sockets.deliver("ai_progress", event(1))
		sockets.deliver("ai_status", {"request_id": "r", "phase": "thinking", "last_seq": 2})
		assert [next(events).get("seq") for _ in range(3)] == [1, None, 2]
	finally:
		site.ended.set()
