"""Assembles the tool calls that providers send in pieces, however they cut and number them.

A piece belongs to a call by, in this order:

- its index, if it has one. A piece with a name and another id than the call begins a new call, because some providers
  number all calls 0. Another id alone does not, because others send a new id with each piece.
- its id. A piece with a name and arguments begins a new call if the call with that id is whole, because some servers
  give all calls the same id.
- its name, which begins a call unless the last call is not whole and has the same name.
- the order: a piece without all of these belongs to the last call.

A call is whole as soon as its arguments are a JSON object. Finding the end of the object costs time in proportion
to its length: each character is scanned once and parsed twice. An empty object counts only at the end of the
answer, because some gateways send one first and the arguments after it.
"""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any
from uuid import uuid4

from .chunks import CallChunk, ToolCall, ToolCallDelta, ToolCallStart
from .sse import ProtocolError
from .strict_json import object_of
from .surrogates import SurrogateJoiner, join_surrogates

# More calls than any model makes in one answer. It stops a stream of calls that does not end.
MAX_CALLS = 128

NO_OBJECT = "The model's arguments for {name} are not a JSON object."
UNFINISHED = "The model's arguments for {name} ended before they were whole."

_QUOTED = re.compile(r'["\\]')
_PLAIN = re.compile(r'["{}\[\]]')
# What the text of an empty object is made of.
_EMPTY = "{} \t\r\n"


@dataclass(frozen=True, slots=True)
class ToolPiece:
	"""A piece of a call, or all of it, as a provider sends it at once."""

	index: int | None
	id: str | None
	name: str | None
	arguments: str


def tool_piece(call: Any) -> ToolPiece:
	"""Reads one entry of `tool_calls` of OpenAI's chat API and those like it. Raises ProtocolError."""
	function = call.get("function") or {}
	index, identity = call.get("index"), call.get("id")
	name, arguments = function.get("name"), function.get("arguments")
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
	"""Returns the message with JSON objects for the arguments of all its calls. Most providers fail at anything else."""
	if not message.get("tool_calls"):
		return message
	calls = []
	for call in message["tool_calls"]:
		written = call["function"].get("arguments") or "{}"
		if object_of(written) is None:
			written = json.dumps({"arguments": written})
		calls.append({**call, "function": {**call["function"], "arguments": written}})
	return {**message, "tool_calls": calls}


class OwnIds:
	"""Gives each call of a conversation a different id.

	Some models count their ids from the start in each answer, and some providers refuse an id that they see twice.
	"""

	def __init__(self) -> None:
		self._known: set[str] = set()
		self._open: dict[str, str] = {}

	def of(self, message: dict[str, Any]) -> dict[str, Any]:
		"""Returns the next message of the conversation with the new ids in its calls, or in its answer to a call."""
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


def cut_call(identity: str, name: str, written: str) -> ToolCall:
	"""Returns a call whose arguments are `written`, and after which nothing came."""
	error = UNFINISHED.format(name=name) if object_of(written) is None else None
	return ToolCall(identity, name, written, error)


