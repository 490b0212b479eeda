"""Assembles a function call that Gemini sends in parts. Each part names its place in the arguments."""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from ..sse import ProtocolError

# Finds the names and the numbers in a path such as `$.a.b[0]` or `$['a b']`.
STEP = re.compile(r"\.([^.\[]+)|\[(\d+)\]|\['((?:[^'\\]|\\.)*)'\]")
# The fields that the value of a part can be in. It is null if there is none.
VALUES = ("stringValue", "numberValue", "boolValue")
# The largest index in a list. A larger one is an error.
MAX_INDEX = 10_000


@dataclass
class StreamedCall:
	"""A call as far as it has arrived."""

	id: str
	name: str
	arguments: dict[str, Any]

	def add(self, parts: Iterable[dict[str, Any]]) -> None:
		"""Puts each part into its place. A part of a string is appended to the string. Raises ProtocolError."""
		for part in parts:
			*way, last = _steps(part.get("jsonPath"))
			place: Any = self.arguments
			for step, following in zip(way, [*way, last][1:], strict=True):
				place = _at(place, step, [] if isinstance(following, int) else {})
			value = next((part[name] for name in VALUES if name in part), None)
			before = _at(place, last, None)
			place[last] = before + value if isinstance(before, str) and isinstance(value, str) else value


def _steps(path: Any) -> list[str | int]:
	steps: list[str | int] = [
		int(number) if number else name or quoted for name, number, quoted in STEP.findall(str(path))
	]
	if not steps:
		raise ProtocolError()
	return steps


def _at(place: Any, step: str | int, new: Any) -> Any:
	"""Returns the value at a step of `place`. A missing value is set to `new`. Raises ProtocolError."""
	if isinstance(place, dict) and isinstance(step, str):
		return place.setdefault(step, new)
	if isinstance(place, list) and isinstance(step, int) and step <= min(len(place), MAX_INDEX):
		if step == len(place):
			place.append(new)
		return place[step]
	raise ProtocolError()
