"""Waiting for the next event of a request that may run in any process.

The journal is looked at a few times a second. Between two looks the transaction is ended: MariaDB reads
repeatably, so that a transaction never sees what others have committed since it began, and one kept open would
also keep old rows from being cleared. Each who waits holds a thread of the web server, so only a share of them may.
"""

import sys
import threading
import time
from typing import Any

import frappe

from ai_assistant import store

from .life import settled

LONGEST_S = 25
LOOK_S = 0.2
SHARE = 0.5


def journal(row: dict[str, Any], after_seq: int, seconds: float) -> dict[str, Any]:
	"""The contract's answer of get_events: what `_events_after` finds."""
	row, events = _events_after(row, after_seq, seconds)
	last_seq = events[-1]["seq"] if events else store.current().last_seq(row["name"])
	ids = {"request_id": row["request_id"], "task_id": row["task_id"]}
	return {**ids, "status": row["status"], "last_seq": last_seq, "events": events}


def _events_after(
	row: dict[str, Any], after_seq: int, seconds: float
) -> tuple[dict[str, Any], list[store.Event]]:
	"""The request's row and its events after `after_seq`, once there is one, the request ends or time is up."""
	until = time.monotonic() + seconds
	kept = seconds > 0 and _places.acquire(blocking=False)
	try:
		while True:
			events = store.current().events(row["name"], after_seq)
			if events and events[-1]["type"] == "completion":
				# It ended after the row was read.
				return {**row, "status": events[-1]["status"]}, events
			if events or row["status"] not in store.UNENDED or not kept or time.monotonic() >= until:
				return row, events
			frappe.db.rollback()
			time.sleep(min(LOOK_S, max(0.0, until - time.monotonic())))
			row = settled(store.current().get(row["user"], row["request_id"]) or {**row, "status": "deleted"})
	finally:
		if kept:
			_places.release()


def allow(threads: int) -> None:
	"""Lets a share of this many threads wait. With one nobody may: the whole process would."""
	global _places
	_places = threading.BoundedSemaphore(int(threads * SHARE))


def _threads_of_gunicorn() -> int:
	"""How many requests this process serves at a time, as gunicorn was told; one where it was not.

	A bench names gunicorn's options on its command line (config/supervisor.conf), and its workers keep that.
	"""
	given = [sys.argv[n + 1] for n, word in enumerate(sys.argv[:-1]) if word == "--threads"]
	given += [word.partition("=")[2] for word in sys.argv if word.startswith("--threads=")]
	return int(given[-1]) if given and given[-1].isdigit() else 1


_places: threading.BoundedSemaphore
allow(_threads_of_gunicorn())
