"""What the parts of the store share."""

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
		# To the millisecond. Some systems have a SQLite that is older than unixepoch('subsec').
		((now,),) = self._database.read("SELECT (julianday('now') - 2440587.5) * 86400")
		return float(now)

	def _select(
		self, where: str, parameters: Sequence[Any], wanted: Sequence[str] = REQUEST_FIELDS
	) -> list[Row]:
		fields = ("name", *wanted)
		rows = self._database.read(f"SELECT {', '.join(fields)} FROM request WHERE {where}", parameters)
		return [to_row(fields, row) for row in rows]


def marks(values: Collection[Any]) -> str:
	"""Returns as many placeholders as there are values."""
	return ", ".join("?" * len(values))
