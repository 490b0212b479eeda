"""What a writer has written of an answer, and what it still has to write."""

from collections.abc import Iterator
from typing import Any

from ai_assistant.gateway import Chunk, Reasoning, Text, ToolCall, ToolCallStart


class Written:
	"""Counts the chunks of one answer."""

	def __init__(self) -> None:
		self._reasoning = self._text = 0
		self._calls: set[str] = set()

	def add(self, chunk: Chunk) -> None:
		if isinstance(chunk, Text):
			self._text += len(chunk.text)
		elif isinstance(chunk, Reasoning):
			self._reasoning += len(chunk.text)
		elif isinstance(chunk, ToolCallStart | ToolCall):
			self._calls.add(chunk.id)

	def missing(self, answer: dict[str, Any]) -> Iterator[Chunk]:
		"""The chunks of the contract's answer object that were not added: all of them where the site publishes no events."""
		if thought := (answer.get("reasoning") or "")[self._reasoning :]:
			yield Reasoning(thought)
		if text := (answer.get("response") or "")[self._text :]:
			yield Text(text)
		for call in answer.get("tool_calls") or ():
			if call["id"] not in self._calls:
				function = call["function"]
				yield ToolCall(
					call["id"], function["name"], function["arguments"], call.get("arguments_error")
				)
