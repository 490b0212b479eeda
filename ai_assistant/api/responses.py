"""Checks who may call the whitelisted methods, and builds their responses with the HTTP status of the contract."""

import functools
import hmac
import json
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any, ParamSpec

import frappe
from frappe import _
from werkzeug.wrappers import Response
from werkzeug.wsgi import ClosingIterator

from ai_assistant import store
from ai_assistant.chat import refusals
from ai_assistant.chat.errors import HTTP_STATUS, ChatError, internal_error
from ai_assistant.config.settings import load
from ai_assistant.log import fields, logger
from ai_assistant.permissions import may_use, sees_all

if TYPE_CHECKING:
	from _typeshed.wsgi import StartResponse, WSGIEnvironment

Answer = dict[str, Any] | Response
P = ParamSpec("P")

# The header is not Authorization, because Frappe refuses a token there that is neither an OAuth token nor an API key.
TOKEN_HEADER = "X-AI-Assistant-Token"

# Any JSON value. Frappe checks annotations with pydantic and refuses a wrong type with a traceback
# (frappe/utils/typing_validations.py). `chat.request` refuses it with one sentence.
Field = str | int | float | bool | list[Any] | dict[str, Any] | None


class Own(Response):
	"""A response of this app. `ai_assistant.api.v1.after_request` takes every other one for one of Frappe's."""


class Stream(Own):
	"""A streamed response. Its status is sent with the first part, because the request may fail before it.

	While the provider answers, the site builds the head, and Frappe does its work after a request. PEP 3333 allows an
	application to call `start_response` with the first part.
	"""

	automatically_set_content_length = False

	def __init__(
		self,
		begin: Callable[[], Iterator[bytes] | Response],
		close: Callable[[], None],
		headers: dict[str, str],
	) -> None:
		"""Args:
		begin: waits for the first part. Returns the parts of the body, or the response that is sent instead.
		close: releases what `begin` uses. It is called at the end, also if `begin` was not.
		headers: the headers of the stream. The response that is sent instead has them, too, unless it has others.
		"""
		# In this mode werkzeug lets no hook of another app read the body.
		super().__init__(iter(()), headers=headers, direct_passthrough=True)
		self._begin = begin
		self.call_on_close(close)

	def __call__(self, environ: "WSGIEnvironment", start_response: "StartResponse") -> Iterator[bytes]:
		# A hook of another app may have set a body.
		self.headers.remove("Content-Length")
		head = self.status, self.get_wsgi_headers(environ).to_wsgi_list()
		# Closing a generator that has not begun runs none of its code.
		return ClosingIterator(self._parts(head, environ, start_response), self.close)

	def _parts(
		self,
		head: tuple[str, list[tuple[str, str]]],
		environ: "WSGIEnvironment",
		start_response: "StartResponse",
	) -> Iterator[bytes]:
		body = self._begin()
		if isinstance(body, Response):
			# Frappe has added its own headers.
			headers = self.headers.copy()
			headers.update(body.headers)
			body.headers = headers
			yield from body(environ, start_response)
			return
		start_response(*head)
		yield from body


def answers_to(check: Callable[[], None]) -> Callable[[Callable[P, Answer]], Callable[P, Answer]]:
	"""Makes a decorator that calls `check` before a method, and returns errors as the contract's error objects.

	Errors are returned, because Frappe rolls back, drops the headers and shows a traceback if a method raises. In the
	bench console and in a Server Script the method returns the object itself.

	Args:
		check: raises ChatError if the session's user may not call the method.
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
	"""Returns the contract's `error` object for an exception, and records it.

	A refusal is one line of the log, and counts in the metrics. A defect of the site is logged with its traceback, and the
	transaction is rolled back.

	Args:
		error: what was raised.
		method: the name of the method that raised it, for the log.
	"""
	if isinstance(error, ChatError):
		refusals.record(error.code, method)
		return error.as_dict()
	if isinstance(error, store.StoreUnavailable) or store.current().reset_if_unreachable(error):
		message = _("The site's database cannot be reached for now; ask again in a moment.")
		refusals.record("busy", method)
		return ChatError("busy", message).as_dict()
	frappe.db.rollback()
	logger().exception(f"[API] {method} failed {fields(user=frappe.session.user)}")
	return internal_error()


def outcome(answer: dict[str, Any]) -> Answer:
	"""Returns the answer of a chat, with the HTTP status of its error if it has one."""
	return _with_status(answer) if answer.get("error") else answer


def only_for_roles() -> None:
	"""Raises ChatError `not_permitted` for a user who may not chat."""
	if not may_use():
		message = _("This needs the role AI Assistant User; an administrator can give it.")
		raise ChatError("not_permitted", message)


answers = answers_to(only_for_roles)


def only_for_monitoring() -> None:
	"""Raises ChatError `not_permitted`, unless the user is a System Manager or the request has the site's metrics token."""
	if sees_all():
		return
	token = load().metrics.token
	request = getattr(frappe.local, "request", None)
	sent = request.headers.get(TOKEN_HEADER, "") if request else ""
	if not (token and hmac.compare_digest(sent.encode(), token.encode())):
		message = _("This needs a System Manager, or the site's token in the header {0}.")
		raise ChatError("not_permitted", message.format(TOKEN_HEADER))


def _with_status(answer: dict[str, Any]) -> Answer:
	if not getattr(frappe.local, "request", None) or frappe.flags.in_safe_exec:
		return answer
	error = answer["error"]
	response = Own(
		json.dumps({"message": answer}), status=HTTP_STATUS[error["code"]], mimetype="application/json"
	)
	seconds = error.get("retry_after", 1 if error["code"] in ("rate_limited", "busy") else None)
	if seconds is not None:
		response.headers["Retry-After"] = str(seconds)
	return response
