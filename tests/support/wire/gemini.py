"""Gemini's API."""

from __future__ import annotations

import json
from typing import Any, ClassVar

from .family import USAGE, Family, Step, calls_of, is_whole, joined, sse


class Gemini(Family):
	"""Google's generateContent with thought parts."""

	stop: ClassVar = {"stop": "STOP", "length": "MAX_TOKENS", "content_filter": "SAFETY"}
	stop["tool_calls"] = "STOP"

	def __init__(self, model: str) -> None:
		super().__init__(model)
		self.steps: list[Step] = []

	def _response(self, parts: list[dict[str, Any]], finish: str | None, usage: dict[str, int] | None) -> Any:
		candidate: dict[str, Any] = {"content": {"parts": parts, "role": "model"}, "index": 0}
		if finish:
			candidate["finishReason"] = self.stop.get(finish, finish)
		response: dict[str, Any] = {"candidates": [candidate], "modelVersion": self.model, "responseId": "r1"}
		if usage:
			response["usageMetadata"] = {
				"promptTokenCount": usage["prompt"],
				"candidatesTokenCount": usage["completion"] - usage["reasoning"],
				"thoughtsTokenCount": usage["reasoning"],
				"totalTokenCount": usage["prompt"] + usage["completion"],
			}
		return response

	def step(self, step: Step) -> bytes:
		if "reasoning" in step:
			return sse(self._response([{"text": step["reasoning"], "thought": True}], None, None))
		if "text" in step:
			return sse(self._response([{"text": step["text"]}], None, None))
		if "sealed" in step:
			self.steps.append(step)
			return b""
		if "call" in step:
			self.steps.append(step)
			part = self._parts(self.steps)[step["call"]]
			return sse(self._response([part], None, None)) if part else b""
		if "error" in step:
			return sse({"error": {"code": 503, "message": step["error"], "status": "UNAVAILABLE"}})
		return sse(self._response([{"text": ""}], step["finish"], {**USAGE, **step.get("usage", {})}))

	def whole(self, steps: list[Step]) -> dict[str, Any]:
		reasoning, text, finish, usage = joined(steps)
		parts: list[dict[str, Any]] = [{"text": reasoning, "thought": True}] if reasoning else []
		parts += [{"text": text}] if text or not calls_of(steps) else []
		return self._response([*parts, *filter(None, self._parts(steps))], finish, usage)

	def _parts(self, steps: list[Step]) -> list[dict[str, Any]]:
		"""The calls as parts, the first of them with the signature; {} for one that is not whole."""
		sealed = [{"thoughtSignature": step["sealed"]} for step in steps if "sealed" in step]
		parts: list[dict[str, Any]] = []
		for call in calls_of(steps):
			part = {"name": call["name"]}
			if is_whole(call):
				function = {**part, "args": json.loads(call["arguments"])}
				parts.append({"functionCall": function, **({} if any(parts) or not sealed else sealed[-1])})
			else:
				parts.append({})
		return parts

	def turn(self, steps: list[Step]) -> Any:
		text = joined(steps)[1]
		return ([{"text": text}] if text else []) + self._parts(steps)

	def returned(self, body: dict[str, Any]) -> Any:
		parts = [content["parts"] for content in body["contents"] if content["role"] == "model"][-1]
		# The names have two spellings there.
		return [
			{"functionCall" if name == "function_call" else name: value for name, value in part.items()}
			for part in parts
		]

	def refusal(self, status: int, message: str) -> dict[str, Any]:
		return {"error": {"code": status, "message": message, "status": "INVALID_ARGUMENT"}}
