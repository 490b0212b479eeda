"""Takes the thinking out of an answer that carries it between tags, however the stream is cut.

What counts as thinking, and why:

- `<think>` or `<thinking>` counts only before the answer's first visible character (several blocks may follow one
  another there). Models that think in tags begin with them; a tag later is something the answer talks about, in a
  code block for example, and stays as it is.
- The closing tag is the one of the opening tag. Without an opening tag it is text: what came before it has
  already been shown as the answer, and cannot be taken back.
- A stream that ends inside the thinking has thought and not answered. One that ends inside a tag gives the
  beginning of the tag as what it stood in.
- White space around the tags belongs to the tags: it is dropped before the opening tag, after it, and after
  the closing tag. An answer without tags keeps every character.

Thinking is given out as it comes; only what could still become a tag (at most 10 characters) or is white space
at the beginning is held back.
"""

from .chunks import Reasoning, Text

TAGS = {"<think>": "</think>", "<thinking>": "</thinking>"}


class ThinkSplitter:
	"""`feed()` deltas, then `end()`; the joined results do not depend on where the deltas were cut."""

	__slots__ = ("_close", "_held", "_opened", "_state")

	def __init__(self) -> None:
		self._state = "start"
		self._held = ""
		self._close = ""
		self._opened = False

	def feed(self, text: str) -> list[Reasoning | Text]:
		if self._state == "text":
			return [Text(text)]
		out: list[Reasoning | Text] = []
		self._held += text
		while self._held and self._state != "text":
			if not (self._at_start(out) if self._state == "start" else self._in_thinking(out)):
				break
		return out

	def end(self) -> list[Reasoning | Text]:
		"""What was held back, once nothing more will come; or something else will, which it came before."""
		held, self._held = self._held, ""
		if self._state == "start" and self._opened:
			held = held.lstrip()
		if not held:
			return []
		return [Text(held) if self._state == "start" else Reasoning(held)]

	def _at_start(self, out: list[Reasoning | Text]) -> bool:
		"""Before the first visible character; True where there is more to do."""
		visible = self._held.lstrip()
		for opening, closing in TAGS.items():
			if visible.startswith(opening):
				self._state, self._close, self._opened = "thinking_begins", closing, True
				self._held = visible[len(opening) :]
				return True
		if any(opening.startswith(visible) for opening in TAGS):
			return False
		out.append(Text(visible if self._opened else self._held))
		self._state, self._held = "text", ""
		return False

	def _in_thinking(self, out: list[Reasoning | Text]) -> bool:
		if self._state == "thinking_begins":
			self._held = self._held.lstrip()
			if not self._held:
				return False
			self._state = "thinking"
		thought, tag, rest = self._held.partition(self._close)
		if tag:
			self._state, self._held = "start", rest
		else:
			kept = _partial(thought, self._close)
			thought, self._held = thought[: len(thought) - kept], thought[len(thought) - kept :]
		if thought:
			out.append(Reasoning(thought))
		return bool(tag)


def _partial(text: str, tag: str) -> int:
	"""How many of the last characters of `text` could be the beginning of `tag`."""
	return next((n for n in range(min(len(text), len(tag) - 1), 0, -1) if tag.startswith(text[-n:])), 0)
