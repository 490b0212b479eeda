"""Waiting for the next event of a request that may run in any process.

The journal is looked at a few times a second. Between two looks the transaction is ended: MariaDB reads
repeatably, so that a transaction never sees what others have committed since it began, and one kept open would
also keep old rows from being cleared.
"""

import time
from typing import Any

import frappe

from ai_assistant import store
from ai_assistant.config.settings import load

from . import capacity
from .termination import end_if_dead

LONGEST_S = 25
LOOK_S = 0.2


def journal(row: dict[str, Any], after_seq: int, seconds: float) -> dict[str, Any]:
	"""The contract's answer of get_events: what `_events_after` finds."""
	if seconds > 0:
		with capacity.for_wait(load().limits) as held:
			row, events = _events_after(row, after_seq, seconds if held else 0)
	else:
		row, events = _events_after(row, after_seq, 0)
	# One that has come since the look is not said to be there: whoever asks on from `last_seq` would never get it.
	last_seq = events[-1]["seq"] if events else min(after_seq, store.current().last_seq(row["name"]))
	ids = {"request_id": row["request_id"], "task_id": row["task_id"]}
	return {**ids, "status": row["status"], "last_seq": last_seq, "events": events}


def _events_after(
	row: dict[str, Any], after_seq: int, seconds: float
) -> tuple[dict[str, Any], list[store.Event]]:
	"""The request's row and its events after `after_seq`, once there is one, the request ends or time is up."""
	until = time.monotonic() + seconds
	while True:
		events = store.current().events(row["name"], after_seq)
		if events and events[-1]["type"] == "completion":
			# It ended after the row was read.
			return {**row, "status": events[-1]["status"]}, events
		if events or row["status"] not in store.UNENDED or time.monotonic() >= until:
			return row, events
		frappe.db.rollback()
		time.sleep(min(LOOK_S, max(0.0, until - time.monotonic())))
		row = end_if_dead(store.current().get(row["user"], row["request_id"]) or {**row, "status": "deleted"})
