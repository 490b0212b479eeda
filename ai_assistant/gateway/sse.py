"""Reads a provider's stream: bytes to lines, and lines to JSON objects."""

import asyncio
import json
import re
from collections.abc import AsyncIterator, Iterable, Iterator
from contextlib import suppress
from typing import Any

from pydantic_core import from_json

# The longest line. It is longer than any piece of an answer, and bounds the memory of a line without an end.
MAX_BYTES = 16 * 1024 * 1024
# How long to wait for the end of a body after `[DONE]`.
LAST_BYTES_S = 0.1


# A comment, or a field of an event other than its data.
OTHER_FIELD = re.compile(r":|(event|id|retry)(:|$)")
# Not strict: some providers have line ends inside strings.
_decode = json.JSONDecoder(strict=False).decode


class ProtocolError(Exception):
	"""A provider sent bytes that are no answer of its API."""


class Lines:
	"""Cuts a stream of bytes into lines at LF, CRLF and CR, as server-sent events require.

	`str.splitlines` and httpx also cut at U+2028, which JSON allows inside a string.
	"""

	__slots__ = ("_begun", "_cr", "_rest", "_size")

	def __init__(self) -> None:
		self._rest: list[bytes] = []
		self._size = 0
		self._begun = False
		self._cr = False

	def of(self, data: bytes) -> Iterable[str]:
		"""Returns the lines that `data` completes.

		Raises ProtocolError if the bytes are not UTF-8 or a line exceeds MAX_BYTES, at the latest when the lines are read.
		"""
		if self._cr and data:
			self._cr = False
			data = data.removeprefix(b"\n")
		if b"\r" in data:
			self._cr = data.endswith(b"\r")
			data = data.replace(b"\r\n", b"\n").replace(b"\r", b"\n")
		whole, end, rest = data.rpartition(b"\n")
		if not end:
			# Joined only when its end has come, so that a long line costs time in proportion to its length.
			self._rest.append(data)
			self._size += len(data)
			if self._size > MAX_BYTES:
				raise ProtocolError()
			return ()
		if self._rest:
			whole = b"".join([*self._rest, whole])
		self._rest, self._size = [rest] if rest else [], len(rest)
		if not self._begun:
			self._begun = True
			whole = whole.removeprefix(b"\xef\xbb\xbf")
		if self._size <= MAX_BYTES:
			with suppress(UnicodeDecodeError):
				return whole.decode().split("\n")
		return self._one_by_one(whole)

	def _one_by_one(self, whole: bytes) -> Iterator[str]:
		"""Yields the lines before the one that is wrong. Raises ProtocolError for that one."""
		for line in whole.split(b"\n"):
			try:
				yield line.decode()
			except UnicodeDecodeError:
				raise ProtocolError() from None
		raise ProtocolError()

	def end(self) -> Iterable[str]:
		"""Returns a last line without a line end."""
		return self.of(b"\n") if self._rest else ()


class Objects:
	"""Reads the JSON objects in server-sent events, or in lines of one object each. `[DONE]` gives None.

	Other fields and comments may stand between the `data:` lines of one event.
	"""

	__slots__ = ("_held",)

	def __init__(self) -> None:
		self._held = ""

	def of(self, lines: Iterable[str]) -> Iterator[dict[str, Any] | None]:
		"""Yields the objects that the lines complete. Raises ProtocolError for a line that is neither data nor ignorable."""
		for line in lines:
			if not self._held:
				# Nearly all lines are these. They take the shortest way.
				if not line or line.startswith("event: "):
					continue
				if line.startswith("data: {") and (value := _usual_object(line[6:])) is not None:
					yield value
					continue
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
				value = _decode(held)
			except ValueError:
				if len(held) > MAX_BYTES or (self._held and _is_object(line)):
					raise ProtocolError() from None
				self._held = held
				continue
			if not isinstance(value, dict):
				raise ProtocolError()
			self._held = ""
			yield value

	def until_done(self, lines: Iterable[str]) -> tuple[list[dict[str, Any] | None], Exception | None]:
		"""Returns the objects that the lines complete, up to `[DONE]`, and the error that came after them if there is one."""
		objects: list[dict[str, Any] | None] = []
		try:
			for value in self.of(lines):
				objects.append(value)
				if value is None:
					break
		except Exception as error:
			return objects, error
		return objects, None

	def end(self) -> None:
		"""Raises ProtocolError if the last object is incomplete."""
		if self._held:
			raise ProtocolError()


def _usual_object(text: str) -> dict[str, Any] | None:
	"""Returns the object in a text that begins with a brace; None if only the slower reader may be able to read it.

	pydantic's reader refuses, for example, a line break in a string, a lone surrogate, and more than about 200 levels.
	"""
	try:
		# Only keys are cached, because values are the texts of users.
		value: dict[str, Any] = from_json(text, cache_strings="keys")
	except ValueError:
		return None
	return value


def _is_object(line: str) -> bool:
	try:
		return isinstance(json.loads(line), dict)
	except ValueError:
		return False


async def read_to_the_end(source: AsyncIterator[object]) -> None:
	"""Reads to the end of the body if it comes soon, because only then can the connection be used again."""

	async def read() -> None:
		async for _ in source:
			pass

	with suppress(Exception):
		await asyncio.wait_for(read(), LAST_BYTES_S)


def flat(parts: list[Any]) -> tuple[str | None, str | None]:
	"""Returns the reasoning and the text in a list of content parts."""
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


def string(value: Any) -> str:
	"""Returns the value if it is a string. Raises ProtocolError for any other."""
	if not isinstance(value, str):
		raise ProtocolError()
	return value
