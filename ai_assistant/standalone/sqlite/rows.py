"""What the parts of the store share."""

import time
from collections.abc import Collection, Sequence
from typing import Any

from ai_assistant.store import REQUEST_FIELDS, Row
from ai_assistant.store.serialization import to_row

from .database import Database


class Rows:
	"""The database, its clock, and its requests."""

	def __init__(self, database: Database) -> None:
		self._database = database

	def now(self) -> float:
		# SQLite's clock is the machine's. To the millisecond, as SQLite has it.
		return round(time.time(), 3)

	def _select(
		self, where: str, parameters: Sequence[Any], wanted: Sequence[str] = REQUEST_FIELDS
	) -> list[Row]:
		fields = ("name", *wanted)
		rows = self._database.read(f"SELECT {', '.join(fields)} FROM request WHERE {where}", parameters)
		return [to_row(fields, row) for row in rows]


def marks(values: Collection[Any]) -> str:
	"""Returns as many placeholders as there are values."""
	return ", ".join("?" * len(values))
