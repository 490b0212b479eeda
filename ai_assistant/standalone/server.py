"""The standalone site as a server: HTTP, Socket.IO and the app in one process, on one port."""

from __future__ import annotations

import asyncio
import gc
import importlib
import logging
import os
import select
import signal
import socket
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, closing, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import socketio
import uvicorn

from ai_assistant import store

from . import stand_in
from .realtime_server import RealtimeServer
from .site import Site
from .site_config import SiteConfig, User
from .sqlite import Database, SqliteStore
from .workers import Workers
from .wsgi import WsgiServer

SITE = "standalone"
REQUESTS = 400
"""Requests that are served at a time. Chats hold one each until they end, and a cancel must still get through."""

IDLE_CONNECTION_S = 120
"""How long an idle connection stays open. It is longer than with clients and proxies (nginx: a minute), so that they close
it. A connection that the server closes may receive a request at that moment."""

MINUTE_S = 60

POLL_S = 1.0
"""How often the main thread checks whether the server has ended by itself. A signal wakes it at once."""

DATE_S = 1.0
"""How often the server renews the Date header of its responses."""

GRACE_S = 5
"""How long running requests may take to finish when the site stops."""


@dataclass(frozen=True)
class RunningSite:
	"""A site that accepts requests."""

	url: str
	name: str
	config: SiteConfig
	store: SqliteStore
	ended: threading.Event
	"""Set when the site must end, and when it has ended."""

	@property
	def users(self) -> Mapping[str, User]:
		"""The users of the config file, or the Administrator that was created at the start."""
		return self.config.current().users


def serve(
	host: str = "127.0.0.1",
	port: int = 8000,
	*,
	site_config: Path | None = None,
	data: Path | None = None,
	name: str = SITE,
	ready: Callable[[RunningSite], None] = lambda site: None,
) -> None:
	"""Run a site in the main thread until SIGINT or SIGTERM.

	Running requests then get GRACE_S seconds to finish, unless another signal comes. `ready` is called once the site
	accepts requests. Other arguments and the errors are those of `running_site`.
	"""
	with running_site(host, port, site_config=site_config, data=data, name=name) as site:
		signals = (signal.SIGINT, signal.SIGTERM)
		before = [signal.signal(number, lambda *_: site.ended.set()) for number in signals]
		with _woken_by_signals() as wakeup:
			try:
				ready(site)
				# `ended.wait()` would miss a signal that comes as it begins, and deadlock with the handler of a signal that
				# comes while it holds its lock.
				while not site.ended.is_set():
					select.select([wakeup], [], [], POLL_S)
			finally:
				for number, handler in zip(signals, before, strict=True):
					signal.signal(number, handler)


@contextmanager
def _woken_by_signals() -> Iterator[socket.socket]:
	"""Yields a socket that becomes readable when a signal comes."""
	reader, writer = socket.socketpair()
	with reader, writer:
		writer.setblocking(False)
		before = signal.set_wakeup_fd(writer.fileno(), warn_on_full_buffer=False)
		try:
			yield reader
		finally:
			signal.set_wakeup_fd(before)


@contextmanager
def running_site(
	host: str = "127.0.0.1",
	port: int = 0,
	*,
	site_config: Path | None = None,
	data: Path | None = None,
	name: str = SITE,
) -> Iterator[RunningSite]:
	"""Run a site in a thread as long as the context lasts.

	Args:
		host: The address to listen on.
		port: The port to listen on. 0 takes a free one.
		site_config: The config file. Without one there is one Administrator and no provider.
		data: The folder of the database and the logs, by default one in the user's state folder.
		name: The name of the site.

	Raises:
		BadSiteConfig: The config file cannot be used.
		OSError: The port or the folder cannot be used.
		RuntimeError: A Frappe is installed.
	"""
	if not stand_in.install():
		raise RuntimeError("Frappe is installed here: use its bench, or a virtual environment without it")
	config = SiteConfig(site_config)
	folder = data or _state_folder(port)
	# Only the user may read conversations and sessions.
	folder.mkdir(mode=0o700, parents=True, exist_ok=True)
	logs = folder / "logs"
	logs.mkdir(exist_ok=True)
	with ExitStack() as stack:
		listener = stack.enter_context(_listener(host, port))
		stack.callback(stand_in.keep_logs_in, stand_in.keep_logs_in(logs))
		database = stack.enter_context(closing(Database(folder / "site.sqlite")))
		# Clients may call the whitelisted methods that are imported here.
		importlib.import_module("ai_assistant.api.v1")
		importlib.import_module("ai_assistant.chat.capacity").serve(REQUESTS)
		# Each request uses the store of its own site, as it uses the database of its own site on a bench.
		store.use(lambda: stand_in.local.store)
		importlib.import_module("ai_assistant.config.forms").switch_off()

		realtime = RealtimeServer(name)
		site = Site(name, config, database, realtime.emit)
		url = f"http://{_reachable(host)}:{listener.getsockname()[1]}"
		ended = stack.enter_context(_running(site, realtime, listener))
		stack.callback(site.jobs.close, GRACE_S)
		stack.enter_context(_scheduling(site))
		importlib.import_module("ai_assistant.gateway").warm()
		_tune_gc()
		yield RunningSite(url, name, config, site.store, ended)


