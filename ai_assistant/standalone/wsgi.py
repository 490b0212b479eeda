"""The way from ASGI to the site, which is WSGI, and back: a thread a request, and one turn of the loop each way.

a2wsgi has the loop take a turn for each part of the body and of the answer, while the thread waits.
"""

from __future__ import annotations

import asyncio
import io
import sys
from collections.abc import Awaitable, Callable
from concurrent.futures import Executor
from contextlib import closing
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
	from _typeshed.wsgi import WSGIApplication, WSGIEnvironment

Receive = Callable[[], Awaitable[dict[str, Any]]]
Send = Callable[[dict[str, Any]], Awaitable[None]]


class WsgiServer:
	"""An ASGI application that answers with a WSGI one."""

	def __init__(self, application: WSGIApplication, threads: Executor, max_body: Callable[[], int]) -> None:
		"""`max_body` gives how many bytes of a body are read at most; the application refuses one that has more."""
		self._application = application
		self._threads = threads
		self._max_body = max_body

	async def __call__(self, scope: dict[str, Any], receive: Receive, send: Send) -> None:
		if scope["type"] != "http":
			await send({"type": "websocket.close"})
			return
		environ, body, most = _environ(scope), bytearray(), self._max_body()
		# One that is announced as too large is refused unread.
		more = int(environ.get("CONTENT_LENGTH", 0)) <= most
		while more and len(body) <= most:
			message = await receive()
			if message["type"] == "http.disconnect":
				return
			body += message.get("body", b"")
			more = message.get("more_body", False)
		environ["wsgi.input"] = io.BytesIO(body)
		loop = asyncio.get_running_loop()
		answer: asyncio.Queue[dict[str, Any] | BaseException] = asyncio.Queue()

		def put(message: dict[str, Any] | BaseException) -> None:
			loop.call_soon_threadsafe(answer.put_nowait, message)

		self._threads.submit(self._answer, environ, put)
		more = True
		while more:
			said = await answer.get()
			if isinstance(said, BaseException):
				raise said
			await send(said)
			more = said.get("more_body", True)

	def _answer(
		self, environ: WSGIEnvironment, put: Callable[[dict[str, Any] | BaseException], None]
	) -> None:
		def start_response(status: str, headers: list[tuple[str, str]], exc_info: Any = None) -> Any:
			raw = [(name.lower().encode("latin1"), value.encode("latin1")) for name, value in headers]
			put({"type": "http.response.start", "status": int(status.split()[0]), "headers": raw})

		try:
			parts: Any = self._application(environ, start_response)
			with closing(parts):
				for part in parts:
					put({"type": "http.response.body", "body": part, "more_body": True})
		except BaseException as error:
			put(error)
		else:
			put({"type": "http.response.body", "body": b"", "more_body": False})


def _environ(scope: dict[str, Any]) -> WSGIEnvironment:
	"""PEP 3333's, of an ASGI scope, but for the body."""
	host, port = scope.get("server") or ("localhost", 0)
	environ: WSGIEnvironment = {
		"REQUEST_METHOD": scope["method"],
		"SCRIPT_NAME": "",
		"PATH_INFO": scope["path"].encode().decode("latin1"),
		"QUERY_STRING": scope["query_string"].decode("latin1"),
		"SERVER_NAME": host,
		"SERVER_PORT": str(port),
		"SERVER_PROTOCOL": f"HTTP/{scope['http_version']}",
		"REMOTE_ADDR": (scope.get("client") or ("",))[0],
		"wsgi.version": (1, 0),
		"wsgi.url_scheme": scope["scheme"],
		"wsgi.errors": sys.stderr,
		"wsgi.multithread": True,
		"wsgi.multiprocess": False,
		"wsgi.run_once": False,
	}
	for raw_name, raw_value in scope["headers"]:
		name = raw_name.decode("latin1").upper().replace("-", "_")
		if name not in ("CONTENT_TYPE", "CONTENT_LENGTH"):
			name = f"HTTP_{name}"
		value = raw_value.decode("latin1")
		environ[name] = f"{environ[name]},{value}" if name in environ else value
	return environ
