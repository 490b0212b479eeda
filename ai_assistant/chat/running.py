"""The requests that run in this process."""

from collections.abc import Iterable
from typing import TYPE_CHECKING

import frappe

from ai_assistant import store

if TYPE_CHECKING:
	from .lifecycle import Chat

# By site, user and request id. The thread of a chat adds and removes it; the thread that serves a cancel reads it. Each
# operation on the dictionary is atomic.
_running: dict[tuple[str, str, str], "Chat"] = {}


def register(chat: "Chat") -> "Chat":
	"""Makes a chat known to `cancel` and `abandon`, until `unregister`."""
	_running[_key(chat.user, chat.request.request_id)] = chat
	return chat


def unregister(chat: "Chat") -> None:
	"""Forgets a chat that no longer runs in this process."""
	_running.pop(_key(chat.user, chat.request.request_id), None)


def is_here(row: store.Row) -> bool:
	"""Returns whether a request runs in this process."""
	return _key(row["user"], row["request_id"]) in _running


def cancel(rows: Iterable[store.Row]) -> None:
	"""Cancels those of the requests that run in this process."""
	for row in rows:
		if chat := _running.get(_key(row["user"], row["request_id"])):
			chat.cancel()


def abandon(job_id: str | None = None) -> None:
	"""Ends chats of this process as `worker_lost`, without waiting for their leases to run out.

	Args:
		job_id: the job of Frappe's queue whose chat is meant; None for all chats.
	"""
	for chat in list(_running.values()):
		if job_id is None or job_id.endswith(chat.publisher.name):
			chat.abandoned = True
			chat.cancel()


def _key(user: str, request_id: str) -> tuple[str, str, str]:
	# One process of a bench serves many sites.
	return (frappe.local.site, user, request_id)
