"""Tests the body of a stream: pings, failures and ends of every kind."""

from collections.abc import Generator, Iterable
from types import SimpleNamespace
from typing import Any

import frappe
import pytest

from ai_assistant.standalone import stand_in

stand_in.install()

from ai_assistant import keys
from ai_assistant.api import requests
from ai_assistant.api.dialect import COMMENT, Parsed
from ai_assistant.api.openai import chat_completions
from ai_assistant.chat.errors import ChatError
from ai_assistant.gateway import Chunk, Text, Tick

PARSED = Parsed({"model": "m"}, True, options={"include_usage": False, "hides_errors": False})
ANSWER = {"status": "completed", "finish_reason": "stop"}


class Source:
	"""A generator of chunks that remembers whether it was closed."""

	def __init__(self, chunks: Iterable[Chunk | Exception]) -> None:
		self.closed = False
		self.chunks = self._run(chunks)

	def _run(self, chunks: Iterable[Chunk | Exception]) -> Generator[Chunk, None, dict[str, Any]]:
		try:
			for chunk in chunks:
				if isinstance(chunk, Exception):
					raise chunk
				yield chunk
		finally:
			self.closed = True
		return ANSWER


def written(source: Source, hung_up: bool = False) -> list[str]:
	writer = chat_completions.Writer(PARSED, "request-1", "m", 0)
	return [part.decode() for part in requests._written([], None, source.chunks, writer, lambda: hung_up)]


def test_a_silent_provider_is_bridged_by_pings(monkeypatch: pytest.MonkeyPatch) -> None:
	monkeypatch.setattr(requests, "PING_S", 0.0)
	source = Source([Tick(), Text("So"), Tick()])
	begin, ping, text, last_ping, end = written(source)
	assert '"role":"assistant"' in begin and '"content":"So"' in text and "[DONE]" in end
	assert ping == last_ping == COMMENT


def test_no_ping_is_written_while_text_comes() -> None:
	assert COMMENT not in written(Source([Tick(), Text("So"), Tick()]))


def test_a_failure_is_an_event_and_closes_the_chunks(monkeypatch: pytest.MonkeyPatch) -> None:
	# The log names the user and the key of the request.
	monkeypatch.setattr(frappe, "session", SimpleNamespace(user="ann@example.com"))
	monkeypatch.setattr(keys, "current", lambda: None)
	source = Source([Text("So"), ChatError("busy", "The site is busy.")])
	*_, end = written(source)
	assert "The site is busy." in end and end.endswith("data: [DONE]\n\n") and '"stop"' not in end
	assert source.closed


def test_a_hang_up_writes_no_end_and_closes_the_chunks() -> None:
	source = Source([Text("So"), Text("never read")])
	parts = written(source, hung_up=True)
	assert "So" in parts[-1] and source.closed


def test_closing_the_body_closes_the_chunks() -> None:
	source = Source([Text("So"), Text("never read")])
	writer = chat_completions.Writer(PARSED, "request-1", "m", 0)
	body = requests._written([], None, source.chunks, writer, lambda: False)
	next(body)
	next(body)
	body.close()  # type: ignore[attr-defined]
	assert source.closed


def test_the_first_chunk_with_content_is_waited_for() -> None:
	source = Source([Tick(), Text("So"), Text("more")])
	assert requests._first(source.chunks, lambda: False, 5) == ([Text("So")], None)
	assert requests._first(Source([Tick()]).chunks, lambda: False, 5) == ([], ANSWER)
