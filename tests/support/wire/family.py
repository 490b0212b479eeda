"""What all families share: the form of a family, and the parts of a script."""

from __future__ import annotations

import json
from typing import Any

Step = dict[str, Any]
SIGNATURE = "c2lnbmF0dXJl"
USAGE = {"prompt": 11, "completion": 7, "reasoning": 3}


def sse(data: Any, event: str | None = None) -> bytes:
	# ensure_ascii is what providers written in Python do: it is also what cuts surrogate pairs in two.
	body = data if isinstance(data, str) else json.dumps(data)
	return (f"event: {event}\n" if event else "").encode() + f"data: {body}\n\n".encode()


class Family:
	"""One provider family: `start`, one or more wire chunks a step, `end`; and the answer without a stream."""

	content_type = "text/event-stream"

	def __init__(self, model: str) -> None:
		self.model = model
		self.last: str | None = None

	def start(self) -> bytes:
		return b""

	def step(self, step: Step) -> bytes:
		raise NotImplementedError

	def whole(self, steps: list[Step]) -> dict[str, Any]:
		raise NotImplementedError

	def refusal(self, status: int, message: str) -> dict[str, Any]:
		return {"error": {"message": message, "type": "error", "code": status}}

	def turn(self, steps: list[Step]) -> Any:
		"""The form in which a turn of these steps must come back."""
		raise NotImplementedError

	def returned(self, body: dict[str, Any]) -> Any:
		"""The last turn of the model in a request, as `turn()` gives it."""
		raise NotImplementedError


def calls_of(steps: list[Step]) -> list[dict[str, str]]:
	"""The tool calls of a script, whole."""
	calls: dict[int, dict[str, str]] = {}
	for step in steps:
		if "call" in step:
			call = calls.setdefault(step["call"], {"id": "", "name": "", "arguments": ""})
			call["id"] = call["id"] or step.get("id", "")
			call["name"] = call["name"] or step.get("name", "")
			call["arguments"] += step.get("arguments", "")
	return list(calls.values())


def of_openai(call: dict[str, str]) -> dict[str, Any]:
	function = {"name": call["name"], "arguments": call["arguments"]}
	return {"id": call["id"], "type": "function", "function": function}


def is_whole(call: dict[str, str]) -> bool:
	try:
		return isinstance(json.loads(call["arguments"]), dict)
	except ValueError:
		return False


def joined(steps: list[Step]) -> tuple[str, str, str, dict[str, int]]:
	finish = next((s for s in steps if "finish" in s), {"finish": "stop"})
	return (
		"".join(s.get("reasoning", "") for s in steps),
		"".join(s.get("text", "") for s in steps),
		finish["finish"],
		{**USAGE, **finish.get("usage", {})},
	)
