"""The sessions that `sid` cookies name. They are stored in the site's SQLite file."""

from __future__ import annotations

import secrets
import time
from dataclasses import dataclass

from .sqlite import Database

EXPIRY_S = 240 * 3600
"""Frappe's default: a session ends ten days after its last use (frappe/sessions.py)."""

_TOUCH_EVERY_S = 600


@dataclass(frozen=True)
class Session:
	"""One login. It gets a CSRF token when it opens a page."""

	sid: str
	user: str
	csrf_token: str | None


class Sessions:
	"""The sessions of the site.

	As in Frappe, each change is committed at once, so a login remains if its request fails later.
	"""

	def __init__(self, database: Database) -> None:
		self._database = database
		database.write(
			"CREATE TABLE IF NOT EXISTS session (sid TEXT PRIMARY KEY, user TEXT, csrf_token TEXT, seen REAL)"
		)
		database.write("DELETE FROM session WHERE seen < ?", [time.time() - EXPIRY_S])
		database.commit()

	def start(self, user: str) -> Session:
		"""Log a user in."""
		sid = secrets.token_hex(28)
		self._change("INSERT INTO session (sid, user, seen) VALUES (?, ?, ?)", sid, user, time.time())
		return Session(sid, user, None)

	def find(self, sid: str) -> Session | None:
		"""The session with that sid, or None if it has ended. Finding it counts as use."""
		oldest = time.time() - EXPIRY_S
		rows = self._database.read(
			"SELECT user, csrf_token, seen FROM session WHERE sid = ? AND seen > ?", [sid, oldest]
		)
		if not rows:
			return None
		user, csrf_token, seen = rows[0]
		if time.time() - seen > _TOUCH_EVERY_S:
			self._change("UPDATE session SET seen = ? WHERE sid = ?", time.time(), sid)
		return Session(sid, user, csrf_token)

	def give_csrf_token(self, sid: str) -> str:
		"""Create the CSRF token of a session. From then on its POSTs must contain it."""
		token = secrets.token_hex(28)
		self._change("UPDATE session SET csrf_token = ? WHERE sid = ?", token, sid)
		return token

	def end(self, sid: str) -> None:
		"""Log out."""
		self._change("DELETE FROM session WHERE sid = ?", sid)

	def _change(self, sql: str, *parameters: object) -> None:
		self._database.write(sql, parameters)
		self._database.commit()
