"""Messages for webhooks in SQLite."""

import secrets
from collections.abc import Sequence

from ai_assistant.store import Delivery

from .rows import Rows


class SqliteDeliveries(Rows):
	"""`ai_assistant.store.deliveries.Deliveries` on SQLite."""

	def add_deliveries(self, request: str, urls: Sequence[str], payload: str) -> None:
		for url in urls:
			self._database.write(
				"INSERT INTO delivery VALUES (?, ?, ?, ?, 'waiting', 0, 0, NULL)",
				[secrets.token_hex(8), request, url, payload],
			)

	def due_deliveries(self, url: str, now: float, limit: int) -> list[Delivery]:
		rows = self._database.read(
			"SELECT name, url, payload, attempts FROM delivery WHERE status = 'waiting' AND next_at <= ? AND url = ?"
			" ORDER BY next_at, rowid LIMIT ?",
			[now, url, limit],
		)
		return [Delivery(*row) for row in rows]

	def begin_delivery(self, delivery: Delivery, next_at: float) -> bool:
		return bool(
			self._database.write(
				"UPDATE delivery SET attempts = attempts + 1, next_at = ?"
				" WHERE name = ? AND status = 'waiting' AND attempts = ?",
				[next_at, delivery.name, delivery.attempts],
			)
		)

	def end_delivery(self, name: str, status: str, error: str | None = None) -> None:
		self._database.write(
			"UPDATE delivery SET status = ?, error = ? WHERE name = ?", [status, error, name]
		)
