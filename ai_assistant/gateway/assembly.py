"""Makes the chunks of one answer from the deltas of a provider."""

from collections.abc import Iterator
from dataclasses import replace

from .chunks import CallChunk, Completion, Reasoning, Text
from .errors import ProviderError
from .surrogates import SurrogateJoiner
from .thinking import ThinkSplitter
from .tool_calls import ToolCalls, ToolPiece

Delta = Reasoning | Text | ToolPiece


class Assembly:
	"""One answer as far as it has come.

	Surrogates that a provider cut apart are joined, thinking between tags becomes Reasoning, the pieces of a tool call
	become one ToolCall, and the length is limited.

	Args:
		max_chars: the most characters of reasoning, text and tool calls together.
		uses_tools: whether the question has tools. If not, the model's calls are left out.
		stream_tool_calls: whether tool calls are also given as the provider writes them.
	"""

	def __init__(self, max_chars: int, uses_tools: bool, stream_tool_calls: bool = False) -> None:
		self.begun = False
		"""Whether anything of the answer has come."""
		self.is_full = False
		"""Whether `max_chars` is reached. Nothing may be added then."""
		self.is_thinking = False
		"""Whether the last delta was reasoning."""
		self._uses_tools = uses_tools
		self._chars_left = max_chars
		self._has_text = self._left_out_calls = False
		self._calls = ToolCalls(stream_tool_calls)
		self._reasoning_joiner, self._text_joiner = SurrogateJoiner(), SurrogateJoiner()
		self._splitter: ThinkSplitter | None = ThinkSplitter()

	def add(self, delta: Delta) -> Iterator[Reasoning | Text | CallChunk]:
		"""Yields the chunks that a delta completes.

		Raises ProtocolError for a tool call that makes no sense.
		"""
		if isinstance(delta, ToolPiece):
			if not self._uses_tools:
				self._left_out_calls = True
				return
			self._chars_left -= len(delta.id or "") + len(delta.name or "") + len(delta.arguments)
			if self._chars_left < 0:
				yield from self._cut()
				return
			if self._splitter:
				# Text that could still become a tag came before the call.
				yield from self._splitter.end()
			self.begun, self.is_thinking = True, False
			yield from self._calls.add(delta)
			return
		for chunk in self._add_text(delta):
			if len(chunk.text) > self._chars_left:
				if self._chars_left:
					yield replace(chunk, text=chunk.text[: self._chars_left])
				yield from self._cut()
				return
			self._chars_left -= len(chunk.text)
			yield chunk

	def end(self, is_cut: bool = False) -> Iterator[Reasoning | Text | CallChunk]:
		"""Yields what was held back, when no delta follows.

		Args:
			is_cut: whether the answer ended before the model had finished.
		"""
		if rest := self._reasoning_joiner.end():
			self.begun = True
			yield Reasoning(rest)
		if rest := self._text_joiner.end():
			yield from self._split(rest)
		yield from self._end_of_tags()
		yield from self._calls.end(is_cut)

	def completed(self, completion: Completion) -> Completion:
		"""Returns the provider's completion, corrected for the whole answer. Call it after `end()`.

		Raises ProviderError for an answer whose only content cannot be shown.
		"""
		unshown = "only_unknown_calls" if self._left_out_calls else completion.unshown
		if unshown and not (self._has_text or self._calls or completion.images):
			raise ProviderError(unshown, provider=completion.provider, model=completion.model)
		reason = completion.finish_reason
		if self._calls:
			# Some providers say `stop` after a call.
			return replace(completion, finish_reason="tool_calls" if reason == "stop" else reason)
		# Without a call the model does not wait for the client, so there is no reasoning to continue.
		return replace(
			completion,
			finish_reason="stop" if reason == "tool_calls" else reason,
			continuation=completion.continuation if completion.compacted else None,
		)

	def _cut(self) -> Iterator[CallChunk]:
		self.is_full = True
		yield from self._calls.end(is_cut=True)

	def _add_text(self, delta: Reasoning | Text) -> list[Reasoning | Text]:
		if isinstance(delta, Text):
			text = self._text_joiner.join(delta.text)
			return self._split(text) if text else []
		if not (text := self._reasoning_joiner.join(delta.text)):
			return []
		# A provider that has a field for reasoning puts none between tags.
		before = [] if self.begun else self._end_of_tags()
		self.begun = self.is_thinking = True
		return [*before, Reasoning(text)]

	def _split(self, text: str) -> list[Reasoning | Text]:
		chunks: list[Reasoning | Text] = self._splitter.feed(text) if self._splitter else [Text(text)]
		if chunks:
			self.is_thinking = isinstance(chunks[-1], Reasoning)
		return self._noted(chunks)

	def _end_of_tags(self) -> list[Reasoning | Text]:
		if not self._splitter:
			return []
		chunks, self._splitter = self._splitter.end(), None
		return self._noted(chunks)

	def _noted(self, chunks: list[Reasoning | Text]) -> list[Reasoning | Text]:
		self.begun = self.begun or bool(chunks)
		self._has_text = self._has_text or any(isinstance(chunk, Text) for chunk in chunks)
		return chunks
