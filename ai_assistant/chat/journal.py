"""Reads the events of a stored request, in any process, and yields the chunks that the gateway had yielded."""

import time
from collections.abc import Generator
from dataclasses import replace
from typing import Any

from frappe import _

from ai_assistant import store
from ai_assistant.gateway import Chunk, Tick
from ai_assistant.realtime.transcript import chunk_of

from .answer import current_answer, joined
from .errors import ChatError, deleted
from .long_poll import read_again
from .written import Written


def follow(row: dict[str, Any], total_s: float) -> Generator[Chunk, None, dict[str, Any]]:
	"""Yields the chunks of a stored request from its first, and a Tick each time there is none yet.

	Args:
		row: The request, ended or not.
		total_s: How many seconds to wait for its end.

	Returns:
		The answer object. It has the error `timeout` if the request goes on, and `not_kept` if the site does not
		keep what was not read in time.
	"""
	until = time.monotonic() + total_s
	read = _Read()
	while True:
		# The status is read before the events: an ended request gets no further ones.
		ended = row["status"] not in store.UNENDED
		for event in store.current().events(row["name"], read.seq):
			yield from read.chunks(event)
		answer = current_answer(row)
		if ended:
			yield from read.rest(answer)
			if read.whole(answer):
				return answer
			message = _("The answer was given, and this site keeps no answers; ask again with another key.")
			return {**answer, "error": ChatError("not_kept", message).as_dict()}
		if time.monotonic() >= until:
			message = _(
				"The answer takes longer than {0} seconds and goes on; ask again with the same Idempotency-Key."
			).format(f"{total_s:g}")
			return {**answer, "error": {"code": "timeout", "message": message, "retryable": True}}
		yield Tick()
		row = read_again(row) or {**row, "status": "failed", "error": deleted().as_dict()}


def keeps_chunks(row: store.Row) -> bool:
	"""Returns whether the events of a request are there with their content, so that `follow` yields the same chunks again."""
	events = store.current().events(row["name"])
	if row["status"] in store.UNENDED or not events:
		return bool(events)
	return all(
		len(joined(events, kind)) == events[-1].get(f"{kind}_length") for kind in ("reasoning", "text")
	) and all(event["arguments"] for event in events if event["type"] == "tool_call")


class _Read:
	"""What has been read of a request."""

	def __init__(self) -> None:
		self.seq = 0
		self._written = Written()
		# The beginning of a chunk that is longer than an event.
		self._begun = ""
		self._completion: dict[str, Any] = {}

	def chunks(self, event: store.Event) -> Generator[Chunk, None, None]:
		self.seq = event["seq"]
		kind = event["type"]
		if kind == "completion":
			self._completion = event
		elif kind in ("reasoning", "text", "tool_call_delta"):
			chunk: Any = chunk_of(event)
			for delta in self._deltas(event):
				yield self._read(replace(chunk, text=delta))
		elif kind != "tool_call":
			yield chunk_of(event)
		elif event["arguments"]:
			# An emptied event has no arguments.
			yield self._read(chunk_of(event))

	def _read(self, chunk: Chunk) -> Chunk:
		self._written.add(chunk)
		return chunk

	def _deltas(self, event: store.Event) -> Generator[str, None, None]:
		"""Yields the texts of the chunks that end in an event: none if the event was emptied."""
		text = event["text"]
		if not text:
			return
		start = 0
		for end in event.get("chunk_ends", (len(text),)):
			yield self._begun + text[start:end]
			self._begun, start = "", end
		self._begun += text[start:]

	def rest(self, answer: dict[str, Any]) -> Generator[Chunk, None, None]:
		"""Yields the content of the answer that no event had. Events are kept for a shorter time than answers, or not at all."""
		for chunk in self._written.missing(answer):
			yield self._read(chunk)

	def whole(self, answer: dict[str, Any]) -> bool:
		"""Whether the whole answer was read. Without `keep_content` the events are emptied when the request ends."""
		if not self._completion:
			return True
		calls = answer["finish_reason"] == "tool_calls" and not self._written.calls
		return not calls and all(
			length >= self._completion[f"{kind}_length"] for kind, length in self._written.lengths.items()
		)
