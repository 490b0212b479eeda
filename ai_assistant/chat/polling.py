"""Reads a request again and again, for callers that wait for what its process stores."""

import time

import frappe

from ai_assistant import store

from .termination import end_if_dead

INTERVAL_S = 0.2


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
