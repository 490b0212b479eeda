"""The names and the shape of what reaches a client (the contract's section 3), for both ends."""

from collections.abc import Iterable, Mapping
from typing import Any

EVENT = "ai_progress"
STATUS = "ai_status"

FIELDS = {"type", "text", "partial", "task_id", "request_id", "seq", "elapsed_ms", "timestamp"}
"""What every event has; a completion has more."""

MAX_BYTES = 32 * 1024
"""The most UTF-8 that the text of one event may have."""


def as_called(call: Mapping[str, Any]) -> dict[str, Any]:
	"""A call (a `tool_call` event, or the gateway's own) as the OpenAI chat API has it in an assistant message."""
	function = {"name": call["name"], "arguments": call["arguments"]}
	error = call.get("arguments_error")
	made = {"id": call["id"], "type": "function", "function": function}
	return made if error is None else {**made, "arguments_error": error}


def calls_in(events: Iterable[Mapping[str, Any]]) -> list[dict[str, Any]]:
	"""The calls among a request's events."""
	return [as_called(event) for event in events if event["type"] == "tool_call"]
