"""Ollama's chat API."""

from __future__ import annotations

import json
from typing import Any

from .family import USAGE, Family, Step, calls_of, is_whole, joined


class Ollama(Family):
	"""Ollama's own chat API: a JSON object a line, the reasoning in `thinking`."""

	content_type = "application/x-ndjson"

	def __init__(self, model: str) -> None:
		super().__init__(model)
		self.steps: list[Step] = []

	def _line(self, message: dict[str, Any], **fields: Any) -> bytes:
		line = {"model": self.model, "created_at": "2025-01-01T00:00:00Z", "message": message, "done": False}
		return json.dumps({**line, **fields}).encode() + b"\n"

	def step(self, step: Step) -> bytes:
		if "reasoning" in step:
			return self._line({"role": "assistant", "content": "", "thinking": step["reasoning"]})
		if "text" in step:
			return self._line({"role": "assistant", "content": step["text"]})
		if "sealed" in step:
			return b""
		if "call" in step:
			self.steps.append(step)
			call = calls_of(self.steps)[step["call"]]
			if not is_whole(call):
				return b""
			return self._line({"role": "assistant", "content": "", "tool_calls": self._calls([call])})
		if "error" in step:
			return json.dumps({"error": step["error"]}).encode() + b"\n"
		return self._line({"role": "assistant", "content": ""}, **self._end(step))

	def _end(self, step: Step) -> dict[str, Any]:
		usage = {**USAGE, **step.get("usage", {})}
		return {
			"done": True,
			"done_reason": step["finish"],
			"total_duration": 1,
			"load_duration": 1,
			"prompt_eval_count": usage["prompt"],
			"prompt_eval_duration": 1,
			"eval_count": usage["completion"],
			"eval_duration": 1,
		}

	def whole(self, steps: list[Step]) -> dict[str, Any]:
		reasoning, text, finish, usage = joined(steps)
		message: dict[str, Any] = {"role": "assistant", "content": text}
		if reasoning:
			message["thinking"] = reasoning
		if calls := calls_of(steps):
			message["tool_calls"] = self._calls(calls)
		line = json.loads(self._line(message))
		return {**line, **self._end({"finish": finish, "usage": usage})}

	def _calls(self, calls: list[dict[str, str]]) -> list[dict[str, Any]]:
		return [
			{
				"id": call["id"],
				"function": {"name": call["name"], "arguments": json.loads(call["arguments"])},
			}
			for call in calls
		]

	def turn(self, steps: list[Step]) -> Any:
		reasoning, text, *_ = joined(steps)
		thought = {"thinking": reasoning} if reasoning else {}
		return {"content": text, **thought, "tool_calls": self._calls(calls_of(steps))}

	def returned(self, body: dict[str, Any]) -> Any:
		message = [m for m in body["messages"] if m["role"] == "assistant"][-1]
		return {name: message[name] for name in ("content", "thinking", "tool_calls") if name in message}

	def refusal(self, status: int, message: str) -> dict[str, Any]:
		return {"error": message}
