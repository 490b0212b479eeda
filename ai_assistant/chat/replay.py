"""Leaves out of an answer that is read again what the request has already."""

from dataclasses import replace

from ai_assistant.gateway import Chunk, Reasoning, Text, ToolCall, ToolCallDelta, ToolCallStart
from ai_assistant.realtime.transcript import Transcript


class Replay:
	"""An answer that a provider sends again from its beginning.

	Args:
		transcript: what is stored of the answer. It must not have changed since the process died.
	"""

	def __init__(self, transcript: Transcript) -> None:
		self._left = {Reasoning: len(transcript.reasoning), Text: len(transcript.text)}
		self._whole = {call["id"] for call in transcript.calls or ()}
		self._partial = transcript.unfinished

	def rest(self, chunk: Chunk) -> Chunk | None:
		"""Returns the part of a chunk that is new, None if there is none."""
		if isinstance(chunk, Reasoning | Text):
			left = self._left[type(chunk)]
			self._left[type(chunk)] = max(0, left - len(chunk.text))
			return replace(chunk, text=chunk.text[left:]) if len(chunk.text) > left else None
		if isinstance(chunk, ToolCallStart):
			return None if chunk.id in self._whole or chunk.id in self._partial else chunk
		if isinstance(chunk, ToolCallDelta):
			if chunk.id in self._whole:
				return None
			left = self._partial.get(chunk.id, 0)
			if left:
				self._partial[chunk.id] = max(0, left - len(chunk.text))
			return replace(chunk, text=chunk.text[left:]) if len(chunk.text) > left else None
		if isinstance(chunk, ToolCall):
			return None if chunk.id in self._whole else chunk
		return chunk
