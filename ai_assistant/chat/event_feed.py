"""Answers `watch` with the events of all running requests of a user, or of everybody.

The site logs which requests of others a user reads here (docs/privacy.md).
"""

import math
import threading
import time
from collections.abc import Iterable, Mapping
from typing import Any

import frappe
from frappe import _

from ai_assistant import store
from ai_assistant.permissions import sees_all

from .errors import ChatError, invalid

# A request stays in the cursor for this long after it was accepted, so that a late commit is not missed.
OVERLAP_S = 60.0
MAX_REQUESTS = 1000
# The most characters of one answer. The next answer continues where it ends.
MAX_CHARS = 1_000_000
MAX_TIME, MAX_SEQ = 1e12, 2**31
# Clients ask each second. For this long a process does not log again that a user reads a request, and it remembers at
# most so many requests. A forgotten request is logged once more.
LOG_AGAIN_S, MAX_LOGGED = 3600.0, 10_000

# By site, reader and name of the request, when this process logged it (`time.monotonic()`), the oldest first.
_logged: dict[tuple[str, str, str], float] = {}
_lock = threading.Lock()


def page(cursor: Any) -> dict[str, Any]:
	"""Returns the events that were stored since a cursor.

	A System Manager gets the events of all users, everybody else those of their own requests. Before it returns events
	of another user, it logs that the session's user reads them, and commits.

	Args:
		cursor: the `cursor` of the answer before; None to begin with the requests that run.

	Returns:
		`{"events": […], "cursor": …}`. The events come the oldest first, each with its `user`.

	Raises:
		ChatError: `invalid_request` for a malformed cursor, `not_permitted` for events of others where nothing may be
			committed.
		store.StoreUnavailable: the log cannot be written.
	"""
	now = store.current().now()
	since, seen = (now, {}) if cursor is None else _read(cursor)
	user = None if sees_all() else frappe.session.user
	events: list[store.Event] = []
	known: dict[str, int] = {}
	of_others: list[str] = []
	rows = store.current().live(user, since, list(seen)[:MAX_REQUESTS], MAX_REQUESTS)
	until, room = now - OVERLAP_S, MAX_CHARS
	if len(rows) == MAX_REQUESTS:
		# Further requests may have been accepted at the same moment as the last one.
		until = min(until, math.nextafter(rows[-1]["created"], 0))
	for row in rows:
		name, after = row["name"], seen.get(row["name"], 0)
		has_room = room > 0
		new = store.current().events(name, after) if has_room else []
		room -= sum(len(event["text"]) for event in new)
		events += [{**event, "user": row["user"]} for event in new]
		if new and row["user"] != frappe.session.user:
			of_others.append(name)
		ended = row["status"] not in store.UNENDED and row["created"] < until
		if not (ended and has_room):
			known[name] = new[-1]["seq"] if new else after
	_log_views(of_others)
	events.sort(key=lambda event: str(event.get("timestamp")))
	return {"events": events, "cursor": {"since": max(since, until), "seen": known}}


def _log_views(names: Iterable[str]) -> None:
	"""Logs that the session's user reads events of these requests, unless this process has logged it lately. Commits.

	Only what this process has logged counts. A cursor is the client's own and may name any events.

	Raises:
		ChatError: `not_permitted` in a Server Script or a document event, which may not commit.
		store.StoreUnavailable: the log cannot be written.
	"""
	reader, now = frappe.session.user, time.monotonic()
	views = [(frappe.local.site, reader, name) for name in names]
	new = [view for view in views if now - _logged.get(view, -math.inf) >= LOG_AGAIN_S]
	if not new:
		return
	# In a document event, Frappe 16 ignores a commit, and Frappe 15 commits half a document.
	if frappe.flags.in_safe_exec or getattr(frappe.db, "_disable_transaction_control", False):
		message = _("A Server Script or a document event cannot read the events of other users.")
		raise ChatError("not_permitted", message)
	with store.transaction() as current:
		for _site, _reader, name in new:
			current.log_view(reader, name)
	with _lock:
		for view in new:
			# The newest is the last.
			_logged.pop(view, None)
			_logged[view] = now
		while len(_logged) > MAX_LOGGED:
			del _logged[next(iter(_logged))]


def _read(cursor: Any) -> tuple[float, dict[str, int]]:
	since, seen = (cursor.get("since"), cursor.get("seen")) if isinstance(cursor, Mapping) else (None, None)
	if (
		not isinstance(since, int | float)
		# NaN and infinity are outside these bounds too.
		or not 0 <= since <= MAX_TIME
		or not isinstance(seen, dict)
		or not all(name.isascii() for name in seen)
		or not all(type(seq) is int and 0 <= seq <= MAX_SEQ for seq in seen.values())
	):
		raise invalid(_("{0} accepts what the answer before has under the same name."), "cursor")
	return float(since), seen
