"""Separates thinking between tags from the text of an answer, even if the stream cuts a tag.

The rules, and their reasons:

- `<think>` or `<thinking>` opens thinking only before the first visible character of the answer. Several blocks may
  follow each other there. Models that think in tags begin with them. A later tag is part of the answer, for example in
  a code block.
- Only the closing tag of the opening tag closes it. Without an opening tag it is text, because the text before it has
  been shown as the answer already.
- A stream that ends inside the thinking has reasoning and no text. A stream that ends inside a tag keeps the beginning
  of the tag as reasoning or text.
- White space before the opening tag, after it and after the closing tag is dropped. An answer without tags keeps all
  its characters.

Thinking is given at once. Only text that could still become a tag (at most 10 characters) and white space at the
beginning are held back.
"""

from .chunks import Reasoning, Text

TAGS = {"<think>": "</think>", "<thinking>": "</thinking>"}


class ThinkSplitter:
	"""Splits the deltas of one answer: `feed()` each, then `end()`. The joined results do not depend on the cuts."""

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
		"""Returns what was held back. Call it at the end, and before a chunk of another kind."""
		held, self._held = self._held, ""
		if self._state == "start" and self._opened:
			held = held.lstrip()
		if not held:
			return []
		return [Text(held) if self._state == "start" else Reasoning(held)]

	def _at_start(self, out: list[Reasoning | Text]) -> bool:
		"""Handles the text before the first visible character. Returns whether there is more to do."""
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
			held_back = _partial(thought, self._close)
			thought, self._held = thought[: len(thought) - held_back], thought[len(thought) - held_back :]
		if thought:
			out.append(Reasoning(thought))
		return bool(tag)


def _partial(text: str, tag: str) -> int:
	"""Returns how many of the last characters of `text` could be the beginning of `tag`."""
	return next((n for n in range(min(len(text), len(tag) - 1), 0, -1) if tag.startswith(text[-n:])), 0)
