"""Gathers chunks into batches, so that an answer takes few events and no text waits long.

Each event costs a row, a commit and a message. The first delta of each phase leaves at once. Later ones are gathered for
a window that grows from 0.15 s to just under the longest delay. A change of phase sends what was gathered. An answer of
1 to 12 s takes 5 to 20 events, with those of acceptance and completion.
"""

from dataclasses import dataclass
from itertools import accumulate

from .event import MAX_BYTES

FIRST_WINDOW_S = 0.15
GROWTH = 3.0
# The other 12 % are for the pause between two reads (MAX_PAUSE_S in gateway/read_pauses.py) and for the thread, which wakes up and
# stores, so that the contract's limit holds for the client.
USED_DELAY = 0.88


@dataclass(frozen=True, slots=True)
class Batch:
	"""Text of one kind (`reasoning`, `text` or `tool_call_delta`) that leaves as one event."""

	kind: str
	text: str
	call_id: str = ""
	"""The id of the tool call whose arguments the text is part of."""
	ends: tuple[int, ...] | None = None
	"""The positions in the text, in characters, at which deltas end; None if the text is one whole delta."""


class Batcher:
	"""Gathers deltas. The caller passes the time, of any monotonic clock in seconds."""

	def __init__(self, max_delay_s: float = 1.0) -> None:
		self._longest = max_delay_s * USED_DELAY
		self._window = min(FIRST_WINDOW_S, self._longest)
		self._kind = ("", "")
		self._pieces: list[str] = []
		self._size = 0
		self._due = 0.0

	def add(self, kind: str, text: str, now: float, call_id: str = "") -> list[Batch]:
		"""Adds a delta, and returns the batches that leave now."""
		ready: list[Batch] = []
		if (kind, call_id) != self._kind:
			ready = self.flush()
			self._kind = (kind, call_id)
			return ready + _split([text], *self._kind)
		if not self._pieces:
			self._due = now + self._window
		self._pieces.append(text)
		self._size += len(text)
		# This limits the text that a fast provider sends within a window. A character takes at most 4 bytes;
		# _split counts the bytes exactly.
		if self._size * 4 >= MAX_BYTES or now >= self._due:
			ready = self._leave()
		return ready

	def due(self, now: float) -> list[Batch]:
		"""Returns the batches whose window is over."""
		return self._leave() if self._pieces and now >= self._due else []

	def due_in(self, now: float) -> float | None:
		"""Returns the seconds until `due()` has something, None if nothing is gathered."""
		return max(0.0, self._due - now) if self._pieces else None

	@property
	def gathers(self) -> bool:
		"""Whether something is gathered, so that more of its kind can wait for `due_in()` seconds."""
		return bool(self._pieces)

	def flush(self) -> list[Batch]:
		"""Returns everything that is gathered."""
		pieces, self._pieces, self._size = self._pieces, [], 0
		return _split(pieces, *self._kind) if pieces else []

	def _leave(self) -> list[Batch]:
		self._window = min(self._window * GROWTH, self._longest)
		return self.flush()


def _split(deltas: list[str], kind: str, call_id: str) -> list[Batch]:
	"""Returns one batch, or several of at most MAX_BYTES of UTF-8 that are cut between characters."""
	text, ends = "".join(deltas), tuple(accumulate(len(delta) for delta in deltas))
	if len(text) * 4 <= MAX_BYTES:
		return [Batch(kind, text, call_id, ends if len(ends) > 1 else None)]
	data, start, at, batches = text.encode(), 0, 0, []
	while start < len(data):
		end = min(start + MAX_BYTES, len(data))
		while end < len(data) and data[end] & 0xC0 == 0x80:
			end -= 1
		part = data[start:end].decode()
		ends_here = tuple(position - at for position in ends if at < position <= at + len(part))
		batches.append(Batch(kind, part, call_id, ends_here))
		start, at = end, at + len(part)
	return batches
