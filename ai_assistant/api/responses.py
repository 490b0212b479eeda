"""How the methods answer: who may ask, and the contract's objects with their HTTP status."""

import functools
import hmac
import json
from collections.abc import Callable
from typing import Any, ParamSpec

import frappe
from frappe import _
from werkzeug.wrappers import Response

from ai_assistant import store
from ai_assistant.chat.errors import HTTP_STATUS, ChatError, internal_error
from ai_assistant.config.settings import load
from ai_assistant.log import fields, logger
from ai_assistant.permissions import MANAGER, may_use

Answer = dict[str, Any] | Response
P = ParamSpec("P")

# Not Authorization: what Frappe finds there it takes for an OAuth token or an API key, and refuses if it is neither.
TOKEN_HEADER = "X-AI-Assistant-Token"

# Any JSON value: Frappe checks annotations with pydantic and answers what does not fit with a traceback
# (frappe/utils/typing_validations.py); `chat.request` refuses it in one sentence instead.
Field = str | int | float | bool | list[Any] | dict[str, Any] | None


def answers_to(
	check: Callable[[], None],
) -> Callable[[Callable[P, Answer]], Callable[P, Answer]]:
	"""Lets in whom `check` does not refuse, and turns refusals and failures into the contract's answers.

	They are returned and not raised: an exception would be rolled back, lose its headers, and show a
	traceback. From the bench console, where there is no request, the object itself is returned.
	"""

	def decorate(method: Callable[P, Answer]) -> Callable[P, Answer]:
		@functools.wraps(method)
		def answer(*args: P.args, **kwargs: P.kwargs) -> Answer:
			try:
				check()
				return method(*args, **kwargs)
			except Exception as error:
				return _with_status({"success": False, "error": refusal_of(error, method.__name__)})

		return answer

	return decorate


def refusal_of(error: Exception, method: str) -> dict[str, Any]:
	"""The contract's `error` object for what `method` raised. Rolls back and logs what is a defect of the site."""
	if isinstance(error, ChatError):
		return error.as_dict()
	if isinstance(error, store.StoreUnavailable) or store.current().reset_if_unreachable(error):
		message = _("The site's database cannot be reached for now; ask again in a moment.")
		return ChatError("busy", message).as_dict()
	# The traceback is for the log. The client gets a sentence.
	frappe.db.rollback()
	logger().exception(f"[API] {method} failed {fields(user=frappe.session.user)}")
	return internal_error()


def outcome(answered: dict[str, Any]) -> Answer:
	"""The answer of a chat: one that failed has its error's HTTP status."""
	return _with_status(answered) if answered.get("error") else answered


def only_for_roles() -> None:
	"""Raises ChatError `not_permitted` for a user who may not chat."""
	if not may_use():
		raise ChatError(
			"not_permitted", _("This needs the role AI Assistant User; an administrator can give it.")
		)


answers = answers_to(only_for_roles)


def only_for_monitoring() -> None:
	"""Raises ChatError `not_permitted` for all but System Managers and whoever sends the site's token for metrics."""
	if MANAGER in frappe.get_roles():
		return
	token = load().metrics.token
	given = (
		frappe.local.request.headers.get(TOKEN_HEADER, "") if getattr(frappe.local, "request", None) else ""
	)
	if not (token and hmac.compare_digest(given.encode(), token.encode())):
		raise ChatError(
			"not_permitted",
			_("This needs a System Manager, or the site's token in the header {0}.").format(TOKEN_HEADER),
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
