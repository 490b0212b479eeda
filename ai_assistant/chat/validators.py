"""Validates one field that a client sent. The error names the field and what it accepts."""

import base64
import json
import math
from collections.abc import Sequence
from typing import Any

from frappe import _

from .errors import ChatError, invalid


def one_of(value: Any, name: str, accepted: Sequence[str]) -> str:
	if not isinstance(value, str) or value not in accepted:
		raise invalid(_("{0} accepts one of: {1}."), name, ", ".join(accepted))
	return value


def whole_number(value: Any, name: str, low: int, high: int) -> int | None:
	"""Returns a whole number from `low` to `high`, which may be sent as a string; None if none was sent."""
	try:
		number = real_number(value, name, low, high)
	except ChatError:
		number = math.nan
	if number is not None and not number.is_integer():
		raise invalid(_("{0} accepts a whole number from {1} to {2}."), name, low, high)
	return None if number is None else int(number)


def real_number(value: Any, name: str, low: float, high: float) -> float | None:
	"""Returns a number from `low` to `high`, which may be sent as a string; None if none was sent."""
	if value is None:
		return None
	try:
		number = math.nan if isinstance(value, bool) else float(value)
	except (TypeError, ValueError, OverflowError):
		number = math.nan
	if not low <= number <= high:
		raise invalid(_("{0} accepts a number from {1} to {2}."), name, low, high)
	return number


def flag(value: Any, name: str) -> bool:
	"""Returns a boolean, which may be sent as `0`, `1`, `true` or `false`."""
	known = {None: False, False: False, True: True, "0": False, "1": True, "false": False, "true": True}
	key = value.lower() if isinstance(value, str) else value
	if isinstance(key, list | dict) or key not in known:
		raise invalid(_("{0} accepts true or false."), name)
	return known[key]


def decoded(data: str) -> bytes:
	"""Decodes base64, empty for anything else."""
	try:
		return base64.b64decode(data, validate=True)
	except ValueError:
		return b""


def listed(value: Any, name: str, longest: int, of: str) -> list[Any]:
	"""Returns a list that is not empty, also sent as a JSON string.

	Args:
		value: what the client sent.
		name: the name of the field.
		longest: the most characters of a JSON string.
		of: the kind of items in the list, for the error.
	"""
	if isinstance(value, str):
		if len(value) > longest:
			raise invalid(
				_("{0} accepts at most {1} characters of JSON; these are {2}."), name, longest, len(value)
			)
		try:
			value = json.loads(value)
		except (ValueError, RecursionError):
			raise invalid(_("{0} accepts a list of {1}, or the same as a JSON string."), name, of) from None
	if not isinstance(value, list) or not value:
		raise invalid(_("{0} accepts a list of at least one {1}."), name, of)
	return value
