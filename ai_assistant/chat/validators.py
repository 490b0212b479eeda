"""Validates one field of a client. A refusal names the field and what it accepts."""

import json
import math
from collections.abc import Sequence
from typing import Any

from frappe import _

from .errors import ChatError, invalid


def one_of(given: Any, name: str, accepted: Sequence[str]) -> str:
	if not isinstance(given, str) or given not in accepted:
		raise invalid(_("{0} accepts one of: {1}."), name, ", ".join(accepted))
	return given


def whole_number(given: Any, name: str, low: int, high: int) -> int | None:
	"""Returns a whole number from `low` to `high`, sent as a number or in digits; None if none was sent."""
	try:
		number = real_number(given, name, low, high)
	except ChatError:
		number = math.nan
	if number is not None and not number.is_integer():
		raise invalid(_("{0} accepts a whole number from {1} to {2}."), name, low, high)
	return None if number is None else int(number)


def real_number(given: Any, name: str, low: float, high: float) -> float | None:
	"""Returns a number from `low` to `high`, also sent as a string; None if none was sent."""
	if given is None:
		return None
	try:
		number = math.nan if isinstance(given, bool) else float(given)
	except (TypeError, ValueError, OverflowError):
		number = math.nan
	if not low <= number <= high:
		raise invalid(_("{0} accepts a number from {1} to {2}."), name, low, high)
	return number


def flag(given: Any, name: str) -> bool:
	"""Returns a boolean, also sent in the forms of a form-encoded client."""
	known = {None: False, False: False, True: True, "0": False, "1": True, "false": False, "true": True}
	key = given.lower() if isinstance(given, str) else given
	if isinstance(key, list | dict) or key not in known:
		raise invalid(_("{0} accepts true or false."), name)
	return known[key]


def listed(given: Any, name: str, longest: int, of: str) -> list[Any]:
	"""Returns a list that is not empty, also sent as a JSON string.

	Args:
		given: what the client sent.
		name: the name of the field.
		longest: the most characters of a JSON string.
		of: what the list holds, for the refusal.
	"""
	if isinstance(given, str):
		if len(given) > longest:
			raise invalid(
				_("{0} accepts at most {1} characters of JSON; these are {2}."), name, longest, len(given)
			)
		try:
			given = json.loads(given)
		except (ValueError, RecursionError):
			raise invalid(_("{0} accepts a list of {1}, or the same as a JSON string."), name, of) from None
	if not isinstance(given, list) or not given:
		raise invalid(_("{0} accepts a list of at least one {1}."), name, of)
	return given
