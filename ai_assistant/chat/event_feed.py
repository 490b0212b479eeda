"""Looking on: the events of all requests that run, as the journal gets them."""

import math
import time
from collections.abc import Mapping
from typing import Any

import frappe

from ai_assistant import store
from ai_assistant.permissions import sees_all

from .errors import invalid

# A request is remembered this long after it was accepted: by then what was committed late can be seen.
OVERLAP_S = 60.0
MOST = 1000
# Of one answer; the next begins where it ends.
MOST_CHARS = 1_000_000
MAX_TIME, MAX_SEQ = 1e12, 2**31


def page(cursor: Any) -> dict[str, Any]:
	"""What the journal has got since a `cursor`: `{"events": […], "cursor": …}`, the oldest first.

	A System Manager gets the events of everybody, all others those of their own requests; each has its `user`. Without
	a cursor it begins with those that run. Raises ChatError for a cursor that is none.
	"""
	now = store.current().now()
	since, seen = (now, {}) if cursor is None else _read(cursor)
	user = None if sees_all() else frappe.session.user
	events: list[store.Event] = []
	known: dict[str, int] = {}
	rows = store.current().live(user, since, list(seen)[:MOST], MOST)
	until, room = now - OVERLAP_S, MOST_CHARS
	if len(rows) == MOST:
		# Others may have been accepted at the same moment as the last.
		until = min(until, math.nextafter(rows[-1]["created"], 0))
	for row in rows:
		name, after = row["name"], seen.get(row["name"], 0)
		looks = room > 0
		found = store.current().events(name, after) if looks else []
		room -= sum(len(event["text"]) for event in found)
		events += [{**event, "user": row["user"]} for event in found]
		ended = row["status"] not in store.UNENDED and row["created"] < until
		if not (ended and looks):
			known[name] = found[-1]["seq"] if found else after
	events.sort(key=lambda event: str(event.get("timestamp")))
	return {"events": events, "cursor": {"since": max(since, until), "seen": known}}


def _read(cursor: Any) -> tuple[float, dict[str, int]]:
	since = cursor.get("since") if isinstance(cursor, Mapping) else None
	seen = cursor.get("seen") if isinstance(cursor, Mapping) else None
	if (
		not isinstance(since, int | float)
		# What is no number, or endless, is not within any bounds either.
		or not 0 <= since <= MAX_TIME
		or not isinstance(seen, dict)
		or not all(name.isascii() for name in seen)
		or not all(type(seq) is int and 0 <= seq <= MAX_SEQ for seq in seen.values())
	):
		raise invalid("{0} accepts what the answer before has under the same name.", "cursor")
	return float(since), seen
