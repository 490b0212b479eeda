"""Alerts in SQLite."""

from ai_assistant.store import AlertKey

from .rows import Rows


class SqliteAlerts(Rows):
	"""`ai_assistant.store.alerts.Alerts` on SQLite."""

	def alerts(self) -> dict[AlertKey, float]:
		rows = self._database.read("SELECT kind, subject, seen FROM alert WHERE ended IS NULL")
		return {(kind, subject): seen for kind, subject, seen in rows}

	def keep_alert(self, kind: str, subject: str, message: str, now: float) -> None:
		if not self._database.write(
			"UPDATE alert SET message = ?, seen = ? WHERE kind = ? AND subject = ? AND ended IS NULL",
			[message, now, kind, subject],
		):
			self._database.write(
				"INSERT INTO alert VALUES (?, ?, ?, ?, ?, NULL)", [kind, subject, message, now, now]
			)

	def end_alert(self, kind: str, subject: str, now: float) -> None:
		self._database.write(
			"UPDATE alert SET ended = ? WHERE kind = ? AND subject = ? AND ended IS NULL",
			[now, kind, subject],
		)
