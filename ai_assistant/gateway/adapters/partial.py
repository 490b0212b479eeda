"""What every adapter keeps of an answer while it arrives."""

from collections.abc import AsyncGenerator, Iterable
from dataclasses import dataclass, field
from typing import Any

from .. import compaction
from ..chunks import Ask, Completion, Detached, Image, Provider, Reasoning, Source, Text
from ..continuation import Builder
from ..errors import ProviderError
from ..sse import string
from ..tool_calls import ToolPiece
from ..usage import Usage

Pieces = Iterable[Reasoning | Text | ToolPiece]
Stream = AsyncGenerator[Reasoning | Text | ToolPiece | Detached | Completion, None]

MAX_SOURCES = 200
MAX_URL, MAX_TITLE = 2048, 300


@dataclass
class PartialAnswer:
	"""An answer as far as it has arrived.

	`keeps` says whether the answer may be continued, so that what the provider wants back is kept.
	"""

	keeps: bool
	begun: bool = False
	# Whether a call of a tool of the client has begun.
	has_calls: bool = False
	# The kind of error of content that is not shown, for an answer without other content.
	unshown: str | None = None
	stop_sequence: str | None = None
	# Characters of the text so far, and bytes of the reasoning.
	length: int = 0
	thought_bytes: int = 0
	continuation: Builder = field(default_factory=Builder)
	images: list[Image] = field(default_factory=list)
	# Each once, in the order in which they arrive.
	_sources: dict[Source, None] = field(default_factory=dict)

	def text(self, piece: Any) -> Text:
		"""Makes a delta of the text. Raises ProtocolError if `piece` is not a string."""
		self.length += len(string(piece))
		return Text(piece)

	def reasoning(self, piece: Any) -> Reasoning:
		"""Makes a delta of the reasoning. Raises ProtocolError if `piece` is not a string."""
		self.thought_bytes += len(string(piece).encode(errors="replace"))
		return Reasoning(piece)

	def cite(self, url: Any, title: Any = None, start: Any = None, end: Any = None) -> None:
		"""Keeps a source. A source is skipped unless its address is an http or https link.

		Args:
			url: its address.
			title: what it is called, if that is known.
			start: the first character of the text that it is the source of, if that is known.
			end: the character after the last one.
		"""
		if not (isinstance(url, str) and url.startswith(("http://", "https://")) and len(url) <= MAX_URL):
			return
		if not (isinstance(start, int) and isinstance(end, int) and 0 <= start <= end):
			start = end = None
		named = title[:MAX_TITLE] if isinstance(title, str) and title else None
		if len(self._sources) < MAX_SOURCES:
			self._sources[Source(url, named, start, end)] = None

	def cite_at(self, citation: dict[str, Any], start: int | None) -> None:
		"""Keeps the source in a citation of OpenAI's APIs. Its positions count from `start`, if that is known."""
		ends = [citation.get(name) for name in ("start_index", "end_index")]
		places = [start + end if isinstance(end, int) and start is not None else None for end in ends]
		self.cite(citation.get("url"), citation.get("title"), *places)

	def image(self, kind: Any, data: Any) -> None:
		"""Names an image that the model made: its media type, and its data in base64 or a data URL."""
		if isinstance(data, str) and data.startswith("data:"):
			kind, _, data = data.removeprefix("data:").partition(";base64,")
		size = len(data) * 3 // 4 if isinstance(data, str) else 0
		self.images.append(Image(kind if isinstance(kind, str) and kind else "image/png", size))

	def require_end(self, end: object, names: dict[str, str]) -> None:
		"""Raises ProviderError if the connection was closed without an `end` of the answer."""
		if not end:
			raise ProviderError("unfinished" if self.begun else "no_answer", **names)

	def completion(
		self, provider: Provider, ask: Ask, finish_reason: str, usage: Usage | None, dropped: tuple[str, ...]
	) -> Completion:
		"""Makes the end of the answer. Raises ProtocolError if the provider's continuation makes no sense."""
		return Completion(
			finish_reason,
			provider.name,
			ask.model,
			usage,
			dropped=dropped,
			continuation=self.continuation.encoded(provider, ask.model),
			unshown=self.unshown,
			sources=tuple(self._sources),
			images=tuple(self.images),
			compacted=compaction.FIELD in self.continuation,
			stop_sequence=self.stop_sequence,
		)
