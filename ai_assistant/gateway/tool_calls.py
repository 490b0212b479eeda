"""Makes whole the tool calls that providers send in pieces, however they cut and number them.

What tells one call from another, in this order:

- the index, where there is one. But a piece with a name and an id that is not the call's begins a new call: some
  providers number all of them 0. An id alone does not: others make up a new one for each piece.
- the id, where there is no index. But a piece with a name and arguments after a whole call begins a new one: some
  servers give all calls one id.
- the name, where there is neither: it begins a call, unless the last one is not whole and has the same name.
- What has none of them belongs to the last call.

A call is whole as soon as its arguments are a JSON object, which is told while they come, at the cost of their length:
each character is looked at once, and parsed twice. An empty object is one only at the end of the answer: some gateways
begin with it and then send the arguments.
"""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any
from uuid import uuid4

from .chunks import ToolCall
from .sse import ProtocolError
from .surrogates import SurrogateJoiner

# More than any model makes in one answer; a stream of them without an end stops here.
MAX_CALLS = 128

NO_OBJECT = "The model's arguments for {name} are not a JSON object."
UNFINISHED = "The model's arguments for {name} ended before they were whole."

_QUOTED = re.compile(r'["\\]')
_PLAIN = re.compile(r'["{}\[\]]')


@dataclass(frozen=True, slots=True)
class ToolPiece:
	"""What a provider says of a call at once: a piece of it, or all of it."""

	index: int | None
	id: str | None
	name: str | None
	arguments: str

	@property
	def size(self) -> int:
		return len(self.id or "") + len(self.name or "") + len(self.arguments)


def tool_piece(call: Any) -> ToolPiece:
	"""One entry of a `tool_calls`, as OpenAI's API and those that copy it give it. Raises ProtocolError."""
	function = call.get("function") or {}
	index, identity, name, arguments = (
		call.get("index"),
		call.get("id"),
		function.get("name"),
		function.get("arguments"),
	)
	if isinstance(arguments, dict):
		arguments = json.dumps(arguments, ensure_ascii=False)
	if not (
		isinstance(index, int | None)
		and isinstance(identity, str | None)
		and isinstance(name, str | None)
		and isinstance(arguments, str | None)
	):
		raise ProtocolError()
	return ToolPiece(index, identity or None, name or None, arguments or "")


def sendable(message: dict[str, Any]) -> dict[str, Any]:
	"""A message whose calls all have objects for their arguments: most providers parse them, and fail at others."""
	if not message.get("tool_calls"):
		return message
	calls = []
	for call in message["tool_calls"]:
		written = call["function"].get("arguments") or "{}"
		if _object(written) is None:
			written = json.dumps({"arguments": written})
		calls.append({**call, "function": {**call["function"], "arguments": written}})
	return {**message, "tool_calls": calls}


class OwnIds:
	"""Gives each call of a conversation an id of its own.

	Some models begin anew with each answer, and some providers refuse an id that comes again.
	"""

	def __init__(self) -> None:
		self._known: set[str] = set()
		self._open: dict[str, str] = {}

	def of(self, message: dict[str, Any]) -> dict[str, Any]:
		"""The next message: with such ids, where it has calls, and with those of the calls, where it answers one."""
		if calls := message.get("tool_calls"):
			self._open = {call["id"]: self._own(call["id"]) for call in calls}
			return {**message, "tool_calls": [{**call, "id": self._open[call["id"]]} for call in calls]}
		if (identity := message.get("tool_call_id")) in self._open:
			return {**message, "tool_call_id": self._open[identity]}
		return message

	def _own(self, identity: str) -> str:
		own, n = identity, 1
		while own in self._known:
			n += 1
			own = f"{identity}_{n}"
		self._known.add(own)
		return own


