"""Bytes to lines, and lines to the JSON objects in them: what all streams of providers have in common."""

import asyncio
import json
import re
from collections.abc import AsyncIterator, Iterable, Iterator
from contextlib import suppress
from typing import Any

# More than any answer has in one piece; what would be heaped up without an end in sight stops here.
MAX_BYTES = 16 * 1024 * 1024
# For the end of a body after the end of its answer.
LAST_BYTES_S = 0.1


# A comment, or a field of an event beside its data.
OTHER_FIELD = re.compile(r":|(event|id|retry)(:|$)")
# Not strict: a string may go over a line's end.
_decode = json.JSONDecoder(strict=False).decode


class ProtocolError(Exception):
	"""A provider sent something that is no part of an answer."""


class Lines:
	"""Cuts a stream of bytes into lines where server-sent events have their ends: at LF, CRLF and CR.

	Not where `str.splitlines` and httpx have them, at U+2028 too, which JSON allows inside a string.
	"""

	__slots__ = ("_begun", "_cr", "_rest", "_size")

	def __init__(self) -> None:
		self._rest: list[bytes] = []
		self._size = 0
		self._begun = False
		self._cr = False

	def of(self, data: bytes) -> Iterator[str]:
		"""The lines that `data` completes. Raises ProtocolError for one that is no UTF-8, or has no end in MAX_BYTES."""
		if self._cr and data:
			self._cr = False
			data = data.removeprefix(b"\n")
		if b"\r" in data:
			self._cr = data.endswith(b"\r")
			data = data.replace(b"\r\n", b"\n").replace(b"\r", b"\n")
		if b"\n" not in data:
			# Joined once its end has come: a long line costs its length, and not its square.
			self._rest.append(data)
			self._size += len(data)
			if self._size > MAX_BYTES:
				raise ProtocolError()
			return
		*lines, rest = data.split(b"\n")
		if self._rest:
			lines[0] = b"".join([*self._rest, lines[0]])
		self._rest, self._size = [rest] if rest else [], len(rest)
		if not self._begun:
			self._begun = True
			lines[0] = lines[0].removeprefix(b"\xef\xbb\xbf")
		for line in lines:
			try:
				yield line.decode()
			except UnicodeDecodeError:
				raise ProtocolError() from None
		if self._size > MAX_BYTES:
			raise ProtocolError()

	def end(self) -> Iterator[str]:
		"""A last line that was not ended."""
		if self._rest:
			yield from self.of(b"\n")


class Objects:
	"""The JSON objects in server-sent events, or in lines of one object each; None for `[DONE]`.

	Between the `data:` of one event there may be its other fields, and comments.
	"""

	__slots__ = ("_held",)

	def __init__(self) -> None:
		self._held = ""

	def of(self, lines: Iterable[str]) -> Iterator[dict[str, Any] | None]:
		"""What the lines complete. Raises ProtocolError for what can be neither read nor passed over."""
		for line in lines:
			data = line == "data" or line.startswith("data:")
			if data:
				line = line[5:].removeprefix(" ")
			elif OTHER_FIELD.match(line):
				continue
			if not line or line.isspace():
				if self._held and not data:
					raise ProtocolError()
				continue
			if not self._held:
				if not data and not line.lstrip().startswith(("{", "[")):
					continue
				if line.strip() == "[DONE]":
					yield None
					continue
			held = f"{self._held}\n{line}" if self._held else line
			try:
				said = _decode(held)
			except ValueError:
				if len(held) > MAX_BYTES or (self._held and _is_object(line)):
					raise ProtocolError() from None
				self._held = held
				continue
			if not isinstance(said, dict):
				raise ProtocolError()
			self._held = ""
			yield said

	def end(self) -> None:
		"""Raises ProtocolError where something was begun and not ended."""
		if self._held:
			raise ProtocolError()


def _is_object(line: str) -> bool:
	try:
		return isinstance(json.loads(line), dict)
	except ValueError:
		return False


async def read_to_the_end(source: AsyncIterator[object]) -> None:
	"""Reads what follows `[DONE]`, if it comes soon: a connection read to its end can be used again."""

	async def read() -> None:
		async for _ in source:
			pass

	with suppress(Exception):
		await asyncio.wait_for(read(), LAST_BYTES_S)


def flat(parts: list[Any]) -> tuple[str | None, str | None]:
	"""The reasoning and the text in a list of content parts."""
	reasoning, text = "", ""
	for part in parts:
		if part["type"] == "thinking":
			thinking = part["thinking"]
			reasoning += (
				thinking if isinstance(thinking, str) else "".join(piece["text"] for piece in thinking)
			)
		elif part["type"] == "text":
			text += part["text"]
	return reasoning or None, text or None


def string(said: Any) -> str:
	"""A delta's text, which is not always one. Raises ProtocolError."""
	if not isinstance(said, str):
		raise ProtocolError()
	return said
