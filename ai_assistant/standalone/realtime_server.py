"""Socket.IO as Frappe's realtime server speaks it: handshake, rooms and delivery of events.

The rules and the messages of refusals are those of realtime/middlewares/authenticate.js and
realtime/handlers/frappe_handlers.js of Frappe 15.72. It runs in the process of the site, so events come through a queue
instead of Redis.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Mapping
from concurrent.futures import Executor
from http import HTTPStatus
from typing import Any
from urllib.parse import unquote

import socketio
from werkzeug.http import parse_cookie

_log = logging.getLogger(__name__)

GetUserInfo = Callable[[str | None, str | None], tuple[int, Any]]
"""`Site.get_user_info`."""


class _Packet(socketio.packet.Packet):
	"""A packet that is not searched for bytes, because messages have gone through JSON."""

	uses_binary_events = False


class RealtimeServer:
	"""The sockets of one site, in the namespace `/<site>`."""

	def __init__(self, site: str) -> None:
		self._site = site
		self._namespace = f"/{site}"
		self._loop: asyncio.AbstractEventLoop | None = None
		self._outbox: asyncio.Queue[tuple[str, Any, str]] = asyncio.Queue()
		self._sender: asyncio.Task[None] | None = None
		# Every origin and namespace reaches `_connect`, which refuses with Frappe's messages. As in Node, the events of a
		# client are handled in the order in which it has sent them.
		self.sio = socketio.AsyncServer(
			async_mode="asgi",
			cors_allowed_origins="*",
			namespaces="*",
			async_handlers=False,
			serializer=_Packet,
		)
		self.sio.on("connect", self._connect, namespace="*")
		self.sio.on("ping", self._ping, namespace=self._namespace)
		self.sio.on("progress_subscribe", self._join_task, namespace=self._namespace)
		self.sio.on("task_subscribe", self._join_task, namespace=self._namespace)
		self.sio.on("task_unsubscribe", self._leave_task, namespace=self._namespace)

	async def start(self, get_user_info: GetUserInfo, workers: Executor) -> None:
		"""Start to send events, on the current event loop.

		Args:
			get_user_info: Says who a client is.
			workers: Where it runs, because it reads the database and the loop must not wait.
		"""
		self._get_user_info = get_user_info
		self._workers = workers
		self._loop = asyncio.get_running_loop()
		self._sender = asyncio.create_task(self._send_outbox())

	async def stop(self) -> None:
		"""Stop sending."""
		self._loop = None
		if self._sender:
			self._sender.cancel()

	def emit(self, event: str, message: Any, room: str) -> bool:
		"""Send an event to the sockets in a room. It may be called from any thread and does not wait for clients.

		Events arrive in the order of the calls.

		Returns:
			False before `start()` and after `stop()`, when nothing is sent. True does not mean that a socket is in the room.
		"""
		loop = self._loop
		if loop is None:
			return False
		try:
			loop.call_soon_threadsafe(self._outbox.put_nowait, (event, message, room))
		except RuntimeError:  # The loop has just been closed.
			return False
		return True

	async def _send_outbox(self) -> None:
		# One task sends all events, which keeps them in order.
		while True:
			event, message, room = await self._outbox.get()
			try:
				await self.sio.emit(event, message, room=room, namespace=self._namespace)
			except Exception:
				_log.exception("An event to %s could not be sent", room)

	# Events from clients

	async def _connect(self, namespace: str, sid: str, *_: Any) -> None:
		# The environ argument cannot be trusted, because a client may send an event with the name `connect`.
		headers = _headers(self.sio.get_environ(sid, namespace))
		authorization, cookie_sid = self._credentials(namespace, headers)
		status, body = await asyncio.get_running_loop().run_in_executor(
			self._workers, self._get_user_info, authorization, cookie_sid
		)
		if status != HTTPStatus.OK:
			raise socketio.exceptions.ConnectionRefusedError(
				f"Unauthorized: Error: {HTTPStatus(status).phrase}"
			)
		user = body["message"]
		await self.sio.enter_room(sid, f"user:{user['user']}", namespace=namespace)
		await self.sio.enter_room(sid, "website", namespace=namespace)
		if user["user_type"] == "System User":
			await self.sio.enter_room(sid, "all", namespace=namespace)

	def _credentials(self, namespace: str, headers: Mapping[str, str]) -> tuple[str | None, str | None]:
		"""The Authorization header and the sid. Raises ConnectionRefusedError where Frappe refuses."""
		refused = socketio.exceptions.ConnectionRefusedError
		host, origin = headers.get("host"), headers.get("origin")
		# There is only this site, whatever the host. On a bench, nginx sends the name of the site.
		site = _hostname(headers.get("x-frappe-site-name")) or self._site
		if site != self._site or namespace != self._namespace:
			raise refused("Invalid namespace")
		if _hostname(host) != _hostname(origin):
			raise refused("Invalid origin")
		# Frappe sends its request about the user to the origin. So a page on another port could claim to be any user.
		if origin and origin.partition("://")[2] != host:
			raise refused("Unauthorized: Error: Origin is not the address of this site")
		if not (header := headers.get("cookie")):
			raise refused("No cookie transmitted.")
		cookies = parse_cookie(header)
		authorization, sid = headers.get("authorization"), unquote(cookies.get("sid", ""))
		if not sid and not authorization:
			raise refused("No authentication method used. Use cookie or authorization header.")
		return authorization, sid

	async def _ping(self, sid: str, *_: Any) -> None:
		await self.sio.emit("pong", to=sid, namespace=self._namespace)

	async def _join_task(self, sid: str, task_id: Any = None, *_: Any) -> None:
		# As in Frappe, any socket may join, even a guest's. Nothing private may be sent to such a room.
		await self.sio.enter_room(sid, f"task_progress:{task_id}", namespace=self._namespace)

	async def _leave_task(self, sid: str, task_id: Any = None, *_: Any) -> None:
		await self.sio.leave_room(sid, f"task_progress:{task_id}", namespace=self._namespace)


def _headers(environ: Mapping[str, Any]) -> dict[str, str]:
	return {
		key.removeprefix("HTTP_").replace("_", "-").lower(): value
		for key, value in environ.items()
		if key.startswith("HTTP_")
	}


def _hostname(url: str | None) -> str | None:
	if not url:
		return None
	return (url.split("/")[2] if "://" in url else url).partition(":")[0]
