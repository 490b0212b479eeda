"""Conversations in SQLite."""

from ai_assistant.store import Conversation

from .rows import Rows

OWN = "user = ? AND new_messages IS NOT NULL AND ai_key IS NULL"


class SqliteConversations(Rows):
	"""`ai_assistant.store.conversations.Conversations` on SQLite."""

	def conversations(
		self, user: str, search: str = "", before: float | None = None, limit: int = 50
	) -> list[Conversation]:
		like = "LIKE ? ESCAPE '!'"
		matching = (
			f" AND task_id IN (SELECT task_id FROM request WHERE {OWN}"
			f" AND (title {like} OR new_messages {like} OR response {like}))"
		)
		rows = self._database.read(
			f"SELECT task_id, MAX(title), MAX(created) AS newest FROM request WHERE {OWN}"
			f"{matching if search else ''} GROUP BY task_id HAVING ? IS NULL OR newest < ?"
			" ORDER BY newest DESC LIMIT ?",
			[user, *([user, *[_pattern(search)] * 3] if search else []), before, before, limit],
		)
		return [Conversation(task_id, title or "", created) for task_id, title, created in rows]

	def title(self, user: str, task_id: str) -> str | None:
		((title,),) = self._database.read(
			"SELECT MAX(title) FROM request WHERE user = ? AND task_id = ?", [user, task_id]
		)
		return title or None

	def rename(self, user: str, task_id: str, title: str) -> None:
		self._database.forget(
			"UPDATE request SET title = ? WHERE user = ? AND task_id = ? AND new_messages IS NOT NULL",
			[title, user, task_id],
		)


def _pattern(search: str) -> str:
	escaped = search.replace("!", "!!").replace("%", "!%").replace("_", "!_")
	return f"%{'%'.join(escaped.split())}%"
