"""The log of readers on the standalone site, which has no View Log: lines in `logs/ai_assistant.log`."""

from .rows import Rows


class SqliteViews(Rows):
	"""`ai_assistant.store.Store.log_view` without a table, because nothing on the standalone site would show it."""

	def log_view(self, reader: str, name: str) -> None:
		# It imports frappe, for which the stand-in is not in place when this module is imported.
		from ai_assistant.log import fields, logger

		for row in self._select("name = ?", [name], ("request_id", "user")):
			ids = fields(reader=reader, request=row["request_id"], user=row["user"])
			logger().info(f"[Watch] the events of another user are read {ids}")
