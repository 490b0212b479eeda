"""Records which chunks of an answer a stream has sent, and yields those that it has not."""

from collections.abc import Iterator
from typing import Any

from ai_assistant.gateway import Chunk, Reasoning, Text, ToolCall, ToolCallStart


class Written:
	"""Counts the chunks of one answer."""

	def __init__(self) -> None:
		self.lengths = {"reasoning": 0, "text": 0}
		self.calls: set[str] = set()

	def add(self, chunk: Chunk) -> None:
		if isinstance(chunk, Text):
			self.lengths["text"] += len(chunk.text)
		elif isinstance(chunk, Reasoning):
			self.lengths["reasoning"] += len(chunk.text)
		elif isinstance(chunk, ToolCallStart | ToolCall):
			self.calls.add(chunk.id)

	def missing(self, answer: dict[str, Any]) -> Iterator[Chunk]:
		"""Yields the chunks of the contract's answer object that were not added: all of them if there were no events."""
		if thought := (answer.get("reasoning") or "")[self.lengths["reasoning"] :]:
			yield Reasoning(thought)
		if text := (answer.get("response") or "")[self.lengths["text"] :]:
			yield Text(text)
		for call in answer.get("tool_calls") or ():
			if call["id"] not in self.calls:
				function = call["function"]
				yield ToolCall(
					call["id"], function["name"], function["arguments"], call.get("arguments_error")
				)
