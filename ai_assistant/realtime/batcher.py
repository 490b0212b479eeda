"""When the pieces of an answer leave: at once where somebody waits, then ever fewer, never late.

A token is a poor event: it costs a row, a commit and a message. So pieces are gathered for a *window* that
grows with the answer, from 0.15 s to just under the longest delay allowed: a reader notices the beginning,
not the rhythm. The first piece of each phase leaves at once, and a change of phase sends what was gathered.
Answers of 1 to 12 s come to 5 to 20 events with the one of acceptance and the completion.
"""

from dataclasses import dataclass

from .event import MAX_BYTES

FIRST_WINDOW_S = 0.15
GROWTH = 3.0
# What the thread may need to wake up and to store, so that the contract's limit holds at the client's end.
SLACK = 0.95


@dataclass(frozen=True, slots=True)
class Batch:
	"""Text of one kind (`reasoning` or `text`) that leaves as one event."""

	kind: str
	text: str


class Batcher:
	"""Gathers deltas. Time is the caller's: any clock in seconds that does not go back."""

	def __init__(self, max_delay_s: float = 1.0) -> None:
		self._longest = max_delay_s * SLACK
		self._window = min(FIRST_WINDOW_S, self._longest)
		self._kind = ""
		self._pieces: list[str] = []
		self._size = 0
		self._due = 0.0

	def add(self, kind: str, text: str, now: float) -> list[Batch]:
		"""Takes a delta and gives what has to leave now."""
		ready: list[Batch] = []
		if kind != self._kind:
			ready = self.flush()
			self._kind = kind
			return ready + _split(kind, text)
		if not self._pieces:
			self._due = now + self._window
		self._pieces.append(text)
		self._size += len(text)
		# This bounds what a fast provider heaps up within a window. A character takes at most 4 bytes;
		# counting them exactly is left to the split.
		if self._size * 4 >= MAX_BYTES or now >= self._due:
			ready = self._leave()
		return ready

	def due(self, now: float) -> list[Batch]:
		"""What has to leave because it has waited for its window."""
		return self._leave() if self._pieces and now >= self._due else []

	def due_in(self, now: float) -> float | None:
		"""Seconds until `due()` has something, None where nothing waits."""
		return max(0.0, self._due - now) if self._pieces else None

	@property
	def gathers(self) -> bool:
		"""Whether something waits, so that more of its kind need not be looked at before `due_in()`."""
		return bool(self._pieces)

	def flush(self) -> list[Batch]:
		"""All that waits, because nothing of its kind follows."""
		text = "".join(self._pieces)
		self._pieces.clear()
		self._size = 0
		return _split(self._kind, text) if text else []

	def _leave(self) -> list[Batch]:
		self._window = min(self._window * GROWTH, self._longest)
		return self.flush()


def _split(kind: str, text: str) -> list[Batch]:
	"""As one batch, or as several of at most MAX_BYTES of UTF-8, cut between characters."""
	if len(text) * 4 <= MAX_BYTES:
		return [Batch(kind, text)]
	data, start, batches = text.encode(), 0, []
	while start < len(data):
		end = min(start + MAX_BYTES, len(data))
		while end < len(data) and data[end] & 0xC0 == 0x80:
			end -= 1
		batches.append(Batch(kind, data[start:end].decode()))
		start = end
	return batches
