"""Reads JSON that every other reader of JSON accepts. Python's own also reads NaN, Infinity and 1e999, and writes them."""

import json
import math
from typing import Any


def loads(text: str | bytes) -> Any:
	"""Reads a JSON value. Raises ValueError, also for a number that JSON cannot say, and RecursionError."""
	return json.loads(text, parse_constant=_no_number, parse_float=_finite)


def object_of(text: str) -> dict[str, Any] | None:
	"""Returns the JSON object in a text; None for any other text."""
	try:
		value = loads(text)
	except (ValueError, RecursionError):
		return None
	return value if isinstance(value, dict) else None


def _no_number(constant: str) -> None:
	raise ValueError(constant)


def _finite(digits: str) -> float:
	number = float(digits)
	if math.isinf(number):
		raise ValueError(digits)
	return number
