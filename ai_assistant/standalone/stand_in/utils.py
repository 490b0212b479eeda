"""Functions of frappe.utils."""

from __future__ import annotations

import json
from collections.abc import Iterable
from datetime import date, datetime, time, timezone
from decimal import Decimal
from typing import Any


def now() -> str:
	"""The local time as `2025-10-27 12:34:56.123456`.

	frappe/utils/data.py uses the time zone of System Settings; here it is the machine's.
	"""
	return datetime.now().isoformat(" ", "microseconds")


def convert_utc_to_system_timezone(utc_timestamp: datetime) -> datetime:
	"""The same moment in the time zone of `now`. frappe/utils/data.py."""
	if utc_timestamp.tzinfo is None:
		utc_timestamp = utc_timestamp.replace(tzinfo=timezone.utc)
	return utc_timestamp.astimezone()


def cint(s: Any, default: int = 0) -> int:
	"""Convert to an int, or return `default` if that fails. frappe/utils/data.py."""
	for convert in (int, lambda value: int(float(value))):
		try:
			return int(convert(s))
		except (TypeError, ValueError, OverflowError):
			pass
	return default


def as_json(obj: Any, indent: int | None = 1) -> str:
	"""JSON with sorted keys. frappe/utils/response.py: dates become strings, Decimals floats, and iterables lists.

	Raises:
		TypeError: For other types that JSON does not have.
	"""
	return json.dumps(obj, indent=indent, sort_keys=True, default=json_value, separators=(",", ": "))


def json_value(obj: object) -> object:
	"""The `default` of json.dumps for the values that a method may return."""
	if isinstance(obj, date | datetime | time):
		return str(obj)
	if isinstance(obj, Decimal):
		return float(obj)
	if isinstance(obj, Iterable):
		return list(obj)
	raise TypeError(f"Object of type {type(obj)} with value of {obj!r} is not JSON serializable")
