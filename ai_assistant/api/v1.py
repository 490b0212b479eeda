"""The standard APIs under one base address, `/api/method/ai_assistant.v1` or `/ai/v1`.

Frappe calls the method named before the first slash (frappe/api/v1.py) and leaves the rest to `frappe.local.request.path`.
Some clients append `/v1` to the address that they are given, so each path is served with it and without it.
"""

# No `from __future__ import annotations`: it would switch off Frappe's check of arguments.
import re
from collections.abc import Callable
from functools import partial
from typing import Any

import frappe
from frappe import _
from werkzeug.wrappers import Request, Response

from ai_assistant import keys
from ai_assistant.chat import refusals
from ai_assistant.chat.counting import count_tokens
from ai_assistant.chat.errors import ChatError
from ai_assistant.config import access
from ai_assistant.gateway import strict_json

from . import models
from .anthropic import messages
from .dialect import Dialect, Parsed
from .openai import chat_completions, response_socket, responses, stored_responses
from .requests import answer, body, json_response, refusal, validated
from .responses import Own, only_for_roles, refusal_of

BASE = re.compile(r"(?:/api(?:/v1)?/method/ai_assistant\.v1|/ai/v1)(?:/v1(?=/|$))?(?P<path>/.*|)", re.DOTALL)

GROUP = re.compile(r"\([^)]*\)")
# What Frappe answers to a body that is not JSON: 417 in Frappe 16, and 500 in Frappe 15.
NO_JSON = (417, 500)

Handler = Callable[..., Response]


def _list_models() -> Response:
	entries = models.listed(access.load_permitted())
	if "anthropic-version" in frappe.local.request.headers:
		data = [models.as_anthropic(*entry) for entry in entries]
		ends = {"first_id": data[0]["id"], "last_id": data[-1]["id"]} if data else {}
		return json_response({"data": data, "has_more": False, **ends})
	return json_response({"object": "list", "data": [models.as_openai(*entry) for entry in entries]})


def _get_model(name: str) -> Response:
	in_anthropics = "anthropic-version" in frappe.local.request.headers
	form = models.as_anthropic if in_anthropics else models.as_openai
	return json_response(form(*models.find(name, access.load_permitted())))


def _count_message_tokens() -> Response:
	return _count_tokens(messages.parse(body(), frappe.local.request.headers), {})


def _count_response_tokens() -> Response:
	return _count_tokens(stored_responses.read(body()), {"object": "response.input_tokens"})


def _count_tokens(parsed: Parsed, more: dict[str, Any]) -> Response:
	settings = access.load_permitted()
	_provider, _model, count = count_tokens(validated(parsed, settings), settings)
	return json_response({**more, "input_tokens": count.tokens})


# Each endpoint: its HTTP method, its path, its dialect, and its handler, which gets the groups of the path as arguments.
ROUTES: list[tuple[str, re.Pattern[str], Dialect, Handler]] = [
	("POST", re.compile("/chat/completions"), chat_completions, partial(answer, chat_completions)),
	("POST", re.compile("/responses"), responses, stored_responses.create),
	("GET", re.compile("/responses"), responses, response_socket.connect),
	("POST", re.compile("/responses/compact"), responses, stored_responses.compact),
	("POST", re.compile("/responses/input_tokens"), responses, _count_response_tokens),
	("GET", re.compile("/responses/([^/]+)"), responses, stored_responses.retrieve),
	("DELETE", re.compile("/responses/([^/]+)"), responses, stored_responses.delete),
	("POST", re.compile("/responses/([^/]+)/cancel"), responses, stored_responses.cancel),
	("GET", re.compile("/responses/([^/]+)/input_items"), responses, stored_responses.list_input),
	("POST", re.compile("/messages"), messages, partial(answer, messages)),
	("POST", re.compile("/messages/count_tokens"), messages, _count_message_tokens),
	("GET", re.compile("/models"), chat_completions, _list_models),
	("GET", re.compile("/models/(.+)"), chat_completions, _get_model),
]


