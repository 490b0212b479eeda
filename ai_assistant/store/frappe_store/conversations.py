"""Conversations in the table of AI Request."""

from ..conversations import Conversation
from ..mariadb import sql
from .rows import REQUEST

OWN = "user = %(user)s AND new_messages IS NOT NULL AND COALESCE(ai_key, '') = ''"


class FrappeConversations:
	"""`ai_assistant.store.conversations.Conversations` on MariaDB."""

	def conversations(
		self, user: str, search: str = "", before: float | None = None, limit: int = 50
	) -> list[Conversation]:
		matching = (
			f" AND task_id IN (SELECT task_id FROM `tab{REQUEST}` WHERE {OWN} AND (title LIKE %(search)s"
			" OR new_messages LIKE %(search)s OR response LIKE %(search)s))"
		)
		rows = sql(
			f"SELECT task_id, MAX(title), MAX(created) AS newest FROM `tab{REQUEST}`"
			f" WHERE {OWN}{matching if search else ''} GROUP BY task_id"
			" HAVING %(before)s IS NULL OR newest < %(before)s ORDER BY newest DESC LIMIT %(limit)s",
			{"user": user, "search": _pattern(search), "before": before, "limit": limit},
		)
		return [Conversation(task_id, title or "", created) for task_id, title, created in rows]

	def title(self, user: str, task_id: str) -> str | None:
		((title,),) = sql(
			f"SELECT MAX(title) FROM `tab{REQUEST}` WHERE user = %s AND task_id = %s", (user, task_id)
		)
		return title or None

	def rename(self, user: str, task_id: str, title: str) -> None:
		sql(
			f"UPDATE `tab{REQUEST}` SET title = %s WHERE user = %s AND task_id = %s AND new_messages IS NOT NULL",
			(title, user, task_id),
		)


def _pattern(search: str) -> str:
	escaped = search.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")
	return f"%{'%'.join(escaped.split())}%"
