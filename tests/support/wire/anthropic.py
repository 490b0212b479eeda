"""Anthropic's Messages API."""

from __future__ import annotations

import json
from typing import Any, ClassVar

from .family import SIGNATURE, USAGE, Family, Step, calls_of, joined, sse


class Anthropic(Family):
	"""Anthropic's messages with thinking blocks (and the signature that ends one)."""

	stop: ClassVar = {"stop": "end_turn", "length": "max_tokens", "content_filter": "refusal"}
	stop["tool_calls"] = "tool_use"

	def __init__(self, model: str) -> None:
		super().__init__(model)
		self.index = -1
		self.signature = SIGNATURE
		self.calls: dict[int, int] = {}

	def _event(self, kind: str, **fields: Any) -> bytes:
		return sse({"type": kind, **fields}, event=kind)

	def start(self) -> bytes:
		message = {
			"id": "msg_1",
			"type": "message",
			"role": "assistant",
			"content": [],
			"model": self.model,
			"stop_reason": None,
			"stop_sequence": None,
			"usage": {"input_tokens": USAGE["prompt"], "output_tokens": 1},
		}
		return self._event("message_start", message=message) + self._event("ping")

	def _open(self, kind: str, **fields: Any) -> bytes:
		if self.last == kind:
			return b""
		done, self.last = self._close(), kind
		self.index += 1
		block: dict[str, Any] = {"type": "thinking", "thinking": "", "signature": ""}
		if fields:
			block = fields
		if kind == "text":
			block = {"type": "text", "text": ""}
		return done + self._event("content_block_start", index=self.index, content_block=block)

	def _close(self) -> bytes:
		if self.last is None:
			return b""
		signature = b""
		if self.last == "reasoning":
			delta = {"type": "signature_delta", "signature": self.signature}
			signature = self._event("content_block_delta", index=self.index, delta=delta)
		return signature + self._event("content_block_stop", index=self.index)

	def step(self, step: Step) -> bytes:
		if "reasoning" in step:
			delta = {"type": "thinking_delta", "thinking": step["reasoning"]}
			return self._open("reasoning") + self._event("content_block_delta", index=self.index, delta=delta)
		if "text" in step:
			delta = {"type": "text_delta", "text": step["text"]}
			return self._open("text") + self._event("content_block_delta", index=self.index, delta=delta)
		if "sealed" in step:
			self.signature = step["sealed"]
			return b""
		if "compacted" in step:
			block = {"content": None, "encrypted_content": None}
			delta = {"type": "compaction_delta", "content": step["compacted"], "encrypted_content": SIGNATURE}
			return (
				self._open("compaction", type="compaction", **block)
				+ self._event("ping")
				+ self._event("content_block_delta", index=self.index, delta=delta)
			)
		if "redacted" in step:
			return self._open("redacted", type="redacted_thinking", data=step["redacted"])
		if "call" in step:
			begun = b""
			if "id" in step:
				block = {"id": step["id"], "name": step["name"], "input": {}}
				begun = self._open(f"call {step['call']}", type="tool_use", **block)
			delta = {"type": "input_json_delta", "partial_json": step.get("arguments", "")}
			return begun + self._event("content_block_delta", index=self.index, delta=delta)
		if "error" in step:
			return self._event("error", error={"type": "overloaded_error", "message": step["error"]})
		usage = {**USAGE, **step.get("usage", {})}
		reason = {"stop_reason": self.stop.get(step["finish"], step["finish"])}
		reason["stop_sequence"] = step.get("stop_sequence")
		counts = {"output_tokens": usage["completion"]}
		if "cached" in usage:
			counts |= {
				"input_tokens": usage["prompt"] - usage["cached"] - usage["written"],
				"cache_read_input_tokens": usage["cached"],
				"cache_creation_input_tokens": usage["written"],
			}
		end = self._event("message_delta", delta=reason, usage=counts)
		return self._close() + end + self._event("message_stop")

	def whole(self, steps: list[Step]) -> dict[str, Any]:
		_, text, finish, usage = joined(steps)
		content = self._content(steps) or [{"type": "text", "text": text}]
		return {
			"id": "msg_1",
			"type": "message",
			"role": "assistant",
			"model": self.model,
			"content": content,
			"stop_reason": self.stop.get(finish, finish),
			"stop_sequence": None,
			"usage": {"input_tokens": usage["prompt"], "output_tokens": usage["completion"]},
		}

	def _content(self, steps: list[Step]) -> list[dict[str, Any]]:
		reasoning, text, *_ = joined(steps)
		sealed = [step["sealed"] for step in steps if "sealed" in step] or [SIGNATURE]
		content: list[dict[str, Any]] = []
		if reasoning:
			content.append({"type": "thinking", "thinking": reasoning, "signature": sealed[-1]})
		content += [{"type": "redacted_thinking", "data": s["redacted"]} for s in steps if "redacted" in s]
		content += [{"type": "text", "text": text}] if text else []
		for call in calls_of(steps):
			arguments = json.loads(call["arguments"] or "{}")
			content.append({"type": "tool_use", "id": call["id"], "name": call["name"], "input": arguments})
		return content

	def turn(self, steps: list[Step]) -> Any:
		return self._content(steps)

	def returned(self, body: dict[str, Any]) -> Any:
		return [m["content"] for m in body["messages"] if m["role"] == "assistant"][-1]

	def refusal(self, status: int, message: str) -> dict[str, Any]:
		return {"type": "error", "error": {"type": "api_error", "message": message}}
