"""OpenAI's Responses API over a WebSocket: one connection for the turns of an agent.

A message `response.create` is served as the HTTP request that it stands for. The socket calls the site's own WSGI
application with a POST to the path and with the headers of its handshake, and sends the events of the stream as messages.
So each turn is authenticated, admitted, counted and stored like any other request. Between two turns the socket holds a
thread and nothing else. The messages are those of OpenAI's guide to WebSocket mode.
"""

import errno
import io
import json
from collections.abc import Callable, Generator, Iterable
from contextlib import closing, suppress
from functools import partial
from http import HTTPStatus
from typing import Any, Protocol

import frappe
from frappe import _
from simple_websocket import ConnectionClosed, Server
from werkzeug.wrappers import Response

from ai_assistant.chat import capacity
from ai_assistant.chat.errors import ChatError
from ai_assistant.config import access
from ai_assistant.config.settings import Limits
from ai_assistant.gateway import strict_json

from .. import hang_up
from ..requests import refusal
from ..responses import Own, refusal_of
from . import responses
from .errors import error_object

# Seconds without a message from the client after which the site closes the socket, and between two pings.
IDLE_S, PING_S = 60.0, 25.0
# In bytes: Frappe's own default for the body of a request.
MAX_MESSAGE = 25 * 1024 * 1024
# What the standalone site puts into the WSGI environment: a function that accepts the socket, and its application.
ACCEPT, APPLICATION = "ai_assistant.websocket", "ai_assistant.application"
# The header Upgrade of a handshake, and where `ai_assistant.api.v1.before_request` puts it.
UPGRADE, HIDDEN = "HTTP_UPGRADE", "ai_assistant.upgrade"
# The variables of a handshake that a turn does not have.
OF_HANDSHAKE = ("HTTP_CONNECTION", "HTTP_SEC_WEBSOCKET_", "HTTP_IDEMPOTENCY_KEY", "werkzeug.")
CREATE = "response.create"
# The last events of a response that a turn can continue.
CAN_CONTINUE = ("response.completed", "response.incomplete")

Events = Generator[tuple[str, str], None, None]
"""Yields the type of each event, and the event as JSON."""


class Socket(Protocol):
	"""The part of `simple_websocket.Server` that is used here."""

	connected: bool

	def receive(self, timeout: float | None = None) -> str | bytes | None: ...

	def send(self, data: str) -> None: ...

	def close(self) -> None: ...


def connect() -> Response:
	"""Answers the handshake of a WebSocket.

	Raises:
		ChatError: `method_not_allowed` for any other GET; `no_websocket` if this web server cannot serve a WebSocket.
	"""
	environ = frappe.local.request.environ
	if "HTTP_SEC_WEBSOCKET_KEY" not in environ:
		raise ChatError("method_not_allowed", _("This path accepts another HTTP method."))
	if HIDDEN not in environ:
		raise ChatError("no_websocket", _("The proxy before this site forwards no WebSocket; use POST."))
	has_socket = environ.get("wsgi.multithread") and any(key in environ for key in hang_up.SOCKETS)
	if not has_socket and ACCEPT not in environ:
		# A sync worker of gunicorn would serve nothing else meanwhile.
		raise ChatError("no_websocket", _("The web server of this site serves no WebSocket; use POST."))
	return Upgrade(access.load_permitted().limits)


class Upgrade(Own):
	"""The response to a handshake. It lasts as long as the WebSocket."""

	def __init__(self, limits: Limits) -> None:
		super().__init__()
		self._limits = limits
		message = _("A message accepts a JSON object whose type is {0}.").format(CREATE)
		self._unknown = _error(400, error_object(ChatError("invalid_request", message).as_dict()))

	def __call__(self, environ: Any, start_response: Any) -> Iterable[bytes]:
		with capacity.for_wait(self._limits) as free:
			if not free:
				return refusal(responses, refusal_of(capacity.busy(), "v1"))(environ, start_response)
			application = environ.get(APPLICATION) or frappe.get_attr("frappe.app.application")
			shown = {**environ, UPGRADE: environ[HIDDEN]}
			accept = environ.get(ACCEPT) or partial(
				Server.accept, shown, ping_interval=PING_S, max_message_size=MAX_MESSAGE
			)
			# Each turn connects to the database by itself.
			frappe.destroy()
			# A client may be gone at any time.
			with suppress(ConnectionClosed, OSError):
				socket = accept()
				self._serve(socket, Turns(partial(_ask, application, environ, socket)))
		# The server must not write a response to the socket. gunicorn and werkzeug ignore this error.
		raise BrokenPipeError(errno.EPIPE, "The WebSocket is closed.")

	def _serve(self, socket: Socket, turns: "Turns") -> None:
		"""Serves one turn after the other until the client closes the socket or sends nothing for IDLE_S."""
		while (message := socket.receive(IDLE_S)) is not None:
			body = strict_json.object_of(message) if isinstance(message, str) else None
			if body is None or body.pop("type", None) != CREATE:
				socket.send(self._unknown)
				continue
			with closing(turns.run(body)) as events:
				for event in events:
					socket.send(event)
		socket.close()


