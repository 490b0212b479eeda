"""Transactions, and realtime events that are sent at the commit."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from .context import db, local, session
from .utils import json_value

Emit = Callable[[str, Any, str], object]
"""Sends `(event, message, room)` to the sockets in a room. It never blocks."""


class Transaction:
	"""The part of `frappe.db` that this app uses beside the store.

	As in frappe/database/database.py and frappe/realtime.py, a commit sends the waiting events and a rollback drops
	them.
	"""

	def __init__(self, commit: Callable[[], None], rollback: Callable[[], None], emit: Emit) -> None:
		self._commit = commit
		self._rollback = rollback
		self.emit = emit
		self.waiting: list[tuple[str, Any, str]] = []

	def commit(self) -> None:
		"""Commit the transaction, then send the waiting events in their order."""
		self._commit()
		waiting, self.waiting = self.waiting, []
		for event in waiting:
			_emit(self.emit, *event)

	def exists(self, dt: str, dn: str | dict[str, Any]) -> str | None:
		"""Return None: this site has no documents."""
		return None

	def rollback(self) -> None:
		"""Roll the transaction back and drop the waiting events."""
		self.waiting = []
		self._rollback()


def publish_realtime(
	event: str | None = None,
	message: dict[str, Any] | None = None,
	room: str | None = None,
	user: str | None = None,
	doctype: str | None = None,
	docname: str | None = None,
	task_id: str | None = None,
	after_commit: bool = False,
) -> None:
	"""Send an event to one room: `room`, else the room of `task_id`, `user`, or `doctype` and `docname`, else all
	System Users.

	With `after_commit` it is sent at the commit, unless an equal event waits already. As in frappe/realtime.py, an
	event without a listener is lost without a message.
	"""
	message = {} if message is None else message
	task_id = task_id or getattr(local, "task_id", None)
	if event is None:
		event = "task_progress" if task_id else "global"
	elif event == "msgprint" and not user:
		user = session.user
	elif event == "list_update":
		room = f"doctype:{doctype or message.get('doctype')}"
	elif event == "docinfo_update":
		room = f"doc:{doctype}/{docname}"

	if not room:
		if task_id:
			after_commit = False
			message.setdefault("task_id", task_id)
			room = f"task_progress:{task_id}"
		elif user:
			room = f"user:{user}"
		elif doctype and docname:
			room = f"doc:{doctype}/{docname}"
		else:
			room = "all"

	if not after_commit:
		_emit(db.emit, event, message, room)
	elif (event, message, room) not in db.waiting:
		db.waiting.append((event, message, room))


def _emit(emit: Emit, event: str, message: Any, room: str) -> None:
	# Through JSON and back, as if through Redis: the client gets the same values, and the caller the same TypeError.
	# `as_json` indents, for which Python's json uses slow code.
	emit(event, json.loads(json.dumps(message, sort_keys=True, default=json_value)), room)
