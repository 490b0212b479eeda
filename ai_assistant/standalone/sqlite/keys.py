"""AI Keys of the standalone site: it has none."""

from ai_assistant.store import Row

from .rows import Rows


class SqliteKeys(Rows):
	"""`ai_assistant.store.keys.Keys` for a site without keys."""

	def key_of_hash(self, key_hash: str) -> Row | None:
		return None

	def key_named(self, name: str) -> Row | None:
		return None

	def key_used(self, name: str) -> None:
		pass

	def recent_of_key(self, name: str, since: float) -> list[float]:
		rows = self._database.read(
			"SELECT created FROM request WHERE ai_key = ? AND created > ? ORDER BY created", [name, since]
		)
		return [created for (created,) in rows]
