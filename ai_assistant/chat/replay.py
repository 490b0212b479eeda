"""Skips the part of an answer that the request has already, if the answer is read again from its beginning."""

from dataclasses import replace
from typing import Any

from ai_assistant.gateway import Chunk, Reasoning, Text, ToolCall, ToolCallDelta, ToolCallStart
from ai_assistant.realtime.transcript import Transcript


class Replay:
	"""An answer that a provider sends again from its beginning.

	Args:
		transcript: what is stored of the answer. It must not have changed since the process died.
	"""

	def __init__(self, transcript: Transcript) -> None:
		self._whole = {call["id"] for call in transcript.calls or ()}
		# The characters that come again, by the type of the chunk or the id of the call.
		self._left: dict[Any, int] = {
			Reasoning: len(transcript.reasoning),
			Text: len(transcript.text),
			**transcript.unfinished,
		}

	def rest(self, chunk: Chunk) -> Chunk | None:
		"""Returns the part of a chunk that is new, None if there is none."""
		if isinstance(chunk, ToolCallStart | ToolCallDelta | ToolCall) and chunk.id in self._whole:
			return None
		if isinstance(chunk, ToolCallStart):
			return None if chunk.id in self._left else chunk
		if not isinstance(chunk, Reasoning | Text | ToolCallDelta):
			return chunk
		key = chunk.id if isinstance(chunk, ToolCallDelta) else type(chunk)
		left = self._left.get(key, 0)
		self._left[key] = max(0, left - len(chunk.text))
		return replace(chunk, text=chunk.text[left:]) if len(chunk.text) > left else None
