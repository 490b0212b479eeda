"""Socket.IO as Frappe's realtime server speaks it: handshake, rooms, and the way an event takes to them.

The rules and the words of a refusal are those of realtime/middlewares/authenticate.js and
realtime/handlers/frappe_handlers.js of Frappe 15.72. Here it runs in the process of the site itself, so
events come by a queue where a bench has Redis.
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
	"""One that is not searched for bytes: what is sent here came through JSON."""

	uses_binary_events = False


class RealtimeServer:
	"""The sockets of one site, in the namespace `/<site>`."""

	def __init__(self, site: str) -> None:
		self._site = site
		self._namespace = f"/{site}"
		self._loop: asyncio.AbstractEventLoop | None = None
		self._outbox: asyncio.Queue[tuple[str, Any, str]] = asyncio.Queue()
		self._sender: asyncio.Task[None] | None = None
		# Any origin and any namespace gets as far as `_connect`, which refuses in Frappe's words. One
		# client's events are handled in the order in which it sent them, as in Node.
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
		"""Begin to send, on the loop this is called on. `get_user_info` says who a client is; it is called
		in `workers`, because it reads the database and the loop must not wait."""
		self._get_user_info = get_user_info
		self._workers = workers
		self._loop = asyncio.get_running_loop()
		self._sender = asyncio.create_task(self._send_outbox())

	async def stop(self) -> None:
		"""Send no more."""
		self._loop = None
		if self._sender:
			self._sender.cancel()

	def emit(self, event: str, message: Any, room: str) -> bool:
		"""Send an event to the sockets in a room. Callable from any thread; never waits for a client.

		Events arrive in the order of the calls. Returns False, and sends nothing, before `start()` and after
		`stop()`; True says that the event is on its way, not that somebody is in the room.
		"""
		loop = self._loop
		if loop is None:
			return False
		try:
			loop.call_soon_threadsafe(self._outbox.put_nowait, (event, message, room))
		except RuntimeError:  # The loop has been closed in between.
			return False
		return True

	async def _send_outbox(self) -> None:
		# One task sends all, one event after the other: that is what keeps them in order.
		while True:
			event, message, room = await self._outbox.get()
			try:
				await self.sio.emit(event, message, room=room, namespace=self._namespace)
			except Exception:
				_log.exception("an event to %s could not be sent", room)

	# What clients send

	async def _connect(self, namespace: str, sid: str, *_: Any) -> None:
		# Not the environ that is passed in: a client may send an event of the name `connect`.
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
		"""The Authorization header and the sid; raises ConnectionRefusedError where Frappe refuses."""
		refused = socketio.exceptions.ConnectionRefusedError
		host, origin = headers.get("host"), headers.get("origin")
		# By whatever name the site is reached, it is this one: nginx says so to a bench's realtime server.
		site = _hostname(headers.get("x-frappe-site-name")) or self._site
		if site != self._site or namespace != self._namespace:
			raise refused("Invalid namespace")
		if _hostname(host) != _hostname(origin):
			raise refused("Invalid origin")
		# Frappe asks whoever the origin names for the user: a page of another port could make itself anybody.
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
		# Whoever asks: Frappe lets any socket in, a guest's too. Nothing private may go to such a room.
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
