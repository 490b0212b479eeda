"""Runs the site, a WSGI application, behind an ASGI server: one thread a request.

a2wsgi would make the event loop take a turn for each part of a body, in both directions, while the thread waits.
"""

from __future__ import annotations

import asyncio
import io
import sys
import threading
from collections.abc import Callable
from concurrent.futures import Executor
from contextlib import closing
from typing import TYPE_CHECKING, Any

from . import websocket
from .websocket import Receive, Send

if TYPE_CHECKING:
	from _typeshed.wsgi import WSGIApplication, WSGIEnvironment


SEND_S = 0.05
"""How long a thread waits until the loop has sent the first part of a stream. A client may be slow to read."""


class WsgiServer:
	"""An ASGI application that answers with a WSGI application."""

	def __init__(self, application: WSGIApplication, threads: Executor, max_body: Callable[[], int]) -> None:
		"""Args:
		application: What answers the requests.
		threads: Where the requests run.
		max_body: Returns the largest body to read, in bytes. The application refuses a larger one.
		"""
		self._application = application
		self._threads = threads
		self._max_body = max_body

	async def __call__(self, scope: dict[str, Any], receive: Receive, send: Send) -> None:
		if scope["type"] == "websocket":
			handshake = _environ({**scope, "method": "GET"})
			await websocket.serve(self._application, self._threads, handshake, receive, send)
			return
		environ, body, max_body = _environ(scope), bytearray(), self._max_body()
		# A body whose announced length is too large is refused without reading it.
		more = int(environ.get("CONTENT_LENGTH", 0)) <= max_body
		while more and len(body) <= max_body:
			message = await receive()
			if message["type"] == "http.disconnect":
				return
			body += message.get("body", b"")
			more = message.get("more_body", False)
		environ["wsgi.input"] = io.BytesIO(body)
		loop = asyncio.get_running_loop()
		answer: asyncio.Queue[list[dict[str, Any]] | BaseException] = asyncio.Queue()
		hung_up, until_sent = threading.Event(), threading.Lock()
		until_sent.acquire()
		environ["ai_assistant.hung_up"] = hung_up.is_set

		def put(messages: list[dict[str, Any]] | BaseException) -> None:
			loop.call_soon_threadsafe(answer.put_nowait, messages)

		self._threads.submit(self._answer, environ, put, hung_up, until_sent)
		# Receiving while the body is not read would invite the client to send the rest of it.
		watcher = None if more else asyncio.create_task(_watch(receive, hung_up))
		try:
			more = True
			while more:
				messages = await answer.get()
				if isinstance(messages, BaseException):
					raise messages
				for message in messages:
					await send(message)
				if until_sent.locked():
					until_sent.release()
				more = message["more_body"]
		finally:
			hung_up.set()
			if watcher:
				watcher.cancel()

	def _answer(
		self,
		environ: WSGIEnvironment,
		put: Callable[[list[dict[str, Any]] | BaseException], None],
		hung_up: threading.Event,
		until_sent: threading.Lock,
	) -> None:
		"""Run one request. After a hang-up the body is closed at its next part, as gunicorn does.

		`until_sent` is locked until the head and the first part of the body are sent.
		"""
		# The head waits for the first part, so that the loop takes one turn for both.
		messages: list[dict[str, Any]] = []

		def start_response(status: str, headers: list[tuple[str, str]], exc_info: Any = None) -> Any:
			raw = [(name.lower().encode("latin1"), value.encode("latin1")) for name, value in headers]
			messages.append({"type": "http.response.start", "status": int(status.split()[0]), "headers": raw})

		try:
			parts: Any = self._application(environ, start_response)
			with closing(parts):
				for part in parts:
					if hung_up.is_set():
						break
					put([*messages, _body(part, more=True)])
					# A body of unknown length comes in several parts.
					if messages and b"content-length" not in dict(messages[0]["headers"]):
						# While this thread works on the next part it keeps the GIL, and the loop could not send this one.
						until_sent.acquire(timeout=SEND_S)
					messages.clear()
		except BaseException as error:
			put(error)
		else:
			put([*messages, _body(b"", more=False)])


def _body(part: bytes, more: bool) -> dict[str, Any]:
	return {"type": "http.response.body", "body": part, "more_body": more}


async def _watch(receive: Receive, hung_up: threading.Event) -> None:
	"""Set the event when the client closes its connection."""
	while (await receive())["type"] != "http.disconnect":
		pass
	hung_up.set()


def _environ(scope: dict[str, Any]) -> WSGIEnvironment:
	"""The WSGI environment (PEP 3333) of an ASGI scope, without the body."""
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
		"wsgi.input": io.BytesIO(),
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
