"""One field of a client at a time: its value, or a refusal that names it and what it accepts."""

import json
import math
from collections.abc import Sequence
from typing import Any

from .errors import ChatError, invalid


def one_of(given: Any, name: str, accepted: Sequence[str]) -> str:
	if not isinstance(given, str) or given not in accepted:
		raise invalid("{0} accepts one of: {1}.", name, ", ".join(accepted))
	return given


def whole_number(given: Any, name: str, low: int, high: int) -> int | None:
	"""A whole number from `low` to `high`, as a number or in digits; None where none was sent."""
	try:
		number = real_number(given, name, low, high)
	except ChatError:
		number = math.nan
	if number is not None and not number.is_integer():
		raise invalid("{0} accepts a whole number from {1} to {2}.", name, low, high)
	return None if number is None else int(number)


def real_number(given: Any, name: str, low: float, high: float) -> float | None:
	"""A number from `low` to `high`, also as a string; None where none was sent."""
	if given is None:
		return None
	try:
		number = math.nan if isinstance(given, bool) else float(given)
	except (TypeError, ValueError, OverflowError):
		number = math.nan
	if not low <= number <= high:
		raise invalid("{0} accepts a number from {1} to {2}.", name, low, high)
	return number


def flag(given: Any, name: str) -> bool:
	"""A boolean, also as the forms of a form-encoded client."""
	known = {None: False, False: False, True: True, "0": False, "1": True, "false": False, "true": True}
	key = given.lower() if isinstance(given, str) else given
	if isinstance(key, list | dict) or key not in known:
		raise invalid("{0} accepts true or false.", name)
	return known[key]


def listed(given: Any, name: str, longest: int, of: str) -> list[Any]:
	"""A list that is not empty, also as a JSON string of at most `longest` characters; `of` says what is in it."""
	if isinstance(given, str):
		if len(given) > longest:
			raise invalid(
				"{0} accepts at most {1} characters of JSON; these are {2}.", name, longest, len(given)
			)
		try:
			given = json.loads(given)
		except (ValueError, RecursionError):
			raise invalid("{0} accepts a list of {1}, or the same as a JSON string.", name, of) from None
	if not isinstance(given, list) or not given:
		raise invalid("{0} accepts a list of at least one {1}.", name, of)
	return given
