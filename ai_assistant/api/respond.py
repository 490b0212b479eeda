"""How the methods answer: who may ask, and the contract's objects with their HTTP status."""

import functools
import json
from collections.abc import Callable
from typing import Any, ParamSpec

import frappe
from frappe import _
from werkzeug.wrappers import Response

from ai_assistant import store
from ai_assistant.chat import life
from ai_assistant.chat.errors import HTTP_STATUS, ChatError, invalid
from ai_assistant.chat.request import request_id_of, task_id_of
from ai_assistant.permissions import may_use

Answer = dict[str, Any] | Response
P = ParamSpec("P")

# Any JSON value: Frappe checks annotations with pydantic and answers what does not fit with a traceback
# (frappe/utils/typing_validations.py); `chat.request` refuses it in one sentence instead.
Field = str | int | float | bool | list[Any] | dict[str, Any] | None


def answers(method: Callable[P, Answer]) -> Callable[P, Answer]:
	"""Lets only users with a role in, and turns refusals and failures into the contract's answers.

	They are returned and not raised: an exception would be rolled back, lose its headers, and show a
	traceback. From the bench console, where there is no request, the object itself is returned.
	"""

	@functools.wraps(method)
	def answer(*args: P.args, **kwargs: P.kwargs) -> Answer:
		try:
			_only_for_roles()
			answered = method(*args, **kwargs)
		except ChatError as error:
			refusal = error.as_dict()
			if error.retry_after is not None:
				refusal["retry_after"] = error.retry_after
			return _with_status({"success": False, "error": refusal})
		# A stored request that failed was still found: only the one who ran it gets its error as a status.
		if method.__name__ == "chat_completion" and isinstance(answered, dict) and answered.get("error"):
			return _with_status(answered)
		return answered

	return answer


def own_request(request_id: Any, task_id: Any = None) -> dict[str, Any]:
	"""The row of the user's own request, or of the newest of their task.

	Raises ChatError `not_found`, the same whether somebody else has such a request or nobody.
	"""
	by_request, by_task = request_id_of(request_id), task_id_of(task_id)
	if by_request:
		row = store.current().get(frappe.session.user, by_request)
	elif by_task:
		row = next(iter(store.current().of_task(frappe.session.user, by_task, limit=1)), None)
	else:
		raise invalid("request_id or task_id is needed: the id that chat_completion answered.")
	if row is None:
		raise ChatError("not_found", _("There is no such request or task."))
	return life.settled(row)


def _only_for_roles() -> None:
	if not may_use():
		raise ChatError(
			"not_permitted", _("This needs the role AI Assistant User; an administrator can give it.")
		)


def _with_status(answered: dict[str, Any]) -> Answer:
	if not getattr(frappe.local, "request", None):
		return answered
	error = answered["error"]
	response = Response(
		json.dumps({"message": answered}), status=HTTP_STATUS[error["code"]], mimetype="application/json"
	)
	if (seconds := error.get("retry_after")) is not None:
		response.headers["Retry-After"] = str(seconds)
	elif error["code"] in ("rate_limited", "busy"):
		response.headers["Retry-After"] = "1"
	return response
