"""The journal gives back the chunks that a direct stream had."""

from types import SimpleNamespace
from typing import Any

import frappe
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ai_assistant import store
from ai_assistant.chat import journal
from ai_assistant.gateway import Chunk, Reasoning, Text, ToolCall, ToolCallDelta, ToolCallStart
from ai_assistant.realtime import publisher as publishing
from ai_assistant.realtime.event import MAX_BYTES
from ai_assistant.realtime.publisher import Publisher
from tests.support.fake_site import OUTCOME, FakeSite

SHORT = st.text(alphabet="aä世💡", min_size=1, max_size=30)
# Longer than an event, and cut within characters of 3 bytes.
LONG = st.integers(MAX_BYTES // 3, MAX_BYTES).map(lambda length: "世" * length)
DELTAS = st.tuples(
	st.floats(0, 3), st.sampled_from(["reasoning", "text", "c1", "c2"]), st.one_of(SHORT, SHORT, SHORT, LONG)
)


def chunks_of(deltas: list[tuple[float, str, str]]) -> list[tuple[float, Chunk]]:
	"""Chunks and the seconds before them: reasoning, text, and two calls that are written in turn."""
	begun: dict[str, str] = {}
	chunks: list[tuple[float, Chunk]] = []
	for pause, kind, text in deltas:
		if kind in ("reasoning", "text"):
			chunks.append((pause, Reasoning(text) if kind == "reasoning" else Text(text)))
			continue
		if kind not in begun:
			chunks.append((0, ToolCallStart(kind, "clock")))
		begun[kind] = begun.get(kind, "") + text
		chunks.append((pause, ToolCallDelta(kind, text)))
	return chunks + [(0, ToolCall(kind, "clock", arguments)) for kind, arguments in begun.items()]


def published(chunks: list[tuple[float, Chunk]], keeps_chunks: bool) -> FakeSite:
	"""The store of a request whose chunks came so many seconds after each other."""
	clock = SimpleNamespace(now=0.0)
	site: Any = FakeSite()
	with pytest.MonkeyPatch.context() as patch:
		patch.setattr(store, "_find", lambda: site)
		patch.setattr(publishing, "time", SimpleNamespace(monotonic=lambda: clock.now))
		frappe.local.db, frappe.local.conf = site, {}
		one = Publisher("r", "u", "t", "r-1234567", 1.0, True, True, True, 0.0, False, True, keeps_chunks)
		one.accepted()
		for pause, chunk in chunks:
			clock.now += pause
			one.forward(chunk)
		one.complete(one.row({**OUTCOME, "finish_reason": "tool_calls"}))
		del frappe.local.db, frappe.local.conf
	return site


@given(st.lists(DELTAS, max_size=40))
def test_the_chunks_of_a_direct_stream_are_read_again_as_they_were(
	deltas: list[tuple[float, str, str]],
) -> None:
	chunks = chunks_of(deltas)
	read = journal._Read()
	site = published(chunks, keeps_chunks=True)
	assert [chunk for event in site.stored for chunk in read.chunks(event)] == [c for _pause, c in chunks]
	sizes = [len(event["text"].encode()) for event in site.stored]
	assert max(sizes) <= MAX_BYTES


def test_events_say_nothing_of_chunks_unless_they_are_kept() -> None:
	chunks: list[tuple[float, Chunk]] = [(0, Text("a")), (0.1, Text("b")), (0.1, Text("c"))]
	assert not any("chunk_ends" in event for event in published(chunks, keeps_chunks=False).stored)
	ends = [event.get("chunk_ends") for event in published(chunks, keeps_chunks=True).stored]
	assert ends == [None, None, (1, 2), None]


@pytest.mark.parametrize(
	("status", "changed", "kept"),
	[
		("completed", lambda events: events, True),
		("running", lambda events: events[:-1], True),
		("running", lambda events: [], False),
		("completed", lambda events: [], False),
		("completed", lambda events: [{**event, "text": ""} for event in events], False),
		(
			"completed",
			lambda events: [
				{**event, **({"arguments": ""} if "arguments" in event else {})} for event in events
			],
			False,
		),
	],
)
def test_an_emptied_journal_keeps_no_chunks(
	monkeypatch: pytest.MonkeyPatch, status: str, changed: Any, kept: bool
) -> None:
	chunks: list[tuple[float, Chunk]] = [(0, Text("a")), (0, ToolCall("c1", "clock", "{}"))]
	events = changed(published(chunks, keeps_chunks=True).stored)
	monkeypatch.setattr(store, "current", lambda: SimpleNamespace(events=lambda _name: events))
	assert journal.keeps_chunks({"name": "r", "status": status}) is kept
