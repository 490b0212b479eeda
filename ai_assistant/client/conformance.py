"""A check that the events and the answer of a chat keep the contract. The command line and the tests use it."""

import hashlib
from collections.abc import Mapping, Sequence
from typing import Any

from ai_assistant.realtime.event import FIELDS, MAX_BYTES, calls_in


def violations(events: Sequence[Mapping[str, Any]], answer: Mapping[str, Any]) -> list[str]:
	"""Compare the events of one request with each other and with its REST answer.

	Args:
		events: All `ai_progress` events of the request, in the order of arrival.
		answer: The `message` of chat_completion.

	Returns:
		One sentence for each violation of the contract.
	"""
	wrong: list[str] = []
	if [event.get("seq") for event in events] != list(range(1, len(events) + 1)):
		wrong.append(f"seq is {[event.get('seq') for event in events]}, instead of 1, 2, 3 … without a gap.")
	for event in events:
		where = f"Event {event.get('seq')}"
		if missing := FIELDS - set(event):
			wrong.append(f"{where} lacks {', '.join(sorted(missing))}.")
			continue
		if event["request_id"] != answer["request_id"] or event["task_id"] != answer["task_id"]:
			wrong.append(f"{where} has other ids than the answer.")
		if event["partial"] != (event["type"] != "completion"):
			wrong.append(f"{where} is a {event['type']} with partial {event['partial']}.")
		if len(event["text"].encode()) > MAX_BYTES:
			wrong.append(f"{where} has more than {MAX_BYTES} bytes of text.")
	if not events or (events[0].get("type"), events[0].get("text")) != ("reasoning", ""):
		wrong.append("The first event is not an empty reasoning.")
	for kind, field in (("reasoning", "reasoning"), ("text", "response")):
		joined = "".join(event["text"] for event in events if event.get("type") == kind)
		if joined != answer[field]:
			wrong.append(
				f"The {kind} deltas joined ({len(joined)} characters) are not the answer's {field} ({len(answer[field])})."
			)
	if (calls := calls_in(events)) != answer.get("tool_calls", []):
		wrong.append(f"The tool calls in the events ({len(calls)}) are not the answer's tool_calls.")
	wrong += _streamed_call_violations(events)
	completions = [event for event in events if event.get("type") == "completion"]
	if len(completions) != 1 or events[-1].get("type") != "completion":
		last = events[-1].get("type") if events else None
		wrong.append(f"There are {len(completions)} completions, and the last event is a {last}.")
	else:
		wrong += _completion_violations(completions[0], answer)
	if answer["realtime"]["last_seq"] != len(events):
		wrong.append(f"The answer counts {answer['realtime']['last_seq']} events, {len(events)} arrived.")
	return wrong


def _streamed_call_violations(events: Sequence[Mapping[str, Any]]) -> list[str]:
	"""Compares each call that was streamed with the whole call that follows."""
	wrong: list[str] = []
	written: dict[str, str] = {}
	for event in events:
		kind = event["type"]
		if kind == "tool_call_start":
			written[event["id"]] = ""
		elif kind == "tool_call_delta" and event["id"] in written:
			written[event["id"]] += event["text"]
		elif kind == "tool_call_delta":
			wrong.append(f"Event {event['seq']} belongs to a call that has not begun.")
		elif kind == "tool_call" and written.pop(event["id"], event["arguments"]) != event["arguments"]:
			wrong.append(f"The deltas of the call {event['id']} joined are not its arguments.")
	return wrong + [f"The call {call_id} began and never came whole." for call_id in written]


def _completion_violations(completion: Mapping[str, Any], answer: Mapping[str, Any]) -> list[str]:
	expected = {
		**{name: answer[name] for name in ("status", "finish_reason", "provider", "model", "usage")},
		"reasoning_length": len(answer["reasoning"]),
		"text_length": len(answer["response"]),
		"text_sha256": hashlib.sha256(answer["response"].encode()).hexdigest(),
		"tool_calls": answer.get("tool_calls"),
	}
	wrong = [
		f"The completion's {name} is {completion.get(name)!r}, and the answer's is {value!r}."
		for name, value in expected.items()
		if completion.get(name) != value
	]
	if (answer["status"] == "failed") != ("error" in completion):
		wrong.append(
			f"The completion of a request that {answer['status']} has the error {completion.get('error')!r}."
		)
	return wrong