class ToolCalls:
	"""The calls of one answer. `add()` each piece and yield what it completes, then `end()`.

	Args:
		streams: whether a ToolCallStart and ToolCallDeltas come before each ToolCall, as the provider writes it. The joined
			deltas are equal to the arguments of the call.
	"""

	def __init__(self, streams: bool = False) -> None:
		self._streams = streams
		self._calls: list[_Call] = []
		# The last call with each index.
		self._at: dict[int, _Call] = {}
		self._ids: set[str] = set()

	def __bool__(self) -> bool:
		return bool(self._calls)

	def add(self, piece: ToolPiece) -> Iterator[CallChunk]:
		"""Yields what a piece completes.

		Raises ProtocolError for text after the end of a call's arguments, and for more than MAX_CALLS calls.
		"""
		call = self._known(piece)
		if call is None:
			if len(self._calls) >= MAX_CALLS:
				raise ProtocolError()
			call = _Call()
			self._calls.append(call)
			if piece.index is not None:
				self._at[piece.index] = call
		call.add(piece)
		if self._streams and call.name:
			yield from self._progress(call, call.news())
		for call in self._calls:
			if call.is_empty:
				# The calls after it wait, because a provider may need its calls back in order.
				return
			if call.is_whole and not call.is_given:
				yield from self._whole(call)

	def end(self, is_cut: bool = False) -> Iterator[CallChunk]:
		"""Yields the calls that have not been given: those without arguments, and those with broken ones.

		Args:
			is_cut: whether the answer ended before the model had finished. A call of which no argument came is broken then.
		"""
		for call in self._calls:
			if not call.is_given:
				yield from self._whole(call, is_cut)

	def _whole(self, call: "_Call", is_cut: bool = False) -> Iterator[CallChunk]:
		call.is_given = True
		whole = call.as_tool_call(self._id(call), is_cut)
		if self._streams:
			# Broken arguments are given as they came, without the white space before them: it is not streamed either.
			whole = replace(whole, arguments=whole.arguments.lstrip())
			yield from self._progress(call, whole.arguments[call.streamed_chars :])
		yield whole

	def _progress(self, call: "_Call", text: str) -> Iterator[ToolCallStart | ToolCallDelta]:
		if not call.is_started:
			call.is_started = True
			yield ToolCallStart(self._id(call), join_surrogates(call.name))
		if text:
			call.streamed_chars += len(text)
			yield ToolCallDelta(self._id(call), text)

	def _id(self, call: "_Call") -> str:
		"""Returns the call's id in this answer. Some providers send none, and some the same for all calls."""
		if not call.own_id:
			call.own_id = join_surrogates(call.id)
			if not call.own_id or call.own_id in self._ids:
				call.own_id = f"call_{uuid4().hex}"
			self._ids.add(call.own_id)
		return call.own_id

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
	"""One call as far as it has come. `id` is the provider's, `own_id` the one that it has here."""

	def __init__(self) -> None:
		self.id = self.own_id = ""
		self.name = ""
		self.is_given = self.is_whole = self.is_empty = False
		self.is_started = False
		self.streamed_chars = 0
		self._arguments: list[str] = []
		# The arguments that `news()` has not returned yet.
		self._pending: list[str] = []
		self._joiner = SurrogateJoiner()
		self._depth = 0
		self._quoted = self._escaped = self._is_none = False

	def add(self, piece: ToolPiece) -> None:
		"""Adds a piece. Raises ProtocolError for more than white space when the call is whole."""
		self.id = self.id or piece.id or ""
		self.name = self.name or piece.name or ""
		self._write(piece.arguments)

	def news(self) -> str:
		"""Returns the text of the arguments since the last call; nothing while they may be an empty object.

		Whatever follows an empty object takes its place.
		"""
		if not self.streamed_chars and not any(text.strip(_EMPTY) for text in self._pending[-1:]):
			return ""
		text = self._joiner.join("".join(self._pending))
		self._pending = []
		return text if self.streamed_chars else text.lstrip()

	def as_tool_call(self, own_id: str, is_cut: bool) -> ToolCall:
		name, written = join_surrogates(self.name), join_surrogates("".join(self._arguments))
		arguments, error = written.strip(), None
		if not arguments:
			arguments, error = ("", UNFINISHED) if is_cut else ("{}", None)
		elif object_of(arguments) is None:
			arguments, error = written, (NO_OBJECT if self._is_none or not self._depth else UNFINISHED)
		return ToolCall(own_id, name, arguments, error and error.format(name=name))

	def _write(self, text: str) -> None:
		if self.is_whole:
			if not text.strip():
				return
			if not self.is_empty:
				raise ProtocolError()
			self._arguments, self._pending, self._depth = [], [], 0
			self.is_whole = self.is_empty = False
		self._arguments.append(text)
		end = None if self._is_none else self._end(text)
		if end is not None:
			self._arguments[-1] = text[:end]
			arguments = object_of("".join(self._arguments))
			if arguments is not None:
				self.is_whole, self.is_empty = True, not arguments
				self._pending.append(text[:end])
				self._write(text[end:])
				return
			self._is_none = True
			self._arguments[-1] = text
		self._pending.append(text)

	def _end(self, text: str) -> int | None:
		"""Returns the position in the text at which all brackets are closed; None if they are not."""
		at = 0
		while at < len(text):
			if self._escaped:
				self._escaped = False
				at += 1
				continue
			match = (_QUOTED if self._quoted else _PLAIN).search(text, at)
			if not match:
				return None
			at = match.end()
			if match[0] == "\\":
				self._escaped = True
			elif match[0] == '"':
				self._quoted = not self._quoted
			else:
				self._depth += 1 if match[0] in "{[" else -1
				if self._depth <= 0:
					return at
		return None
