"""Text from models, providers and users, made safe to print."""

import re

_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")


def printable(line: str) -> str:
	"""Escape what moves a terminal's cursor, ends a line or changes its direction."""
	if line.isprintable():
		return line
	return "".join(
		char if char.isprintable() or char == "\t" else char.encode("unicode_escape").decode()
		for char in line
	)


def printable_text(text: str) -> str:
	"""Remove control characters from a text of several lines, so that it cannot move the cursor or rename the window."""
	return _CONTROL.sub("", text)
