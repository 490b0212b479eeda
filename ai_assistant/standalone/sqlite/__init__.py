"""The store of the standalone site: one SQLite file."""

import sqlite3

from .. import stand_in
from . import schema
from .alerts import SqliteAlerts
from .conversations import SqliteConversations
from .database import Database
from .deliveries import SqliteDeliveries
from .figures import SqliteFigures
from .keys import SqliteKeys
from .requests import SqliteRequests
from .views import SqliteViews

__all__ = ["Database", "SqliteStore"]

# An extended error number has one of these in its lowest byte.
UNREACHABLE = (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED, sqlite3.SQLITE_IOERR, sqlite3.SQLITE_FULL)


class SqliteStore(
	SqliteRequests,
	SqliteFigures,
	SqliteAlerts,
	SqliteKeys,
	SqliteDeliveries,
	SqliteConversations,
	SqliteViews,
):
	"""`ai_assistant.store.Store` on a Database. SQLite compares keys byte by byte, as the interface demands.

	A str with a lone surrogate raises UnicodeEncodeError, and nothing is written.
	"""

	def __init__(self, database: Database) -> None:
		super().__init__(database)
		schema.create(database)

	def reset_if_unreachable(self, error: Exception) -> bool:
		if getattr(error, "sqlite_errorcode", 0) & 0xFF not in UNREACHABLE:
			return False
		stand_in.db.rollback()
		return True
