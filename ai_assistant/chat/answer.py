"""Builds the contract's answer object from the row of a request."""

from typing import Any

from ai_assistant import store
from ai_assistant.realtime.event import IF_ANY, OUTCOME, calls_in

from . import reference


def answer_of(row: store.Row) -> dict[str, Any]:
	"""Builds the answer object of a request in any status, only from its row."""
	answer = {
		"success": row["status"] != "failed",
		**{name: row.get(name) for name in (*OUTCOME, "realtime")},
		"request_id": row["request_id"],
		"task_id": row["task_id"],
		"response": row.get("response") or "",
		"reasoning": row.get("reasoning") or "",
		"attempts": row.get("attempts") or [],
	}
	# A client that sent no tools gets no fields about tool calls, but a continuation if the provider has compacted the
	# conversation.
	if row.get("tool_calls") is not None:
		answer["tool_calls"] = row["tool_calls"]
	if "tool_calls" in answer or row.get("continuation"):
		answer["continuation"] = row.get("continuation")
	if_any = (*IF_ANY, "stop_sequence", "metadata", *reference.FIELDS)
	return {**answer, **{name: row[name] for name in if_any if row.get(name)}}


def current_answer(row: store.Row) -> dict[str, Any]:
	"""Builds the answer object of a stored request. One that has not ended gets what has arrived so far."""
	if row["status"] not in store.UNENDED:
		return answer_of(row)
	events = store.current().events(row["name"])
	last_seq = events[-1]["seq"] if events else 0
	return answer_of(
		{
			**row,
			"response": joined(events, "text"),
			"reasoning": joined(events, "reasoning"),
			"tool_calls": calls_in(events) or row["tool_calls"],
			"realtime": {"events": last_seq, "failed": 0, "last_seq": last_seq},
		}
	)


def joined(events: list[store.Event], kind: str) -> str:
	"""Returns the texts of the events of a type."""
	return "".join(event["text"] for event in events if event["type"] == kind)