class Turns:
	"""The turns of one socket.

	It remembers the last response that the site does not keep (`store: false`), as OpenAI's does. It forgets
	the response if the next turn fails.
	"""

	def __init__(self, ask: Callable[[dict[str, Any]], Events]) -> None:
		self._ask = ask
		# The id of the response; the id of the stored response before it, and the items since.
		self._last: tuple[str, str | None, list[Any]] | None = None

	def run(self, body: dict[str, Any]) -> Generator[str, None, None]:
		"""Yields the events of one turn as JSON. `body` is that of a request, without `stream`."""
		previous, sent = body.get("previous_response_id"), body.get("input")
		items = [{"type": "message", "role": "user", "content": sent}] if isinstance(sent, str) else sent
		if self._last and self._last[0] == previous and isinstance(items, list):
			_id, previous, before = self._last
			self._last, items = None, [*before, *items]
		is_kept = body.get("store") is not False and body.get("generate") is not False
		asked = {**body, "input": items, "previous_response_id": previous}
		with closing(self._ask({**asked, "stream": True, "background": False})) as events:
			for kind, event in events:
				if kind in CAN_CONTINUE and not is_kept:
					response = json.loads(event)["response"]
					self._last = response["id"], previous, [*(items or []), *response["output"]]
				yield event


def _ask(application: Any, environ: dict[str, Any], socket: Socket, body: dict[str, Any]) -> Events:
	"""Asks the site with an HTTP request, which is cancelled if the socket closes. Yields the events of its answer."""
	content = strict_json.dumps(body)
	turn = {name: value for name, value in environ.items() if not name.startswith(OF_HANDSHAKE)}
	turn |= {
		"REQUEST_METHOD": "POST",
		"CONTENT_TYPE": "application/json",
		"CONTENT_LENGTH": str(len(content)),
		"wsgi.input": io.BytesIO(content),
		hang_up.KEY: lambda: not socket.connected,
		capacity.HELD: True,
	}
	statuses: list[int] = []
	with closing(application(turn, lambda status, *_: statuses.append(int(status.split()[0])))) as parts:
		rest = b""
		for part in parts:
			rest += part
			if statuses[0] == HTTPStatus.OK:
				*events, rest = rest.split(b"\n\n")
				for event in events:
					# A ping is a comment, and the socket has pings of its own.
					if event.startswith(b"event: "):
						kind, _data, text = event.decode().removeprefix("event: ").partition("\ndata: ")
						yield kind, text
	if statuses[0] != HTTPStatus.OK:
		yield "error", _refusal(statuses[0], rest, body)


def _refusal(status: int, content: bytes, body: dict[str, Any]) -> str:
	"""Returns the event for the HTTP error with which the site answered a turn."""
	try:
		error = json.loads(content)["error"]
	except (ValueError, TypeError, LookupError):
		# A page of the web server.
		error = {"type": "server_error", "code": "internal_error", "message": HTTPStatus(status).phrase}
	if body["previous_response_id"] and error["code"] in ("not_found", "not_kept"):
		status = HTTPStatus.BAD_REQUEST
		error |= {"code": "previous_response_not_found", "param": "previous_response_id"}
	return _error(status, error)


def _error(status: int, error: dict[str, Any]) -> str:
	return json.dumps({"type": "error", "status": status, "error": error}, ensure_ascii=False)
