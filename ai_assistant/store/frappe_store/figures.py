"""Figures in the tables of AI Request and AI Sum."""

import hashlib
import json
from collections.abc import Sequence

from ..figures import MEASURED_FIELDS, Series, SumsOf
from ..mariadb import BY_KEY, insert_or_add, sql
from ..requests import UNENDED, Row
from ..serialization import to_json
from .rows import REQUEST, select_requests

SUM = "AI Sum"


class FrappeFigures:
	"""`ai_assistant.store.figures.Figures` on MariaDB."""

	def ended(self, since: float, limit: int) -> list[Row]:
		return select_requests(
			"counted IN (0, 1) AND ended > %(since)s ORDER BY ended DESC LIMIT %(limit)s",
			{"since": since, "limit": limit},
			MEASURED_FIELDS,
		)

	def count(self, sums_of: SumsOf, limit: int, only: Sequence[str] | None = None) -> int:
		names = only or sql(
			f"SELECT name FROM `tab{REQUEST}` WHERE counted = 0 AND status NOT IN %s ORDER BY ended LIMIT %s",
			(UNENDED, limit),
			pluck=True,
		)
		if not names:
			return 0
		# This read locks the rows by their keys. A read by the other index would make requests wait that end
		# meanwhile.
		rows = select_requests(
			"name IN %(names)s AND counted = 0 AND status NOT IN %(unended)s FOR UPDATE",
			{"names": tuple(names), "unended": UNENDED},
			MEASURED_FIELDS,
			BY_KEY,
		)
		if not rows:
			return 0
		counted = tuple(row["name"] for row in rows)
		sql(f"UPDATE `tab{REQUEST}` {BY_KEY} SET counted = 1 WHERE name IN %s", (counted,))
		# One order for all callers, so that no two wait for each other.
		for series, value in sorted(sums_of(rows).items()):
			# A label may be longer than a key.
			labels = to_json(series)
			key = hashlib.sha256(labels.encode()).hexdigest()
			insert_or_add(SUM, [{"name": key, "series": labels, "value": value}], ("value",))
		return len(rows)

	def sums(self) -> dict[Series, float]:
		rows = sql(f"SELECT series, value FROM `tab{SUM}`")
		return {tuple(json.loads(series)): float(value) for series, value in rows}
