"""Tests the events of tool calls: whole, once, in their order, and in pieces where a client asks for them."""

from itertools import pairwise
from types import SimpleNamespace
from typing import Any

import pytest

from ai_assistant import log
from ai_assistant.gateway import Chunk, Reasoning, Text, Tick, ToolCall, ToolCallDelta, ToolCallStart
from ai_assistant.realtime import outbox
from ai_assistant.realtime import publisher as publishing
from ai_assistant.realtime.publisher import Publisher
from tests.support.fake_site import OUTCOME, FakeSite

from .conftest import publisher

CALLS = (ToolCall("c1", "clock", "{}"), ToolCall("c2", "weather", '{"city": ', "The arguments are no JSON."))

AS_CALLED = [
	{"id": "c1", "type": "function", "function": {"name": "clock", "arguments": "{}"}},
	{
		"id": "c2",
		"type": "function",
		"function": {"name": "weather", "arguments": '{"city": '},
		"arguments_error": "The arguments are no JSON.",
	},
]


def call(one: Publisher) -> None:
	one.accepted()
	for chunk in (
		Reasoning("Hm."),
		Text("Let me"),
		Text(" look"),
		CALLS[0],
		CALLS[1],
		Text(" at"),
		Text(" it."),
	):
		one.forward(chunk)
	one.complete(one.row({**OUTCOME, "continuation": "signed"}))


def test_a_call_is_sent_whole_once_and_after_what_was_said_before_it(site: FakeSite) -> None:
	call(publisher(tools=True))
	shown = [(event["type"], event["text"], event.get("id")) for event in site.sent]
	assert shown == [
		("reasoning", "", None),
		("reasoning", "Hm.", None),
		("text", "Let me", None),
		("text", " look", None),
		("tool_call", "", "c1"),
		("tool_call", "", "c2"),
		("text", " at it.", None),
		("completion", "", None),
	]
	first, second = (event for event in site.stored if event["type"] == "tool_call")
	assert (first["name"], first["arguments"], first["partial"]) == ("clock", "{}", True)
	assert "arguments_error" not in first and second["arguments_error"] == "The arguments are no JSON."
	assert site.stored[-1]["tool_calls"] == site.row["tool_calls"] == AS_CALLED
	assert site.row["continuation"] == "signed" and "continuation" not in site.stored[-1]


def test_one_without_tools_says_nothing_of_calls(site: FakeSite) -> None:
	one = publisher()
	one.accepted()
	one.complete(one.row(OUTCOME))
	assert site.row["tool_calls"] is None and "tool_calls" not in site.stored[-1]
	one = publisher(tools=True)
	one.accepted()
	one.complete(one.row(OUTCOME))
	assert site.row["tool_calls"] == site.stored[-1]["tool_calls"] == []


def test_the_line_of_a_call_says_its_size_and_not_its_words(
	site: FakeSite, monkeypatch: pytest.MonkeyPatch
) -> None:
	texts: list[str] = []
	monkeypatch.setattr(log.logger(), "info", texts.append)
	call(publisher(tools=True))
	assert (
		texts[4]
		== "[WebSocket] 🔧 TOOL_CALL emitted: 2 chars task=t request=r-1234567 seq=5 user=a@example.com"
	)
	assert not any("city" in line for line in texts)


def test_calls_wait_for_a_store_that_is_away_too(site: FakeSite, monkeypatch: pytest.MonkeyPatch) -> None:
	monkeypatch.setattr(outbox, "RETRY_S", 0.0)
	one = publisher(tools=True)
	one.accepted()
	site.away = {"append"}
	for chunk in (Text("a"), *CALLS):
		one.forward(chunk)
	site.away = set()
	one.complete(one.row(OUTCOME))
	assert [event["type"] for event in site.sent[1:]] == ["text", "tool_call", "tool_call", "completion"]
	assert [event["seq"] for event in site.stored] == [1, 2, 3, 4, 5]


def test_one_that_takes_over_has_the_calls_of_the_journal(site: FakeSite) -> None:
	one = publisher(tools=True)
	one.accepted()
	one.forward(CALLS[0])
	one.forward(CALLS[1])
	row = {"name": "row", "user": "a@example.com", "task_id": "t", "request_id": "r-1234567", "created": 0.0}
	heir = Publisher.resume({**row, "tool_calls": []}, list(site.stored), keep_content=True)
	heir.complete(heir.row({**OUTCOME, "status": "failed", "error": {"code": "worker_lost"}}))
	assert site.row["tool_calls"] == site.stored[-1]["tool_calls"] == AS_CALLED


