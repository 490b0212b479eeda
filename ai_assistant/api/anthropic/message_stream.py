"""Writes the stream of one message of Anthropic's Messages API: the events that begin, fill and end its blocks."""

import json
from dataclasses import replace
from typing import Any

from ai_assistant.chat.written import Written
from ai_assistant.gateway import ToolCall

from ..dialect import Parsed, StreamWriter, event
from .errors import error
from .message_object import end_of, input_of, message_of, prompt_tokens, usage_of

# The blocks of text and of reasoning as they begin.
EMPTY = {
	"text": {"type": "text", "text": ""},
	"reasoning": {"type": "thinking", "thinking": "", "signature": ""},
}


class Writer(StreamWriter):
	"""The stream of one message.

	A text or thinking ends with the first chunk of another type. Calls that a model writes at the same time stay
	open together.
	"""

	def __init__(self, parsed: Parsed, request_id: str, model: str, created: int) -> None:
		self._request_id, self._model = request_id, model
		self._prompt_tokens = prompt_tokens(parsed)
		self._shows_thinking = parsed.options["shows_thinking"]
		self._written = Written()
		self._blocks = 0
		# `text` or `reasoning` while the last block is one that is being written.
		self._open: str | None = None
		# The calls whose input is being written, by their ids: the index of the block.
		self._calls: dict[str, int] = {}

	def begin(self) -> str:
		# The provider counts the tokens at the end. Cline reads the tokens of the prompt only here.
		usage = usage_of({"prompt_tokens": self._prompt_tokens})
		unended = {"stop_reason": None, "stop_sequence": None}
		message = message_of(self._request_id, self._model, [], unended, usage)
		return _event("message_start", message=message) + self.ping()

	def ping(self) -> str:
		return _event("ping")

	def end(self, answer: dict[str, Any]) -> str:
		text = "".join(self.write(chunk) for chunk in self._written.missing(answer))
		failure = answer.get("error")
		if failure and failure["code"] != "content_filtered":
			return text + event(error(failure)[1], "error")
		sealed = answer.get("continuation")
		has_ended = self._open != "reasoning"
		text += self._close(sealed)
		if sealed and has_ended:
			text += self._begin({"type": "redacted_thinking", "data": sealed})
			text += self._stop(self._blocks - 1)
		text += "".join(self._stop(index) for index in self._calls.values())
		text += _event("message_delta", delta=end_of(answer), usage=usage_of(answer.get("usage")))
		return text + _event("message_stop")

	def _say(self, kind: str, text: str) -> str:
		self._written.lengths[kind] += len(text)
		began = ""
		if self._open != kind:
			began = self._close() + self._begin(EMPTY[kind])
			self._open = kind
		if kind == "text":
			return began + self._delta({"type": "text_delta", "text": text})
		if self._shows_thinking:
			return began + self._delta({"type": "thinking_delta", "thinking": text})
		return began

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
		if kind == "reasoning":
			signed = self._delta({"type": "signature_delta", "signature": sealed or self._request_id})
		return signed + self._stop(self._blocks - 1)

	def _begin_call(self, call_id: str, name: str) -> str:
		self._written.calls.add(call_id)
		text = self._close() + self._begin({"type": "tool_use", "id": call_id, "name": name, "input": {}})
		self._calls[call_id] = self._blocks - 1
		return text

	def _add_arguments(self, call_id: str, piece: str) -> str:
		return self._delta({"type": "input_json_delta", "partial_json": piece}, self._calls[call_id])

	def _end_call(self, call_id: str) -> str:
		return self._stop(self._calls.pop(call_id))

	def _whole_call(self, call: ToolCall) -> str:
		if call.arguments_error is not None:
			# Anthropic's SDK raises an exception if an input is not valid JSON.
			call = replace(call, arguments=json.dumps(input_of(call.arguments)))
		return super()._whole_call(call)


def _event(kind: str, **fields: Any) -> str:
	return event({"type": kind, **fields}, kind)
