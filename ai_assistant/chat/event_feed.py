"""Answers watch: the events of all running requests of a user, or of everybody."""

import math
from collections.abc import Mapping
from typing import Any

import frappe
from frappe import _

from ai_assistant import store
from ai_assistant.permissions import sees_all

from .errors import invalid

# A request stays in the cursor for this long after it was accepted, so that a late commit is not missed.
OVERLAP_S = 60.0
MAX_REQUESTS = 1000
# The most characters of one answer. The next answer continues where it ends.
MAX_CHARS = 1_000_000
MAX_TIME, MAX_SEQ = 1e12, 2**31


def page(cursor: Any) -> dict[str, Any]:
	"""Returns the events that were stored since a cursor.

	A System Manager gets the events of all users, everybody else those of their own requests.

	Args:
		cursor: the `cursor` of the answer before; None to begin with the requests that run.

	Returns:
		`{"events": […], "cursor": …}`. The events come the oldest first, each with its `user`.

	Raises:
		ChatError: `invalid_request` for a malformed cursor.
	"""
	now = store.current().now()
	since, seen = (now, {}) if cursor is None else _read(cursor)
	user = None if sees_all() else frappe.session.user
	events: list[store.Event] = []
	known: dict[str, int] = {}
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
		ended = row["status"] not in store.UNENDED and row["created"] < until
		if not (ended and has_room):
			known[name] = new[-1]["seq"] if new else after
	events.sort(key=lambda event: str(event.get("timestamp")))
	return {"events": events, "cursor": {"since": max(since, until), "seen": known}}


def _read(cursor: Any) -> tuple[float, dict[str, int]]:
	since = cursor.get("since") if isinstance(cursor, Mapping) else None
	seen = cursor.get("seen") if isinstance(cursor, Mapping) else None
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
