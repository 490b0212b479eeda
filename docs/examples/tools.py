"""Two harmless tools, for `ai-assistant chat --url … --tools docs/examples/tools.py "…"`."""

from datetime import datetime, timedelta, timezone


def current_time(utc_offset_hours: float = 0) -> str:
	"""The date and the time of now, at an offset from UTC in hours (Berlin: 1 in winter, 2 in summer)."""
	return datetime.now(timezone(timedelta(hours=utc_offset_hours))).isoformat(timespec="seconds")


def count_words(text: str) -> dict[str, int]:
	"""How many words, lines and characters a text has."""
	return {"words": len(text.split()), "lines": len(text.splitlines()), "characters": len(text)}
