"""Answers `get_events`. If the caller waits, it reads the request again and again until there is a new event."""

import time
from contextlib import nullcontext
from typing import Any

import frappe

from ai_assistant import store
from ai_assistant.config.settings import load

from . import capacity
from .termination import end_if_dead

INTERVAL_S = 0.2
MAX_WAIT_S = 25


def answer(row: store.Row, after_seq: int, wait_s: float) -> dict[str, Any]:
	"""Builds the contract's answer of get_events.

	Args:
		row: the request.
		after_seq: the newest `seq` that the client has.
		wait_s: the seconds to wait for an event. Without a free thread for that, the answer comes at once.
	"""
	with capacity.for_wait(load().limits) if wait_s > 0 else nullcontext() as has_thread:
		row, events = _events_after(row, after_seq, wait_s if has_thread else 0)
	# An event that came after the last read is not counted: a client that goes on from `last_seq` would miss it.
	last_seq = events[-1]["seq"] if events else min(after_seq, store.current().last_seq(row["name"]))
	ids = {"request_id": row["request_id"], "task_id": row["task_id"]}
	return {**ids, "status": row["status"], "last_seq": last_seq, "events": events}


def _events_after(row: store.Row, after_seq: int, wait_s: float) -> tuple[store.Row, list[store.Event]]:
	"""Returns the row and the events after `after_seq` once there is one, the request ends or the time is over."""
	until = time.monotonic() + wait_s
	while True:
		events = store.current().events(row["name"], after_seq)
		if events and events[-1]["type"] == "completion":
			# The request ended after its row was read.
			return {**row, "status": events[-1]["status"]}, events
		now = time.monotonic()
		if events or row["status"] not in store.UNENDED or now >= until:
			return row, events
		row = read_again(row, min(INTERVAL_S, until - now)) or {**row, "status": "deleted"}


def read_again(row: store.Row, wait_s: float = INTERVAL_S) -> store.Row | None:
	"""Waits, and reads a request again in a new transaction.

	MariaDB reads repeatably: a transaction never sees what others commit after its first read. An open transaction would
	also keep old rows from being purged while this one waits.

	Args:
		row: the request.
		wait_s: the seconds to wait.

	Returns:
		The row, after `end_if_dead`; None if the request was deleted.
	"""
	frappe.db.rollback()
	time.sleep(wait_s)
	again = store.current().get(row["user"], row["request_id"])
	return again and end_if_dead(again)
