"""Finds requests of the current user. Requests of other users look as if they did not exist."""

from typing import Any

import frappe
from frappe import _

from ai_assistant import store

from .admission import conflict
from .answer import answer_of
from .errors import ChatError, invalid
from .request import ChatRequest, request_id_of, task_id_of
from .termination import end_if_dead


def find(request_id: Any, task_id: Any = None) -> store.Row:
	"""Finds the user's own request, and ends it first if its process has died.

	Args:
		request_id: the id of the request, as the client sent it.
		task_id: the id of a task, to find its newest request. It is ignored if there is a request_id.

	Returns:
		The row of the request.

	Raises:
		ChatError: `not_found` if the user has no such request, also if another user has one; `invalid_request` for a
			malformed id, or if both are missing.
	"""
	user, by_request, by_task = frappe.session.user, request_id_of(request_id), task_id_of(task_id)
	if by_request:
		row = store.current().get(user, by_request)
	elif by_task:
		row = next(iter(store.current().of_task(user, by_task, limit=1)), None)
	else:
		raise invalid(_("request_id or task_id is needed: the id that chat_completion answered."))
	if row is None:
		raise ChatError("not_found", _("There is no such request or task."))
	return end_if_dead(row)


def find_unended(request_id: Any, task_id: Any = None) -> list[store.Row]:
	"""Finds the user's own request if it has not ended, or all requests of a task that have not.

	Arguments and errors are those of `find`.
	"""
	row = find(request_id, task_id)
	if request_id_of(request_id):
		return [row] if row["status"] in store.UNENDED else []
	return store.current().of_task(row["user"], row["task_id"], unended=True)


def earlier_answer(request: ChatRequest) -> dict[str, Any] | None:
	"""Finds the answer to a request that the user repeats, so that no provider is asked again.

	Returns:
		The answer object of the earlier request, None if the request_id is new.

	Raises:
		ChatError: `conflict` if the earlier request has not ended, or was a different one.
	"""
	row = find_same(request)
	if row and row["status"] in store.UNENDED:
		raise conflict(request)
	return row and answer_of(row)


def find_same(request: ChatRequest) -> store.Row | None:
	"""Finds the row of a request that the user repeats, and ends the request if its process has died.

	Returns:
		The row, None if the request_id is new.

	Raises:
		ChatError: `conflict` if the request_id was used for a different request.
	"""
	if not request.names_id:
		return None
	row = store.current().get(frappe.session.user, request.request_id)
	if row and row["fingerprint"] != request.fingerprint:
		raise conflict(request)
	return row and end_if_dead(row)


def accepted_meanwhile(request: ChatRequest, refused: ChatError) -> store.Row:
	"""Finds the row of a request that was refused because the same one was accepted at the same moment.

	Raises:
		ChatError: `refused` itself if it has any other reason.
	"""
	row = find_same(request) if refused.code == "conflict" else None
	if row is None:
		raise refused
	return row
