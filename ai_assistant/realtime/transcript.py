"""Records what a provider said in one answer: text, reasoning, tool calls, and when each began."""

import json
import time
from collections.abc import Iterable
from dataclasses import asdict
from typing import Any

from ai_assistant.gateway import Reasoning, Text, ToolCall
from ai_assistant.store import Event

from .event import as_called, calls_in


class Transcript:
	"""The answer to one request so far."""

	def __init__(self, tools: bool, age_s: float = 0.0) -> None:
		"""Starts a transcript.

		Args:
			tools: whether the client sent tools. Without them `calls` stays None unless a call comes.
			age_s: the seconds since the request was accepted.
		"""
		self.calls: list[dict[str, Any]] | None = [] if tools else None
		self._started = time.monotonic() - age_s
		self._first_ms: dict[str, int] = {}
		self._pieces: dict[str, list[str]] = {"reasoning": [], "text": []}

	def restore(self, events: Iterable[Event]) -> None:
		"""Adds what the stored events of the request hold."""
		events = list(events)
		for event in events:
			kind, text = event["type"], event["text"]
			if kind == "tool_call" or text:
				self._first_ms.setdefault(kind, event["elapsed_ms"])
			if kind in self._pieces:
				self._pieces[kind].append(text)
		if calls := calls_in(events):
			self.calls = calls

	def add(self, chunk: Reasoning | Text | ToolCall) -> None:
		"""Adds a chunk of the gateway."""
		if isinstance(chunk, ToolCall):
			self._first_ms.setdefault("tool_call", self.elapsed_ms())
			self.calls = [*(self.calls or []), as_called(asdict(chunk))]
			return
		kind = "reasoning" if isinstance(chunk, Reasoning) else "text"
		self._first_ms.setdefault(kind, self.elapsed_ms())
		self._pieces[kind].append(chunk.text)

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
		return len(self.reasoning.encode()), len((self.text + calls).encode())

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
