"""Encodes a continuation as one opaque string that the client keeps. A continuation is data of an answer, such as signed
reasoning, that the provider needs in the next request.

Only the provider and the model that gave it get it back, because most providers refuse signatures and ciphertexts of
others. A string that cannot be read is ignored: a client may have cut it or invented it. The provider checks by its
signature whether the content was changed.
"""

import json
from base64 import b64decode, urlsafe_b64encode
from collections.abc import Iterator, Mapping
from itertools import groupby
from typing import Any

from .attachments import parts_of
from .chunks import Ask, Provider
from .sse import ProtocolError, string

VERSION = 1
# About 200,000 tokens of thinking. Longer thinking is not continued.
MAX_CHARS = 1_000_000
# What every continuation begins with: six bytes are eight characters of base64.
BEGINNING = urlsafe_b64encode(f'{{"v":{VERSION}'.encode()).decode()

# The types of OpenRouter's reasoning details and their fields.
DETAILS = {
	"reasoning.text": ("text", "signature", "id", "format", "index"),
	"reasoning.summary": ("summary", "id", "format", "index"),
	"reasoning.encrypted": ("data", "id", "format", "index"),
}

Fields = dict[str, Any]


class Builder:
	"""Collects what the provider wants back from the pieces of an answer, under names that its adapter chooses."""

	def __init__(self) -> None:
		self._pieces: dict[str, list[Any]] = {}
		self._size = 0

	def add(self, name: str, *pieces: Any) -> None:
		for piece in pieces:
			self._size += len(str(piece))
			if self._size <= MAX_CHARS:
				self._pieces.setdefault(name, []).append(piece)

	def __contains__(self, name: str) -> bool:
		return name in self._pieces and self._size <= MAX_CHARS

	def encoded(self, provider: Provider, model: str) -> str | None:
		"""Returns the string; None if there is nothing to give back or more than MAX_CHARS. Raises ProtocolError."""
		if not self._pieces or self._size > MAX_CHARS:
			return None
		fields: Fields = dict(self._pieces)
		if pieces := fields.get("reasoning_content"):
			fields["reasoning_content"] = "".join(pieces)
		if pieces := fields.get("reasoning_details"):
			fields["reasoning_details"] = _merged(pieces)
		held = {"v": VERSION, "of": [provider.name, provider.api, model], "fields": fields}
		text = urlsafe_b64encode(json.dumps(held, separators=(",", ":")).encode()).decode()
		return text if len(text) <= MAX_CHARS else None


def _merged(pieces: list[Any]) -> list[dict[str, Any]]:
	"""Joins neighbouring pieces of OpenRouter's `reasoning_details`. Raises ProtocolError."""
	if not all(isinstance(piece, dict) for piece in pieces):
		raise ProtocolError()
	details = []
	for _, row in groupby(pieces, lambda piece: (piece.get("type"), piece.get("index"))):
		alike = list(row)
		detail = {name: value for piece in alike for name, value in piece.items() if value is not None}
		for name in {"text", "summary", "data"} & set(detail):
			detail[name] = "".join(string(piece.get(name) or "") for piece in alike)
		details.append(detail)
	return details


def is_continuation(text: str) -> bool:
	"""Whether `text` looks like one of this module's, and not like a signature that a provider made for another client."""
	return text.startswith(BEGINNING)


def decode(provider: Provider, model: str, text: Any) -> Fields:
	"""Decodes the string that this provider's model gave with a message. Returns an empty dict for any other string."""
	if not isinstance(text, str) or len(text) > MAX_CHARS:
		return {}
	try:
		held = json.loads(b64decode(text, altchars=b"-_", validate=True))
		if held["v"] == VERSION and held["of"] == [provider.name, provider.api, model]:
			return held["fields"] if isinstance(held["fields"], dict) else {}
	except (ValueError, TypeError, LookupError, RecursionError):
		pass
	return {}


def of_messages(provider: Provider, ask: Ask) -> Iterator[tuple[dict[str, Any], Fields]]:
	"""Yields each message without its continuation, and the decoded continuation.

	A turn of the model without text and calls is left out, for example a cancelled one. Some providers refuse it, and for
	others litellm adds text to it.
	"""
	for message in ask.messages:
		if message["role"] == "assistant" and _is_empty(message):
			continue
		if "continuation" not in message:
			yield message, {}
			continue
		plain = {name: value for name, value in message.items() if name != "continuation"}
		yield plain, decode(provider, ask.model, message["continuation"])


def _is_empty(message: dict[str, Any]) -> bool:
	"""Whether a turn of the model has neither calls nor a text."""
	texts = (part["text"] for part in parts_of(message.get("content")))
	return not (message.get("tool_calls") or any(text.strip() for text in texts))


def known(parts: Any, kinds: Mapping[str, tuple[str, ...]]) -> list[dict[str, Any]]:
	"""Returns the objects of known types with their known fields, as far as these are text or numbers.

	The objects come from the client and become part of a message of the model, so nothing else is let in.
	"""
	return [
		{
			name: part[name]
			for name in ("type", *kinds[part["type"]])
			if name in part and isinstance(part[name], str | int | None)
		}
		for part in (parts if isinstance(parts, list) else [])
		if isinstance(part, dict) and isinstance(part.get("type"), str) and part["type"] in kinds
	]


def details(fields: Fields) -> list[dict[str, Any]]:
	"""Returns OpenRouter's `reasoning_details`, to be sent back."""
	return known(fields.get("reasoning_details"), DETAILS)


def strings(values: Any) -> list[str]:
	return [value for value in values if isinstance(value, str)] if isinstance(values, list) else []


def pairs(values: Any) -> Iterator[tuple[str, str]]:
	for value in values if isinstance(values, list) else ():
		if isinstance(value, list) and len(strings(value)) == len(value) == 2:
			yield value[0], value[1]
