"""Records what a provider said in one answer: text, reasoning, tool calls, and when each began."""

import json
import time
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field
from typing import Any

from ai_assistant.gateway import (
	Reasoning,
	Text,
	ToolApproval,
	ToolCall,
	ToolCallDelta,
	ToolCallStart,
	ToolResult,
	ToolStep,
	cut_call,
)
from ai_assistant.store import Event

from .event import as_called

Said = Reasoning | Text | ToolCallStart | ToolCallDelta | ToolCall | ToolApproval | ToolResult
"""A chunk that has events."""

# What is stored with the request of a call of a tool of the site.
RUN_FIELDS = ("name", "outcome", "duration_ms")
# The types of the events of each chunk.
KINDS: dict[type, str] = {
	Reasoning: "reasoning",
	Text: "text",
	ToolCallStart: "tool_call_start",
	ToolCallDelta: "tool_call_delta",
	ToolCall: "tool_call",
	ToolApproval: "tool_approval",
	ToolResult: "tool_result",
}
CHUNKS: dict[str, Any] = {kind: chunk for chunk, kind in KINDS.items()}


def chunk_of(event: Event) -> Said:
	"""Returns the chunk that an event has, or whose end it has."""
	chunk = CHUNKS[event["type"]]
	made: Said = chunk(**{name: event[name] for name in chunk.__dataclass_fields__ if name in event})
	return made


@dataclass
class _Writing:
	"""A call that the provider writes."""

	name: str
	pieces: list[str] = field(default_factory=list)

	@property
	def arguments(self) -> str:
		return "".join(self.pieces)


class Transcript:
	"""The answer to one request so far."""

	def __init__(self, tools: bool, age_s: float = 0.0) -> None:
		"""Starts a transcript.

		Args:
			tools: whether the client sent tools. Without them `calls` stays None unless a call comes.
			age_s: the seconds since the request was accepted.
		"""
		self.calls: list[dict[str, Any]] | None = [] if tools else None
		self.runs: list[dict[str, Any]] = []
		"""The calls of the site's tools: `name`, `outcome` and `duration_ms` of each."""
		self._started = time.monotonic() - age_s
		self._first_ms: dict[str, int] = {}
		self._pieces: dict[str, list[str]] = {"reasoning": [], "text": []}
		# The calls that have begun and are not whole, by id. The one that was written last is the last.
		self._writing: dict[str, _Writing] = {}

	def restore(self, events: Iterable[Event]) -> None:
		"""Adds what the stored events of the request hold."""
		for event in events:
			kind = event["type"]
			# Event 1 has no text. Another process may have added the completion, which is no chunk.
			if event["text"] or (kind in CHUNKS and kind not in self._pieces):
				self.add(chunk_of(event), event["elapsed_ms"])

	def add(self, chunk: Said | ToolStep, at_ms: int | None = None) -> None:
		"""Adds a chunk that came now, or so many milliseconds after the request was accepted."""
		if isinstance(chunk, Reasoning | Text):
			kind = KINDS[type(chunk)]
			self._pieces[kind].append(chunk.text)
		else:
			kind = "tool_call"
			self._add_call(chunk)
		if kind not in self._first_ms:
			self._first_ms[kind] = self.elapsed_ms() if at_ms is None else at_ms

	def _add_call(self, chunk: Said | ToolStep) -> None:
		"""Adds a part of a call, or a step of a call of a tool of the site."""
		if isinstance(chunk, ToolCallStart):
			self._writing[chunk.id] = _Writing(chunk.name)
		elif isinstance(chunk, ToolCallDelta):
			if call := self._writing.pop(chunk.id, None):
				call.pieces.append(chunk.text)
				self._writing[chunk.id] = call
		elif isinstance(chunk, ToolCall):
			self._writing.pop(chunk.id, None)
			self.calls = [*(self.calls or []), as_called(asdict(chunk))]
		elif isinstance(chunk, ToolResult):
			self.runs.append({name: getattr(chunk, name) for name in RUN_FIELDS})

	@property
	def calling(self) -> tuple[str, int] | None:
		"""The name of the call that the provider writes, and the characters of its arguments so far."""
		call = next(reversed(self._writing.values()), None)
		return (call.name, len(call.arguments)) if call else None

	@property
	def unfinished(self) -> dict[str, int]:
		"""The characters of the arguments so far of each call that has begun and is not whole, by its id."""
		return {identity: len(call.arguments) for identity, call in self._writing.items()}

	def cut(self) -> list[ToolCall]:
		"""Ends the calls that are not whole. Their arguments are what was written. Returns these calls."""
		calls = [cut_call(identity, call.name, call.arguments) for identity, call in self._writing.items()]
		for call in calls:
			self.add(call)
		return calls

	@property
	def reasoning(self) -> str:
		"""All reasoning so far."""
		return "".join(self._pieces["reasoning"])

	@property
	def text(self) -> str:
		"""All text so far."""
		return "".join(self._pieces["text"])

	@property
	def begun(self) -> bool:
		"""Whether anything of an answer has come."""
		return bool(self._first_ms)

	@property
	def answering(self) -> bool:
		"""Whether any text has come."""
		return "text" in self._first_ms

	def sizes(self) -> tuple[int, int]:
		"""Returns the bytes of the reasoning in UTF-8, and those of the text and the calls together."""
		calls = json.dumps(self.calls, ensure_ascii=False) if self.calls else ""
		unfinished = sum(len(call.arguments.encode()) for call in self._writing.values())
		return len(self.reasoning.encode()), len((self.text + calls).encode()) + unfinished

	def elapsed_ms(self) -> int:
		"""Returns the milliseconds since the request was accepted."""
		return round((time.monotonic() - self._started) * 1000)

	def timing(self) -> dict[str, int | None]:
		"""Returns the contract's `timing`: milliseconds since acceptance, None for what never came."""
		reasoning, text = self._first_ms.get("reasoning"), self._first_ms.get("text")
		duration = self.elapsed_ms()
		# A tool call ends the thinking as the first text does.
		ends = [self._first_ms[kind] for kind in ("text", "tool_call") if kind in self._first_ms]
		return {
			"first_reasoning_ms": reasoning,
			"first_text_ms": text,
			"thinking_ms": None if reasoning is None else max(0, min(ends, default=duration) - reasoning),
			"duration_ms": duration,
		}
