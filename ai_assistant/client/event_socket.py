"""The Socket.IO half of the client: the connection, and the inboxes into which messages are sorted by request."""

import queue
import threading
from collections.abc import Mapping
from typing import Any

import socketio

CONNECT_TIMEOUT_S = 10

Inbox = queue.SimpleQueue[tuple[str, Any]]
"""Receives messages as pairs of the event's name and its data."""


class EventSocket:
	"""The socket of one user of a site. It may be connected again and again."""

	def __init__(self, url: str, site: str) -> None:
		"""`url` is the realtime server's address, `site` the name of the site."""
		self.url = url.rstrip("/")
		self._site = site
		# The id of its request, by the inbox.
		self._inboxes: dict[Inbox, str] = {}
		# The socketio.SimpleClient, None before `connect()`.
		self.socket: Any = None

	def connect(self, origin: str, headers: Mapping[str, str]) -> None:
		"""Open the socket, and close one that was open before.

		Raises:
			socketio.exceptions.ConnectionError: The server refuses the socket or does not answer.
		"""
		# websocket-client checks UTF-8 in Python, byte by byte, for 0.17 ms a kB. `str` checks it, too.
		options = {"origin": origin, "skip_utf8_validation": True}
		socket = socketio.SimpleClient(websocket_extra_options=options)
		socket.client_class = _ClosableClient
		self.close()
		try:
			socket.connect(
				self.url,
				headers=dict(headers),
				namespace=f"/{self._site}",
				transports=["websocket"],
				wait_timeout=CONNECT_TIMEOUT_S,
			)
		except socketio.exceptions.ConnectionError as error:
			# If the server closed the connection meanwhile, the client would try again in the background.
			socket.client.shutdown()
			raise socketio.exceptions.ConnectionError(socket.client.refusal or str(error)) from None
		self.socket = socket
		threading.Thread(target=self.listen, args=(socket,), name="ai-assistant-socket", daemon=True).start()

	def close(self) -> None:
		"""Close the socket, if one is open."""
		socket, self.socket = self.socket, None
		if socket:
			socket.client.shutdown()
			# Neither of the two wakes a `receive()` that waits.
			socket.connected = False
			socket.connected_event.set()
			socket.input_event.set()

	def add_inbox(self, inbox: Inbox, request_id: str) -> None:
		"""Put the messages of a request into the inbox from now on. An inbox has one request."""
		self._inboxes[inbox] = request_id

	def remove_inbox(self, inbox: Inbox) -> None:
		"""Stop what `add_inbox` has started. Does nothing for an unknown inbox."""
		self._inboxes.pop(inbox, None)

	def listen(self, socket: Any) -> None:
		"""Receive and deliver messages until the socket ends. It runs on a thread of its own."""
		while self.socket is socket:
			try:
				name, message = socket.receive()
			except socketio.exceptions.SocketIOError:
				return
			if isinstance(message, dict):
				self.deliver(name, message)

	def deliver(self, name: str, message: dict[str, Any]) -> None:
		"""Put a message into the inboxes of its request."""
		# Other threads add and remove inboxes, and so does the garbage collector.
		for inbox, request_id in self._inboxes.copy().items():
			if request_id == message.get("request_id"):
				inbox.put((name, message))


class _ClosableClient(socketio.Client):
	"""A socketio client that keeps the reason of a refusal, which the exception lacks, and that ends for good."""

	refusal: str | None = None
	_closed = False

	def connect(self, url: str, namespaces: Any = None, **options: Any) -> None:
		if self._closed:
			raise socketio.exceptions.ConnectionError("closed")
		for namespace in namespaces:
			self.on("connect_error", self._keep_refusal, namespace=namespace)
		super().connect(url, namespaces=namespaces, **options)

	def shutdown(self) -> None:
		"""Close the connection and end all attempts to connect again, even one that has just succeeded."""
		self._closed, self.reconnection_attempts = True, 1
		super().shutdown()
		if self.connected:
			self.disconnect()

	def _keep_refusal(self, reason: Any = None) -> None:
		self.refusal = str(reason.get("message")) if isinstance(reason, dict) else None
