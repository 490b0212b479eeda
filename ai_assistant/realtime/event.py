"""The names and the shape of events (docs/streaming.md), for the site and the client."""

import hashlib
from collections.abc import Iterable, Mapping
from typing import Any

EVENT = "ai_progress"
STATUS = "ai_status"

FIELDS = {"type", "text", "partial", "task_id", "request_id", "seq", "elapsed_ms", "timestamp"}
"""The fields of every event. A completion has more."""

MAX_BYTES = 32 * 1024
"""The most bytes of UTF-8 in the text of one event."""

OUTCOME = ("status", "finish_reason", "provider", "model", "usage", "timing")
"""The fields that a completion, an answer and a webhook's message have in common."""

IF_ANY = ("tool_runs", "sources", "images", "dropped", "trimmed", "error")
"""The fields that a completion and an answer have only if they are not empty."""


def as_called(call: Mapping[str, Any]) -> dict[str, Any]:
	"""Turns a tool call of an event or of the gateway into the form that an assistant message of the OpenAI chat API has."""
	function = {"name": call["name"], "arguments": call["arguments"]}
	error = call.get("arguments_error")
	tool_call = {"id": call["id"], "type": "function", "function": function}
	return tool_call if error is None else {**tool_call, "arguments_error": error}


def calls_in(events: Iterable[Mapping[str, Any]]) -> list[dict[str, Any]]:
	"""Returns the tool calls among the events of a request."""
	return [as_called(event) for event in events if event["type"] == "tool_call"]


def completion_of(row: Mapping[str, Any]) -> dict[str, Any]:
	"""Returns the values of the completion of a finished request, from the values of its row."""
	return {
		"text": "",
		"partial": False,
		**{name: row[name] for name in OUTCOME},
		"reasoning_length": len(row["reasoning"]),
		"text_length": len(row["response"]),
		"text_sha256": hashlib.sha256(row["response"].encode()).hexdigest(),
		**({} if row["tool_calls"] is None else {"tool_calls": row["tool_calls"]}),
		**{name: row[name] for name in IF_ANY if row.get(name)},
	}