def _tune_gc() -> None:
	"""Exclude all objects that exist by now from garbage collection, as Frappe does (frappe/__init__.py, frappe/app.py).

	A full collection stopped every chat for 50 to 90 ms.
	"""
	gc.collect()
	gc.freeze()
	gc.set_threshold(7000, 20, 20)


@contextmanager
def _scheduling(site: Site) -> Iterator[None]:
	"""Do the work of a bench's scheduler, at once and then every minute."""
	# This needs the stand-in for frappe in its place.
	from ai_assistant.operations import scheduled

	stopped = threading.Event()

	def work() -> None:
		while True:
			try:
				site.run(scheduled.run)
			except Exception:
				logging.getLogger(__name__).exception("The work of this minute failed")
			if stopped.wait(MINUTE_S):
				return

	thread = threading.Thread(target=work, name="standalone-scheduler", daemon=True)
	thread.start()
	try:
		yield
	finally:
		stopped.set()
		thread.join()


class _Server(uvicorn.Server):
	"""A server that sleeps until it must end. uvicorn's own wakes up ten times a second to check that."""

	def __init__(self, config: uvicorn.Config) -> None:
		super().__init__(config)
		self._loop: asyncio.AbstractEventLoop | None = None
		self._ends = asyncio.Event()

	def end(self) -> None:
		"""Ends the server. Another thread calls it."""
		self.should_exit = True
		# Without a loop the server has not begun. A closed loop raises RuntimeError.
		if self._loop:
			with suppress(RuntimeError):
				self._loop.call_soon_threadsafe(self._ends.set)

	async def startup(self, sockets: list[socket.socket] | None = None) -> None:
		self._loop = asyncio.get_running_loop()
		await super().startup(sockets)

	async def main_loop(self) -> None:
		# Tick 0 renews the Date header.
		while not await self.on_tick(0):
			with suppress(asyncio.TimeoutError):
				await asyncio.wait_for(self._ends.wait(), DATE_S)


@contextmanager
def _running(site: Site, realtime: RealtimeServer, listener: socket.socket) -> Iterator[threading.Event]:
	"""Serve on the listener in a thread. Yields the event that is set when the server has ended."""
	started, ended = threading.Event(), threading.Event()
	workers = Workers(REQUESTS)

	async def start() -> None:
		await realtime.start(site.get_user_info, workers)
		started.set()

	wsgi = WsgiServer(site, workers, site.max_body)

	async def http(*request: Any) -> None:
		# uvicorn cancels it after GRACE_S and logs that. A traceback adds nothing.
		with suppress(asyncio.CancelledError):
			await wsgi(*request)

	app = socketio.ASGIApp(realtime.sio, http, on_startup=start, on_shutdown=realtime.stop)
	server = _Server(
		uvicorn.Config(
			app,
			access_log=False,
			lifespan="on",
			log_config=None,
			server_header=False,
			timeout_keep_alive=IDLE_CONNECTION_S,
			timeout_graceful_shutdown=GRACE_S,
			ws="wsproto",
			# Deltas are short, and Frappe's realtime server does not compress either.
			ws_per_message_deflate=False,
		)
	)

	def run() -> None:
		try:
			server.run(sockets=[listener])
		finally:
			ended.set()
			started.set()

	thread = threading.Thread(target=run, name="standalone-site", daemon=True)
	thread.start()
	started.wait()
	try:
		if ended.is_set():
			raise RuntimeError("The standalone site could not be started.")
		yield ended
	finally:
		server.end()
		thread.join()
		workers.shutdown()


def _state_folder(port: int) -> Path:
	# A folder for each port: two sites must not share sessions.
	state = os.environ.get("XDG_STATE_HOME") or Path.home() / ".local" / "state"
	return Path(state) / "ai_assistant" / "standalone" / str(port)


def _listener(host: str, port: int) -> socket.socket:
	family = socket.AF_INET6 if ":" in host else socket.AF_INET
	listener = socket.create_server((host, port), family=family, backlog=2048)
	# Connections inherit it. asyncio sets it only for sockets that it creates itself. Without it each answer waits 40 ms
	# for the client's delayed acknowledgement.
	listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
	return listener


def _reachable(host: str) -> str:
	host = {"0.0.0.0": "127.0.0.1", "": "127.0.0.1", "::": "::1"}.get(host, host)
	return f"[{host}]" if ":" in host else host
