"""Whether what a client saw keeps the contract's promises: used by the command line and the tests alike."""

import hashlib
from collections.abc import Mapping, Sequence
from typing import Any

from ai_assistant.realtime.event import FIELDS, MAX_BYTES, calls_in


def violations(events: Sequence[Mapping[str, Any]], answer: Mapping[str, Any]) -> list[str]:
	"""What is wrong with the `ai_progress` events of one request beside its REST answer, one sentence each.

	`events` are all that arrived, in the order of arrival; `answer` is the `message` of chat_completion.
	"""
	wrong: list[str] = []
	if [event.get("seq") for event in events] != list(range(1, len(events) + 1)):
		wrong.append(f"seq is {[event.get('seq') for event in events]}, and not 1, 2, 3 … without a gap.")
	for event in events:
		where = f"Event {event.get('seq')}"
		if missing := FIELDS - set(event):
			wrong.append(f"{where} lacks {', '.join(sorted(missing))}.")
			continue
		if event["request_id"] != answer["request_id"] or event["task_id"] != answer["task_id"]:
			wrong.append(f"{where} has ids other than the answer's.")
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
	if (called := calls_in(events)) != answer.get("tool_calls", []):
		wrong.append(f"The tool calls that were sent ({len(called)}) are not the answer's tool_calls.")
	ends = [event for event in events if event.get("type") == "completion"]
	if len(ends) != 1 or events[-1].get("type") != "completion":
		wrong.append(
			f"There are {len(ends)} completions, the last event is a {events[-1:] and events[-1].get('type')}."
		)
	else:
		wrong += _of_completion(ends[0], answer)
	if answer["realtime"]["last_seq"] != len(events):
		wrong.append(f"The answer counts {answer['realtime']['last_seq']} events, {len(events)} arrived.")
	return wrong


def _of_completion(end: Mapping[str, Any], answer: Mapping[str, Any]) -> list[str]:
	wrong = []
	expected = {
		"status": answer["status"],
		"finish_reason": answer["finish_reason"],
		"provider": answer["provider"],
		"model": answer["model"],
		"usage": answer["usage"],
		"reasoning_length": len(answer["reasoning"]),
		"text_length": len(answer["response"]),
		"text_sha256": hashlib.sha256(answer["response"].encode()).hexdigest(),
		"tool_calls": answer.get("tool_calls"),
	}
	for name, value in expected.items():
		if end.get(name) != value:
			wrong.append(f"The completion's {name} is {end.get(name)!r}, the answer's {value!r}.")
	if (answer["status"] == "failed") != ("error" in end):
		wrong.append(f"The completion of a request that {answer['status']} has error {end.get('error')!r}.")
	return wrong
