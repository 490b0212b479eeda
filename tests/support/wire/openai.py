"""OpenAI's chat completions, and the families that copy them."""

from __future__ import annotations

import json
from typing import Any

from .family import USAGE, Family, Step, calls_of, joined, of_openai, sse


class OpenAI(Family):
	"""OpenAI's chat completions, and everything that copies them."""

	reasoning_field = "reasoning_content"
	wants_reasoning = False

	def _chunk(self, delta: dict[str, Any], finish: str | None = None) -> bytes:
		return sse(
			{
				"id": "chatcmpl-1",
				"object": "chat.completion.chunk",
				"created": 1700000000,
				"model": self.model,
				"choices": [{"index": 0, "delta": delta, "finish_reason": finish}],
			}
		)

	def _usage(self, usage: dict[str, int]) -> dict[str, Any]:
		return {
			"prompt_tokens": usage["prompt"],
			"completion_tokens": usage["completion"],
			"total_tokens": usage["prompt"] + usage["completion"],
			"completion_tokens_details": {"reasoning_tokens": usage["reasoning"]},
			**({"prompt_tokens_details": {"cached_tokens": usage["cached"]}} if "cached" in usage else {}),
		}

	def start(self) -> bytes:
		return self._chunk({"role": "assistant", "content": ""})

	def step(self, step: Step) -> bytes:
		if "reasoning" in step:
			return self._chunk({self.reasoning_field: step["reasoning"]})
		if "text" in step:
			return self._chunk({"content": step["text"]})
		if "call" in step:
			return self._chunk({"tool_calls": [self._piece(step)]})
		if "sealed" in step:
			return self._sealed(step["sealed"])
		if "error" in step:
			return sse({"error": {"message": step["error"], "type": "server_error", "code": 500}})
		usage = {
			"id": "chatcmpl-1",
			"object": "chat.completion.chunk",
			"created": 1700000000,
			"model": self.model,
			"choices": [],
			"usage": self._usage({**USAGE, **step.get("usage", {})}),
		}
		return self._chunk({}, step["finish"]) + sse(usage) + sse("[DONE]")

	def whole(self, steps: list[Step]) -> dict[str, Any]:
		reasoning, text, finish, usage = joined(steps)
		message: dict[str, Any] = {"role": "assistant", "content": text}
		if reasoning:
			message[self.reasoning_field] = reasoning
		if calls := calls_of(steps):
			message["tool_calls"] = [of_openai(call) for call in calls]
		return {
			"id": "chatcmpl-1",
			"object": "chat.completion",
			"created": 1700000000,
			"model": self.model,
			"choices": [{"index": 0, "message": message, "finish_reason": finish}],
			"usage": self._usage(usage),
		}

	def _piece(self, step: Step) -> dict[str, Any]:
		begins = {"id": step["id"], "type": "function"} if "id" in step else {}
		function = {name: step[name] for name in ("name", "arguments") if name in step}
		return {"index": step["call"], **begins, "function": function}

	def _sealed(self, sealed: str) -> bytes:
		return b""

	def turn(self, steps: list[Step]) -> Any:
		text = joined(steps)[1]
		message = {**({"content": text} if text else {}), **self._thought(steps)}
		return {**message, "tool_calls": [of_openai(call) for call in calls_of(steps)]}

	def _thought(self, steps: list[Step]) -> dict[str, Any]:
		return {}

	def returned(self, body: dict[str, Any]) -> Any:
		message = [m for m in body["messages"] if m["role"] == "assistant"][-1]
		passed_over = ("role",) if self.wants_reasoning else ("role", "reasoning_content")
		return {
			name: value for name, value in message.items() if name not in passed_over and value is not None
		}


class DeepSeek(OpenAI):
	"""`reasoning_content` beside `content: null`."""

	wants_reasoning = True

	def step(self, step: Step) -> bytes:
		if "reasoning" in step:
			return self._chunk({"content": None, "reasoning_content": step["reasoning"]})
		if "text" in step:
			return self._chunk({"content": step["text"], "reasoning_content": None})
		return super().step(step)

	def _thought(self, steps: list[Step]) -> dict[str, Any]:
		return {"reasoning_content": joined(steps)[0]}


class OpenRouter(OpenAI):
	"""`reasoning`, the same text again in `reasoning_details`, and comments that keep the connection alive."""

	reasoning_field = "reasoning"

	def start(self) -> bytes:
		return b": OPENROUTER PROCESSING\n\n" + super().start()

	def step(self, step: Step) -> bytes:
		if "reasoning" in step:
			detail = {"type": "reasoning.text", "text": step["reasoning"], "format": "unknown", "index": 0}
			return self._chunk(
				{
					"role": "assistant",
					"content": "",
					"reasoning": step["reasoning"],
					"reasoning_details": [detail],
				}
			)
		return super().step(step)

	def _sealed(self, sealed: str) -> bytes:
		return self._chunk({"content": "", "reasoning_details": [self._seal(sealed)]})

	def _seal(self, sealed: str) -> dict[str, Any]:
		return {"type": "reasoning.text", "signature": sealed, "format": "unknown", "index": 0}

	def _thought(self, steps: list[Step]) -> dict[str, Any]:
		details = {"type": "reasoning.text", "text": joined(steps)[0], "format": "unknown", "index": 0}
		for step in steps:
			if "sealed" in step:
				details["signature"] = step["sealed"]
		return {"reasoning_details": [details]}

	def whole(self, steps: list[Step]) -> dict[str, Any]:
		answer: dict[str, Any] = super().whole(steps)
		if joined(steps)[0]:
			answer["choices"][0]["message"].update(self._thought(steps))
		return answer


class Groq(OpenAI):
	"""`reasoning`, and the usage in a field of its own."""

	reasoning_field = "reasoning"

	def step(self, step: Step) -> bytes:
		if "finish" not in step:
			return super().step(step)
		end = json.loads(self._chunk({}, step["finish"]).removeprefix(b"data: "))
		end["x_groq"] = {"id": "req_1", "usage": self._usage({**USAGE, **step.get("usage", {})})}
		return sse(end) + sse("[DONE]")


class Mistral(OpenAI):
	"""Thinking as parts of the content; the usage comes with the last chunk."""

	def step(self, step: Step) -> bytes:
		if "reasoning" in step:
			return self._chunk({"content": self._thinking(step["reasoning"])})
		if "finish" not in step:
			return super().step(step)
		end = json.loads(self._chunk({"content": ""}, step["finish"]).removeprefix(b"data: "))
		return sse({**end, "usage": self._usage({**USAGE, **step.get("usage", {})})}) + sse("[DONE]")

	def whole(self, steps: list[Step]) -> dict[str, Any]:
		answer = super().whole(steps)
		message = answer["choices"][0]["message"]
		if reasoning := message.pop(self.reasoning_field, None):
			message["content"] = [*self._thinking(reasoning), {"type": "text", "text": message["content"]}]
		return answer

	def _thinking(self, text: str) -> list[dict[str, Any]]:
		return [{"type": "thinking", "thinking": [{"type": "text", "text": text}]}]
