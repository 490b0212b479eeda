"""Tests the record of an answer: its sizes and its timing."""

import json

import pytest

from ai_assistant.gateway import Reasoning, Text, ToolCall, ToolCallDelta, ToolCallStart
from ai_assistant.realtime.transcript import Transcript


def test_thinking_ends_with_the_first_text_or_tool_call(monkeypatch: pytest.MonkeyPatch) -> None:
	elapsed_ms = 0
	transcript = Transcript(tools=True)
	monkeypatch.setattr(transcript, "elapsed_ms", lambda: elapsed_ms)
	elapsed_ms = 2
	transcript.add(Reasoning("Hm."))
	elapsed_ms = 9
	assert transcript.timing()["thinking_ms"] == 7
	transcript.add(ToolCall("c1", "clock", "{}"))
	elapsed_ms = 12
	assert transcript.timing() == {
		"first_reasoning_ms": 2,
		"first_text_ms": None,
		"thinking_ms": 7,
		"duration_ms": 12,
	}
	# Only a text that comes before the call ends the thinking earlier.
	transcript.add(Text("Done."))
	elapsed_ms = 20
	assert transcript.timing()["thinking_ms"] == 7
	assert transcript.timing()["first_text_ms"] == 12


def test_the_first_text_ends_the_thinking_before_a_call(monkeypatch: pytest.MonkeyPatch) -> None:
	elapsed_ms = 2
	transcript = Transcript(tools=True)
	monkeypatch.setattr(transcript, "elapsed_ms", lambda: elapsed_ms)
	transcript.add(Reasoning("Hm."))
	elapsed_ms = 4
	transcript.add(Text("Let me look."))
	elapsed_ms = 5
	transcript.add(ToolCall("c1", "clock", "{}"))
	assert transcript.timing()["thinking_ms"] == 2


def test_sizes_are_bytes_of_utf_8_and_calls_count_with_the_text() -> None:
	transcript = Transcript(tools=True)
	for chunk in (Reasoning("思"), Text("é"), ToolCall("c1", "clock", '{"a": "é"}')):
		transcript.add(chunk)
	calls = json.dumps(transcript.calls, ensure_ascii=False)
	assert transcript.sizes() == (3, 2 + len(calls.encode()))
	assert Transcript(tools=True).sizes() == Transcript(tools=False).sizes() == (0, 0)


def test_a_restored_transcript_has_what_the_events_have() -> None:
	events = [
		{"type": "reasoning", "text": "", "elapsed_ms": 1},
		{"type": "reasoning", "text": "Hm.", "elapsed_ms": 3},
		{"type": "text", "text": "Y", "elapsed_ms": 5},
		{"type": "text", "text": "es.", "elapsed_ms": 8},
		{"type": "tool_call", "text": "", "id": "c1", "name": "clock", "arguments": "{}", "elapsed_ms": 9},
	]
	transcript = Transcript(tools=False, age_s=60)
	transcript.restore(events)
	assert (transcript.reasoning, transcript.text) == ("Hm.", "Yes.")
	assert transcript.calls == [
		{"id": "c1", "type": "function", "function": {"name": "clock", "arguments": "{}"}}
	]
	timing = transcript.timing()
	assert (timing["first_reasoning_ms"], timing["first_text_ms"], timing["thinking_ms"]) == (3, 5, 2)
	assert timing["duration_ms"] >= 60_000


def test_a_call_that_is_being_written_counts_as_far_as_it_has_come() -> None:
	transcript = Transcript(tools=True)
	assert transcript.calling is None
	for chunk in (ToolCallStart("c1", "clock"), ToolCallDelta("c1", '{"a": '), ToolCallDelta("c1", '"é')):
		transcript.add(chunk)
	assert transcript.calling == ("clock", 8)
	assert transcript.sizes() == (0, 9)
	assert (transcript.calls, transcript.begun) == ([], True)
	transcript.add(ToolCall("c1", "clock", '{"a": "é"}'))
	assert transcript.calling is None and transcript.calls
	assert transcript.sizes() == (0, len(json.dumps(transcript.calls, ensure_ascii=False).encode()))


def test_a_restored_transcript_counts_a_call_that_was_not_finished() -> None:
	transcript = Transcript(tools=True)
	transcript.restore(
		[
			{"type": "reasoning", "text": "Hm.", "elapsed_ms": 1},
			{"type": "tool_call_start", "text": "", "id": "c1", "name": "clock", "elapsed_ms": 4},
			{"type": "tool_call_delta", "text": '{"a": "é', "id": "c1", "elapsed_ms": 6},
		]
	)
	assert (transcript.calling, transcript.sizes()) == (("clock", 8), (3, 9))
	assert transcript.timing()["thinking_ms"] == 3
