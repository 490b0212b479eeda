"""Writes the stream of one message of Anthropic's Messages API: the events that begin, fill and end its blocks."""

import json
from typing import Any

from ai_assistant.chat.written import Written
from ai_assistant.gateway import Chunk, Reasoning, Text, ToolCall, ToolCallDelta, ToolCallStart

from ..dialect import Parsed, event
from .errors import error
from .message_object import end_of, input_of, prompt_tokens, usage_of

# The blocks as they begin, by their types.
EMPTY = {
	"text": {"type": "text", "text": ""},
	"thinking": {"type": "thinking", "thinking": "", "signature": ""},
}


class Writer:
	"""The stream of one message. Its methods are those of `ai_assistant.api.dialect.StreamWriter`.

	A text or thinking ends with the first chunk of another type. Calls that a model writes at the same time stay
	open together.
	"""

	def __init__(self, parsed: Parsed, request_id: str, model: str, created: int) -> None:
		self._request_id, self._model = request_id, model
		self._prompt_tokens = prompt_tokens(parsed)
		self._shows_thinking = parsed.options["shows_thinking"]
		self._written = Written()
		self._blocks = 0
		# The type of the last block while it is a text or thinking that is being written.
		self._open: str | None = None
		# The calls whose input is being written, by their ids: the index of the block.
		self._calls: dict[str, int] = {}

	def begin(self) -> str:
		# The provider counts the tokens at the end. Cline reads the tokens of the prompt only here.
		usage = usage_of({"prompt_tokens": self._prompt_tokens})
		message: dict[str, Any] = {
			"id": f"msg_{self._request_id}",
			"type": "message",
			"role": "assistant",
			"model": self._model,
			"content": [],
			"stop_reason": None,
			"stop_sequence": None,
			"usage": usage,
		}
		return _event("message_start", message=message) + self.ping()

	def write(self, chunk: Chunk) -> str:
		self._written.add(chunk)
		if isinstance(chunk, Text):
			return self._in("text") + self._delta({"type": "text_delta", "text": chunk.text})
		if isinstance(chunk, Reasoning):
			began = self._in("thinking")
			shown = {"type": "thinking_delta", "thinking": chunk.text}
			return began + self._delta(shown) if self._shows_thinking else began
		if isinstance(chunk, ToolCallStart):
			return self._begin_call(chunk.id, chunk.name)
		if isinstance(chunk, ToolCallDelta):
			return self._input(chunk.id, chunk.text)
		if isinstance(chunk, ToolCall):
			return self._whole_call(chunk)
		return ""

	def ping(self) -> str:
		return _event("ping")

	def end(self, answer: dict[str, Any]) -> str:
		text = "".join(self.write(chunk) for chunk in self._written.missing(answer))
		failure = answer.get("error")
		if failure and failure["code"] != "content_filtered":
			return text + event(error(failure)[1], "error")
		sealed = answer.get("continuation")
		has_ended = self._open != "thinking"
		text += self._close(sealed)
		if sealed and has_ended:
			text += self._begin({"type": "redacted_thinking", "data": sealed})
			text += self._stop(self._blocks - 1)
		text += "".join(self._stop(index) for index in self._calls.values())
		text += _event("message_delta", delta=end_of(answer), usage=usage_of(answer.get("usage")))
		return text + _event("message_stop")

	def _in(self, kind: str) -> str:
		"""Begins a block of text or thinking, unless the last one is of this type and open."""
		if self._open == kind:
			return ""
		text = self._close() + self._begin(EMPTY[kind])
		self._open = kind
		return text

	def _begin(self, block: dict[str, Any]) -> str:
		self._blocks += 1
		return _event("content_block_start", index=self._blocks - 1, content_block=block)

	def _delta(self, delta: dict[str, Any], index: int | None = None) -> str:
		return _event("content_block_delta", index=self._blocks - 1 if index is None else index, delta=delta)

	def _stop(self, index: int) -> str:
		return _event("content_block_stop", index=index)

	def _close(self, sealed: str | None = None) -> str:
		"""Ends the text or thinking that is being written, if there is one.

		A block of thinking needs a signature, because clients drop a block without one. If the provider sent none, the signature is
		the id of the request.
		"""
		kind, self._open = self._open, None
		if kind is None:
			return ""
		signed = ""
		if kind == "thinking":
			signed = self._delta({"type": "signature_delta", "signature": sealed or self._request_id})
		return signed + self._stop(self._blocks - 1)

	def _begin_call(self, identity: str, name: str) -> str:
		text = self._close()
		text += self._begin({"type": "tool_use", "id": identity, "name": name, "input": {}})
		self._calls[identity] = self._blocks - 1
		return text

	def _input(self, identity: str, piece: str) -> str:
		return self._delta({"type": "input_json_delta", "partial_json": piece}, self._calls[identity])

	def _whole_call(self, call: ToolCall) -> str:
		"""Ends a call. Its pieces were written before, or nothing."""
		text = ""
		if call.id not in self._calls:
			# Anthropic's SDK raises an exception if an input is not valid JSON.
			read = call.arguments if call.arguments_error is None else json.dumps(input_of(call.arguments))
			text = self._begin_call(call.id, call.name) + self._input(call.id, read)
		return text + self._stop(self._calls.pop(call.id))


def _event(kind: str, **fields: Any) -> str:
	return event({"type": kind, **fields}, kind)
