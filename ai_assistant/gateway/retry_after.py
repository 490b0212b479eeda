"""Finds the time from which a provider accepts requests again, in its headers or in the text of its error."""

import math
import re
import time
from collections.abc import Mapping
from datetime import datetime, timezone
from email.utils import parsedate_to_datetime

DAY_S = 86_400.0

# Durations as Go writes them and as sentences have them: 1m30.5s, 250ms, 26 seconds.
_PART = r"(\d+(?:\.\d+)?)\s*(ms|millis|[dhms])[a-z]*\s*"
_DURATION = re.compile(f"(?:{_PART})+")
_UNITS_S = {"ms": 0.001, "millis": 0.001, "s": 1, "m": 60, "h": 3600, "d": DAY_S}
_IN_TEXT = re.compile(
	rf"""(?:retrydelay["']: ?["']|retry_after(?:_seconds)?["']: ?["']?|(?:try again|retry) (?:in|after) )"""
	rf"""((?:{_PART})+|\d+(?:\.\d+)?)"""
)


def advised_s(headers: Mapping[str, str], text: str, default_s: float | None = None) -> int | None:
	"""Reads after how many seconds the provider accepts requests again.

	Args:
		headers: the headers of the response, with names in lower case.
		text: the body of the error, in lower case.
		default_s: what holds where neither gives advice.

	Returns: whole seconds from now, from 0 to a day; None for no advice.
	"""
	in_text = _IN_TEXT.search(text)
	ms = headers.get("retry-after-ms")
	advice = (f"{ms}ms" if ms else None, headers.get("retry-after"), in_text[1] if in_text else None)
	seconds = next((s for value in advice if value and (s := _seconds(value)) is not None), default_s)
	return None if seconds is None else math.ceil(max(0.0, min(seconds, DAY_S)))


def reset_s(headers: Mapping[str, str]) -> float | None:
	"""Reads the rate limit headers: in how many seconds the limit resets that is used up.

	Returns: seconds from now, of the latest limit where no header says which is used up; None for no such header.
	"""
	used_up: list[float] = []
	others: list[float] = []
	for name, value in headers.items():
		name = name.lower()
		if "ratelimit" in name and "reset" in name and (seconds := _seconds(value)) is not None:
			left = headers.get(name.replace("reset", "remaining"))
			(used_up if left is not None and left.strip() == "0" else others).append(seconds)
	return max(used_up or others, default=None)


def _seconds(value: str) -> float | None:
	"""Seconds from now. `value` is a number of seconds, a duration, a date, or seconds or milliseconds since 1970."""
	value = value.strip().lower()
	try:
		seconds = float(value)
	except ValueError:
		if _DURATION.fullmatch(value):
			return sum(float(number) * _UNITS_S[unit] for number, unit in re.findall(_PART, value))
		return _until(value)
	if not math.isfinite(seconds):
		return None
	if seconds > 1e9:
		return (seconds / 1000 if seconds > 1e12 else seconds) - time.time()
	return seconds


def _until(date: str) -> float | None:
	"""Seconds until a date in the format of HTTP or of ISO 8601; None for any other text."""
	try:
		if date[:1].isdigit():
			at = datetime.fromisoformat(date.replace("z", "+00:00"))
			return at.replace(tzinfo=at.tzinfo or timezone.utc).timestamp() - time.time()
		return parsedate_to_datetime(date).timestamp() - time.time()
	except (ValueError, OverflowError, TypeError):
		return None
