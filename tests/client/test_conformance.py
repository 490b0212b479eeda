"""The conformance check finds each way in which a stream can be wrong."""

import copy
import hashlib
from collections.abc import Callable
from typing import Any

import pytest

from ai_assistant.client.conformance import violations

Events = list[dict[str, Any]]


def _event(seq: int, kind: str, text: str, **more: Any) -> dict[str, Any]:
	return {
		"type": kind,
		"text": text,
		"partial": kind != "completion",
		"task_id": "t",
		"request_id": "r",
		"seq": seq,
		"elapsed_ms": seq,
		"timestamp": "2026-01-01 00:00:00.000000",
		**more,
	}


def _good() -> tuple[Events, dict[str, Any]]:
	same = {"status": "completed", "finish_reason": "stop", "provider": "p", "model": "m", "usage": None}
	answer = {"request_id": "r", "task_id": "t", "response": "yés", "reasoning": "hm", **same}
	answer["realtime"] = {"events": 5, "failed": 0, "last_seq": 5}
	end = {
		**same,
		"reasoning_length": 2,
		"text_length": 3,
		"text_sha256": hashlib.sha256("yés".encode()).hexdigest(),
	}
	events = [
		_event(1, "reasoning", ""),
		_event(2, "reasoning", "hm"),
		_event(3, "text", "y"),
		_event(4, "text", "és"),
		_event(5, "completion", "", **end),
	]
	return events, answer


def _called(seq: int = 4) -> tuple[Events, dict[str, Any]]:
	"""The same with a tool call as event `seq`."""
	events, answer = _good()
	called = {"id": "c", "type": "function", "function": {"name": "f", "arguments": "{}"}}
	answer["tool_calls"] = events[-1]["tool_calls"] = [called]
	events.insert(seq - 1, _event(seq, "tool_call", "", id="c", name="f", arguments="{}"))
	for n, event in enumerate(events, start=1):
		event["seq"] = answer["realtime"]["last_seq"] = n
	return events, answer


def test_a_good_stream_has_no_violations() -> None:
	assert violations(*_good()) == []
	for seq in (2, 4, 5):
		assert violations(*_called(seq)) == []
	events, answer = _good()
	answer["tool_calls"] = events[-1]["tool_calls"] = []
	assert violations(events, answer) == []


def _set(index: int, **values: Any) -> Callable[[Events], None]:
	return lambda events: events[index].update(values)


@pytest.mark.parametrize(
	("spoil", "expected"),
	[
		(lambda events: events.pop(2), "without a gap"),
		(lambda events: events.insert(2, events[2]), "without a gap"),
		(lambda events: events.__setitem__(slice(2, 4), [events[3], events[2]]), "without a gap"),
		(lambda events: events.pop(), "0 completions"),
		(lambda events: events.append(copy.deepcopy(events[-1])), "2 completions"),
		(_set(0, text="x"), "not an empty reasoning"),
		(_set(2, text="Y"), "are not the answer's response"),
		(_set(1, text=""), "are not the answer's reasoning"),
		(_set(1, request_id="other"), "has other ids than"),
		(_set(1, task_id="other"), "has other ids than"),
		(_set(1, partial=False), "partial False"),
		(_set(4, partial=True), "partial True"),
		(_set(2, text="x" * 40_000), "bytes of text"),
		(lambda events: events[1].pop("timestamp"), "lacks timestamp"),
		(_set(4, text_length=4), "text_length"),
		(_set(4, reasoning_length=3), "reasoning_length"),
		(_set(4, text_sha256="0"), "text_sha256"),
		(_set(4, status="failed"), "status"),
		(_set(4, error={"code": "x"}), "has the error"),
		(_set(4, usage={"total_tokens": 1}), "usage"),
	],
)
def test_each_fault_is_named(spoil: Callable[[Events], Any], expected: str) -> None:
	events, answer = _good()
	events = copy.deepcopy(events)
	spoil(events)
	assert any(expected in sentence for sentence in violations(events, answer))


@pytest.mark.parametrize(
	("spoil", "expected"),
	[
		(_set(3, name="g"), "The tool calls in the events (1) are not the answer's tool_calls."),
		(_set(3, arguments="{"), "The tool calls in the events (1)"),
		(_set(3, arguments_error="None."), "The tool calls in the events (1)"),
		(lambda events: events[3].update(type="text"), "The tool calls in the events (0)"),
		(lambda events: events.insert(4, events[3]), "The tool calls in the events (2)"),
		(_set(5, tool_calls=[]), "The completion's tool_calls is []"),
		(lambda events: events[5].pop("tool_calls"), "The completion's tool_calls is None"),
		(_set(3, partial=False), "a tool_call with partial False"),
	],
)
def test_each_fault_of_a_call_is_named(spoil: Callable[[Events], Any], expected: str) -> None:
	events, answer = _called()
	events = copy.deepcopy(events)
	spoil(events)
	assert any(expected in sentence for sentence in violations(events, answer))


def test_calls_of_which_the_answer_knows_nothing_are_a_violation() -> None:
	events, answer = _called()
	del answer["tool_calls"], events[-1]["tool_calls"]
	assert violations(events, answer) == ["The tool calls in the events (1) are not the answer's tool_calls."]


def test_events_missing_at_the_end_are_noticed_by_the_count() -> None:
	events, answer = _good()
	answer["realtime"]["last_seq"] = 6
	assert violations(events, answer) == ["The answer counts 6 events, 5 arrived."]


def test_no_events_at_all_are_a_violation() -> None:
	assert violations([], _good()[1])


def _streamed() -> tuple[Events, dict[str, Any]]:
	"""The same with events 4 to 6 for the call as it is written."""
	events, answer = _called()
	written = [
		_event(4, "tool_call_start", "", id="c", name="f"),
		_event(5, "tool_call_delta", "{", id="c"),
		_event(6, "tool_call_delta", "}", id="c"),
	]
	events[3:3] = written
	for n, event in enumerate(events, start=1):
		event["seq"] = answer["realtime"]["last_seq"] = n
	return events, answer


def test_a_call_that_is_streamed_is_the_one_that_comes_whole() -> None:
	assert violations(*_streamed()) == []
	for index, values in ((4, {"text": "["}), (4, {"id": "d"}), (6, {"type": "tool_call_delta", "text": ""})):
		events, answer = _streamed()
		events[index].update(values)
		assert any("call" in sentence for sentence in violations(events, answer))