def test_calls_are_gathered_where_nothing_is_published(site: FakeSite) -> None:
	call(publisher(enabled=False, tools=True))
	assert site.stored == [] and site.row["tool_calls"] == AS_CALLED


@pytest.mark.parametrize("tools", [False, True])
def test_what_shall_not_be_kept_is_given_out_and_not_stored(site: FakeSite, tools: bool) -> None:
	one = publisher(keep_content=False, tools=tools)
	one.accepted()
	one.forward(Text("a secret"))
	if tools:
		one.forward(CALLS[0])
	row = one.row({**OUTCOME, "continuation": "signed"})
	one.complete(row)
	assert site.done[-4:] == ["finish", "forget", "commit", "send"]
	names = ("excerpt", "response", "reasoning", "tool_calls", "continuation")
	assert [site.row[name] for name in names] == [None, None, None, [] if tools else None, None]
	assert (row["response"], row["tool_calls"]) == ("a secret", AS_CALLED[:1] if tools else None)


CALL: list[Chunk] = [
	Text("I write."),
	ToolCallStart("c1", "write"),
	ToolCallDelta("c1", '{"text": "'),
	*[ToolCallDelta("c1", "x" * 10) for _ in range(200)],
	ToolCallDelta("c1", '"}'),
	ToolCall("c1", "write", '{"text": "' + "x" * 2000 + '"}'),
]


def written_in_20_s(site: FakeSite, clock: SimpleNamespace, stream_tool_calls: bool) -> list[dict[str, Any]]:
	"""Returns what a client gets of a call that is written for 20 s, a delta each 0.1 s."""
	one = Publisher(
		"row", "a@example.com", "t", "r-1234567", 1.0, True, True, True, stream_tool_calls=stream_tool_calls
	)
	one.accepted()
	for chunk in CALL:
		one.forward(chunk)
		clock.now += 0.1
		one.forward(Tick())
	one.complete(one.row(OUTCOME))
	return site.sent


def test_a_call_is_streamed_in_an_event_a_second(site: FakeSite, clock: SimpleNamespace) -> None:
	sent = [
		sent_event
		for sent_event in written_in_20_s(site, clock, True)
		if sent_event["event"] == "ai_progress"
	]
	assert sent == [
		{"event": "ai_progress", "room": "user:a@example.com", **sent_event} for sent_event in site.stored
	]
	kinds = [event["type"] for event in sent]
	assert kinds[:4] == ["reasoning", "text", "tool_call_start", "tool_call_delta"]
	assert kinds[-2:] == ["tool_call", "completion"] and set(kinds[3:-2]) == {"tool_call_delta"}
	start, whole = sent[2], sent[-2]
	assert (start["id"], start["name"], start["text"], start["partial"]) == ("c1", "write", "", True)
	deltas = [event for event in sent if event["type"] == "tool_call_delta"]
	assert "".join(event["text"] for event in deltas) == whole["arguments"]
	assert {event["id"] for event in deltas} == {"c1"}
	assert 20 <= len(deltas) <= 30
	at = [event["elapsed_ms"] for event in sent]
	assert max(later - earlier for earlier, later in pairwise(at)) <= 1000


def test_a_client_that_asks_for_no_calls_in_pieces_gets_a_status_a_second(
	site: FakeSite, clock: SimpleNamespace
) -> None:
	sent = written_in_20_s(site, clock, False)
	assert [event["type"] for event in site.stored] == ["reasoning", "text", "tool_call", "completion"]
	statuses = [sent_event for sent_event in sent if sent_event["event"] == "ai_status"]
	assert 20 <= len(statuses) <= 30
	assert {(sent_event["phase"], sent_event["name"]) for sent_event in statuses} == {("calling", "write")}
	characters = [sent_event["characters"] for sent_event in statuses]
	assert characters[0] == 0 and characters == sorted(characters) and 1900 < characters[-1] <= 2012
	at = [sent_event["elapsed_ms"] for sent_event in sent]
	assert max(later - earlier for earlier, later in pairwise(at)) <= 1000


def test_a_silent_provider_that_has_begun_a_call_is_still_calling(
	site: FakeSite, clock: SimpleNamespace
) -> None:
	one = publisher(tools=True)
	one.accepted()
	one.forward(ToolCallStart("c1", "write"))
	one.forward(ToolCallDelta("c1", "{"))
	clock.now += publishing.HEARTBEAT_S
	one.forward(Tick())
	one.forward(ToolCall("c1", "write", "{}"))
	clock.now += publishing.HEARTBEAT_S
	one.forward(Tick())
	statuses = [event for event in site.sent if event["event"] == "ai_status"]
	assert [(event["phase"], event.get("characters")) for event in statuses] == [
		("calling", 0),
		("calling", 1),
		("thinking", None),
	]