class ToolCalls:
	"""`add()` pieces, which gives the calls that one makes whole; then `end()` gives the others."""

	def __init__(self) -> None:
		self._calls: list[_Call] = []
		# The last of those that a provider has given one index.
		self._at: dict[int, _Call] = {}
		self._ids: set[str] = set()

	def __bool__(self) -> bool:
		return bool(self._calls)

	def add(self, piece: ToolPiece) -> Iterator[ToolCall]:
		"""Raises ProtocolError for more after the end of a call's arguments, and for calls without an end in sight."""
		self._call(piece).add(piece)
		for call in self._calls:
			if call.is_empty:
				# Those after it wait: a provider may want its calls back in their order.
				return
			if call.is_whole and not call.given:
				yield self._given(call)

	def end(self) -> Iterator[ToolCall]:
		"""The calls that have not been given: those without arguments, and those whose arguments are none."""
		for call in self._calls:
			if not call.given:
				yield self._given(call)

	def _given(self, call: "_Call") -> ToolCall:
		"""With an id of its own: not all providers give one, or another to each call."""
		given = call.told()
		if not given.id or given.id in self._ids:
			given = replace(given, id=f"call_{uuid4().hex}")
		self._ids.add(given.id)
		return given

	def _call(self, piece: ToolPiece) -> "_Call":
		call = self._known(piece)
		if call is None:
			if len(self._calls) >= MAX_CALLS:
				raise ProtocolError()
			call = _Call()
			self._calls.append(call)
			if piece.index is not None:
				self._at[piece.index] = call
		return call

	def _known(self, piece: ToolPiece) -> "_Call | None":
		if piece.index is not None:
			call = self._at.get(piece.index)
			return None if call and piece.name and call.id and piece.id not in (None, call.id) else call
		if piece.id:
			call = next((call for call in reversed(self._calls) if call.id == piece.id), None)
			again = call and call.is_whole and not call.is_empty and piece.name and piece.arguments.strip()
			return None if again else call
		last = self._calls[-1] if self._calls else None
		return None if last and piece.name and (last.is_whole or piece.name != last.name) else last


class _Call:
	"""One call as far as it has come."""

	def __init__(self) -> None:
		self.id = ""
		self.name = ""
		self.given = self.is_whole = self.is_empty = False
		self._arguments: list[str] = []
		self._depth = 0
		self._quoted = self._escaped = self._is_none = False

	def add(self, piece: ToolPiece) -> None:
		"""Raises ProtocolError for more than white space once it is whole."""
		self.id = self.id or piece.id or ""
		self.name = self.name or piece.name or ""
		self._write(piece.arguments)

	def told(self) -> ToolCall:
		self.given = True
		name, written = _joined(self.name), _joined("".join(self._arguments))
		arguments, error = written.strip() or "{}", None
		if _object(arguments) is None:
			arguments, error = written, (NO_OBJECT if self._is_none or not self._depth else UNFINISHED)
		return ToolCall(_joined(self.id), name, arguments, error and error.format(name=name))

	def _write(self, text: str) -> None:
		if self.is_whole:
			if not text.strip():
				return
			if not self.is_empty:
				raise ProtocolError()
			self._arguments, self._depth = [], 0
			self.is_whole = self.is_empty = False
		self._arguments.append(text)
		end = None if self._is_none else self._end(text)
		if end is None:
			return
		self._arguments[-1] = text[:end]
		found = _object("".join(self._arguments))
		if found is None:
			self._is_none = True
			self._arguments[-1] = text
			return
		self.is_whole, self.is_empty = True, not found
		self._write(text[end:])

	def _end(self, text: str) -> int | None:
		"""Where in it all that was opened is closed."""
		at = 0
		while at < len(text):
			if self._escaped:
				self._escaped = False
				at += 1
				continue
			found = (_QUOTED if self._quoted else _PLAIN).search(text, at)
			if not found:
				return None
			at = found.end()
			if found[0] == "\\":
				self._escaped = True
			elif found[0] == '"':
				self._quoted = not self._quoted
			else:
				self._depth += 1 if found[0] in "{[" else -1
				if self._depth <= 0:
					return at
		return None


def _joined(text: str) -> str:
	joiner = SurrogateJoiner()
	return joiner.join(text) + joiner.end()


def _object(text: str) -> dict[str, Any] | None:
	"""The JSON object that a text is, None for any other."""
	try:
		found = json.loads(text, parse_constant=_no_json)
	except (ValueError, RecursionError):
		return None
	return found if isinstance(found, dict) else None


def _no_json(constant: str) -> None:
	raise ValueError(constant)
