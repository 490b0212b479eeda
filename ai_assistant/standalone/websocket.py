"""Gives the handshake of a WebSocket to the WSGI application. If it accepts, the thread of the request uses the socket."""

from __future__ import annotations

import asyncio
import queue
from collections.abc import Awaitable, Callable, Coroutine
from concurrent.futures import Executor
from contextlib import closing, suppress
from typing import TYPE_CHECKING, Any

from simple_websocket import ConnectionClosed

if TYPE_CHECKING:
	from _typeshed.wsgi import WSGIApplication, WSGIEnvironment

Receive = Callable[[], Awaitable[dict[str, Any]]]
Send = Callable[[dict[str, Any]], Coroutine[Any, Any, None]]


class ThreadSocket:
	"""A WebSocket of the ASGI server for one thread, with the methods of `simple_websocket.Server` that the app uses."""

	def __init__(self, send: Send) -> None:
		self._loop, self._send = asyncio.get_running_loop(), send
		self.connected = False
		# None is the end.
		self.received: queue.SimpleQueue[str | bytes | None] = queue.SimpleQueue()

	def accept(self) -> ThreadSocket:
		"""Completes the handshake."""
		self.put({"type": "websocket.accept"})
		self.connected = True
		return self

	def receive(self, timeout: float | None = None) -> str | bytes | None:
		"""Returns the next message, None after `timeout` seconds without one. Raises ConnectionClosed."""
		try:
			message = self.received.get(timeout=timeout)
		except queue.Empty:
			return None
		if message is None:
			raise ConnectionClosed
		return message

	def send(self, data: str) -> None:
		"""Sends a text. Raises ConnectionClosed."""
		if not self.connected:
			raise ConnectionClosed
		self.put({"type": "websocket.send", "text": data})

	def close(self) -> None:
		"""Closes the socket."""
		self.put({"type": "websocket.close"})

	def put(self, message: dict[str, Any]) -> None:
		"""Gives a message to the ASGI server and waits until it has taken it."""
		asyncio.run_coroutine_threadsafe(self._send(message), self._loop).result()


async def serve(
	application: WSGIApplication, threads: Executor, environ: WSGIEnvironment, receive: Receive, send: Send
) -> None:
	"""Serves one WebSocket until one of the two sides closes it.

	Args:
		application: What answers the handshake. It gets `ai_assistant.websocket` in the environment: a function that
			accepts the WebSocket and returns a ThreadSocket.
		threads: Where it runs.
		environ: The WSGI environment of the handshake.
		receive: Receives a message of the ASGI server.
		send: Sends one.
	"""
	socket = ThreadSocket(send)
	environ |= {"ai_assistant.websocket": socket.accept, "ai_assistant.application": application}
	reader = asyncio.create_task(_read(receive, socket))
	try:
		await asyncio.get_running_loop().run_in_executor(threads, _answer, application, environ, socket)
	finally:
		reader.cancel()


async def _read(receive: Receive, socket: ThreadSocket) -> None:
	while (message := await receive())["type"] != "websocket.disconnect":
		if message["type"] == "websocket.receive":
			text = message.get("text")
			socket.received.put(message.get("bytes") if text is None else text)
	socket.connected = False
	socket.received.put(None)


def _answer(application: WSGIApplication, environ: WSGIEnvironment, socket: ThreadSocket) -> None:
	def start_response(status: str, headers: list[tuple[str, str]], exc_info: Any = None) -> Any:
		raw = [(name.lower().encode("latin1"), value.encode("latin1")) for name, value in headers]
		start = {"type": "websocket.http.response.start", "status": int(status.split()[0]), "headers": raw}
		socket.put(start)

	# The application raises it once a socket that it accepted is closed, as a server must not write a response then.
	with suppress(BrokenPipeError):
		parts: Any = application(environ, start_response)
		with closing(parts):
			socket.put({"type": "websocket.http.response.body", "body": b"".join(parts)})
