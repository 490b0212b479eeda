"""Looking on: the events of all requests that run, as the journal gets them."""

import time
from collections.abc import Mapping
from typing import Any

import frappe

from ai_assistant import store
from ai_assistant.permissions import sees_all

from .errors import invalid

# A request is remembered this long after it was accepted: by then it can be seen whatever the clocks of machines say.
OVERLAP_S = 60.0
MOST = 1000
# What is no time and no number of an event, and fits no column of a database.
BEYOND = 2**53


def page(cursor: Any) -> dict[str, Any]:
	"""What the journal has got since a `cursor`: `{"events": […], "cursor": …}`, the oldest first.

	A System Manager gets the events of everybody, all others those of their own requests; each has its `user`. Without
	a cursor it begins with those that run. Raises ChatError for a cursor that is none.
	"""
	now = time.time()
	since, seen = (now, {}) if cursor is None else _read(cursor)
	user = None if sees_all() else frappe.session.user
	events: list[store.Event] = []
	known: dict[str, int] = {}
	for row in store.current().live(user, since, list(seen)[:MOST]):
		found = store.current().events(row["name"], seen.get(row["name"], 0))
		events += [{**event, "user": row["user"]} for event in found]
		ended = row["status"] not in store.UNENDED and row["created"] < now - OVERLAP_S
		if not ended:
			known[row["name"]] = found[-1]["seq"] if found else seen.get(row["name"], 0)
	events.sort(key=lambda event: str(event.get("timestamp")))
	return {"events": events, "cursor": {"since": max(since, now - OVERLAP_S), "seen": known}}


def _read(cursor: Any) -> tuple[float, dict[str, int]]:
	since = cursor.get("since") if isinstance(cursor, Mapping) else None
	seen = cursor.get("seen") if isinstance(cursor, Mapping) else None
	if (
		not isinstance(since, int | float)
		or not 0 <= since < BEYOND
		or not isinstance(seen, dict)
		or not all(type(seq) is int and 0 <= seq < BEYOND for seq in seen.values())
	):
		raise invalid("{0} accepts what the answer before has under the same name.", "cursor")
	return float(since), seen
