"""The part of a store for statistics: it reads what was measured of ended requests, and keeps sums over all of them."""

from collections.abc import Callable, Mapping, Sequence
from typing import Protocol

from .requests import Row

MEASURED_FIELDS = (
	"ended",
	"status",
	"provider",
	"key_label",
	"usage",
	"timing",
	"tool_runs",
	"realtime",
	"attempts",
	"error",
	"first_event_ms",
)
"""The fields of a request that figures need. None of them is long."""

Series = tuple[str, ...]
"""The name of a sum over all ended requests, and the values of its labels."""

SumsOf = Callable[[list[Row]], Mapping[Series, float]]
"""Computes what requests add to the sums, from `name` and MEASURED_FIELDS of each."""


class Figures(Protocol):
	"""Ended requests and their sums. A sum outlives its requests."""

	def ended(self, since: float, limit: int) -> list[Row]:
		"""Returns `name` and MEASURED_FIELDS of the requests that ended after the UNIX time `since`.

		At most `limit` of them are returned, the newest first.
		"""

	def count(self, sums_of: SumsOf, limit: int, only: Sequence[str] | None = None) -> int:
		"""Adds ended requests to the sums. Each request is added once, however many callers there are.

		Args:
			sums_of: computes what the requests add.
			limit: the most requests to add, the oldest first.
			only: the names of the requests to add; None for all.

		Returns:
			How many requests were added.
		"""

	def sums(self) -> dict[Series, float]:
		"""Returns all sums."""