@frappe.whitelist(allow_guest=True, xss_safe=True, methods=["GET", "POST", "DELETE"])
def serve() -> Response:
	"""Answers every path of the standard APIs. Errors have the form of the API that was called."""
	dialect: Dialect = chat_completions
	try:
		request = frappe.local.request
		path = _path(request) or "/"
		dialect = _dialect(path)
		handler = _handler(request.method, path)
		if frappe.session.user == "Guest":
			raise ChatError("unauthenticated", _("This needs an API key: Authorization: Bearer KEY."))
		only_for_roles()
		return handler()
	except Exception as error:
		return refusal(dialect, refusal_of(error, "v1"))


def _path(request: Request) -> str | None:
	"""Returns the path behind the base, or None if the request calls another method of the site."""
	match = BASE.fullmatch(request.path)
	return match and match["path"].rstrip("/")


def _dialect(path: str) -> Dialect:
	return next(
		(dialect for _method, pattern, dialect, _h in ROUTES if pattern.match(path)), chat_completions
	)


def _handler(method: str, path: str) -> Callable[[], Response]:
	known = False
	for accepted, pattern, _dialect, handler in ROUTES:
		if match := pattern.fullmatch(path):
			known = True
			if method == accepted:
				return partial(handler, *match.groups())
	if known:
		raise ChatError("method_not_allowed", _("This path accepts another HTTP method."))
	paths = ", ".join(dict.fromkeys(GROUP.sub("{id}", pattern.pattern) for _m, pattern, _d, _h in ROUTES))
	raise ChatError("unknown_path", _("There is no such path; there are {0}.").format(paths))


def _refused(status: int) -> tuple[str, str]:
	"""Returns the code and the sentence for what Frappe refuses before it calls a method, by Frappe's status."""
	by_status: dict[int, tuple[str, str]] = {
		400: (
			"invalid_request",
			_("The session needs its CSRF token in X-Frappe-CSRF-Token; an API key needs none."),
		),
		401: ("unauthenticated", _("The API key is not valid.")),
		403: ("not_permitted", _("This is not permitted.")),
		404: ("unknown_path", _("There is no such path.")),
		413: ("too_large", _("The body is larger than the site accepts.")),
		417: ("invalid_request", _("The body is not a JSON object that this site accepts.")),
		429: ("rate_limited", _("Too many requests; ask again in a moment.")),
		503: ("busy", _("The site is in maintenance; ask again in a moment.")),
	}
	return by_status.get(status, ("internal_error", _("Something went wrong on the site.")))


def before_request() -> None:
	"""Lets the handshake of a WebSocket reach `serve`.

	Frappe calls this hook before it routes the request, by werkzeug. With its header Upgrade werkzeug would answer 400 to a
	handshake, as Frappe's routes are not marked as routes of WebSockets (werkzeug/routing/map.py, `bind_to_environ`).
	"""
	environ = frappe.local.request.environ
	if response_socket.UPGRADE in environ and _path(frappe.local.request) is not None:
		environ[response_socket.HIDDEN] = environ.pop(response_socket.UPGRADE)


def after_request(response: Response | None = None, request: Request | None = None) -> None:
	"""Records Frappe's own refusal of a request. One of a standard API is converted to the form of that API.

	Frappe calls this hook after every request. Before it calls a method, it reads the body, the key and the session, and
	refuses them in its own form. Frappe 15 gives this hook no response for an HTTPException of werkzeug.
	"""
	if response is None or request is None or isinstance(response, Own) or response.status_code < 400:
		return
	path, method = _path(request), keys.called_method(request.path)
	if path is None and (method is None or "cmd" in frappe.local.form_dict):
		return
	code, message = _refused(response.status_code)
	if of_key := frappe.flags.refused_key:
		message = of_key
	elif response.status_code in NO_JSON and _is_no_json(request):
		code, message = "invalid_request", _("The body is not valid JSON.")
	# `ai_assistant.keys` has recorded its own, and Frappe its own errors.
	if code != "internal_error" and not of_key:
		refusals.record(code, method or "v1")
	if path is None:
		return
	ours = refusal(_dialect(path), ChatError(code, message).as_dict())
	response.set_data(ours.get_data())
	response.status_code = ours.status_code
	response.headers.update(ours.headers)


def _is_no_json(request: Request) -> bool:
	"""Returns whether the body of a request should be JSON and is not."""
	if not request.is_json or not (body := request.get_data()):
		return False
	try:
		# Frappe reads no other encoding.
		strict_json.loads(body.decode())
	except (ValueError, RecursionError):
		return True
	return False
