"""Statistics of requests in SQLite."""

import json
from collections.abc import Sequence

from ai_assistant.store import MEASURED_FIELDS, Row, Series, SumsOf
from ai_assistant.store.serialization import to_json

from .rows import Rows, marks


class SqliteFigures(Rows):
	"""`ai_assistant.store.figures.Figures` on SQLite."""

	def ended(self, since: float, limit: int) -> list[Row]:
		return self._select(
			"counted IN (0, 1) AND ended > ? ORDER BY ended DESC LIMIT ?", [since, limit], MEASURED_FIELDS
		)

	def count(self, sums_of: SumsOf, limit: int, only: Sequence[str] | None = None) -> int:
		self._database.begin()
		uncounted = "counted = 0 AND ended > 0"
		if only is None:
			rows = self._select(f"{uncounted} ORDER BY ended LIMIT ?", [limit], MEASURED_FIELDS)
		else:
			rows = self._select(f"{uncounted} AND name IN ({marks(only)})", only, MEASURED_FIELDS)
		names = [row["name"] for row in rows]
		self._database.write(f"UPDATE request SET counted = 1 WHERE name IN ({marks(names)})", names)
		for series, value in sums_of(rows).items():
			self._database.write(
				"INSERT INTO sum VALUES (?, ?) ON CONFLICT (series) DO UPDATE SET value = value + excluded.value",
				[to_json(series), value],
			)
		return len(rows)

	def sums(self) -> dict[Series, float]:
		return {
			tuple(json.loads(series)): value for series, value in self._database.read("SELECT * FROM sum")
		}
