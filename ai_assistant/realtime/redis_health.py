"""Whether a realtime server would hear what is published, and how long a publish may take to find out.

`frappe.publish_realtime` hides both: it swallows Redis' ConnectionError, throws away the number of receivers
(frappe/realtime.py, `emit_via_redis`), and blocks for as long as Redis is frozen. So Redis is asked first, on a
connection of our own with a short timeout: who is subscribed to Frappe's channel? Once it has not answered, a thread
asks on, and nobody else does until it answers again: however long it is away, a chat waits for it once.
"""

import os
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

import frappe

TIMEOUT_S = 0.25
# A publish that takes this long has met a Redis that froze after it was asked.
PUBLISH_S = 0.5
QUIET_S = 60
CHANNEL = "events"
NOBODY = "no realtime server is subscribed"

_connections: dict[str, Any] = {}
_failures: dict[str, str] = {}
# When the publish of a thread began, and whose.
_publishing: dict[int, tuple[float, Any]] = {}
_watch = threading.Event()
_lock = threading.Lock()


def why_not() -> str | None:
	"""The reason why an event would reach nobody, or None where a realtime server listens.

	82 µs on a bench. A site without Redis (the standalone one) has its realtime server in the process.
	"""
	url = frappe.conf.get("redis_queue")
	if not url:
		return None
	if reason := _failures.get(url):
		return reason
	found = _ask(url)
	if found and found != NOBODY:
		_fail(url, found)
	return found


def redis_answers() -> bool:
	"""Whether Redis can be used without being waited for."""
	return why_not() in (None, NOBODY)


@contextmanager
def bounded() -> Iterator[None]:
	"""Ends what Frappe publishes in it after PUBLISH_S, should Redis freeze at that very moment.

	Frappe's connection has no timeout, and may not get one (its workers need it so): it is shut down instead, from
	another thread, which ends the read as a broken connection does. What was sent arrives after the thaw.
	"""
	if not frappe.conf.get("redis_queue"):
		yield
		return
	from frappe.utils.background_jobs import get_redis_connection_without_auth

	connection = None
	with suppress(Exception):
		connection = get_redis_connection_without_auth()
	me = threading.get_ident()
	_publishing[me] = (time.monotonic(), connection)
	_start_watching()
	try:
		yield
	finally:
		del _publishing[me]


def connection(url: str, timeout_s: float) -> Any:
	"""A client of Redis that waits so long and no longer. Raises ValueError for an address that is none."""
	import redis

	# redis-py 4 refuses this for a Unix socket, where there is nothing to wait for.
	connecting = {} if url.startswith("unix:") else {"socket_connect_timeout": timeout_s}
	return redis.Redis.from_url(url, socket_timeout=timeout_s, retry_on_timeout=False, **connecting)


def _ask(url: str) -> str | None:
	import redis

	try:
		if url not in _connections:
			_connections[url] = connection(url, TIMEOUT_S)
		((_, listeners),) = _connections[url].pubsub_numsub(CHANNEL)
	except redis.exceptions.TimeoutError:
		return "redis does not answer"
	except (redis.exceptions.RedisError, ValueError):
		return "redis cannot be reached"
	return None if listeners else NOBODY


def _fail(url: str, reason: str) -> None:
	with _lock:
		if url in _failures:
			return
		_failures[url] = reason
	threading.Thread(target=_ask_on, args=(url,), name="ai-assistant-redis", daemon=True).start()


def _ask_on(url: str) -> None:
	while (found := _ask(url)) and found != NOBODY:
		_failures[url] = found
		time.sleep(TIMEOUT_S)
	_failures.pop(url, None)


def _start_watching() -> None:
	if _watch.is_set():
		return
	with _lock:
		if not _watch.is_set():
			_watch.set()
			threading.Thread(target=_close_the_stuck, name="ai-assistant-publish", daemon=True).start()


def _close_the_stuck() -> None:
	"""Looks after the publishes of this process until it has made none for a while."""
	quiet_since = time.monotonic()
	while time.monotonic() - quiet_since < QUIET_S or not _stop_watching():
		time.sleep(PUBLISH_S / 4)
		for began, connection in list(_publishing.values()):
			quiet_since = time.monotonic()
			if connection and quiet_since - began > PUBLISH_S:
				_shut_down(connection)


def _shut_down(connection: Any) -> None:
	# The pool's own `disconnect()` closes what another thread is reading from, which that thread does not survive;
	# redis-py has no other way to the sockets than these names (4.5 to 7).
	for each in list(getattr(connection.connection_pool, "_in_use_connections", ())):
		with suppress(OSError, AttributeError):
			each._sock.shutdown(socket.SHUT_RDWR)


def _stop_watching() -> bool:
	# First cleared, then looked: whoever saw it set has its publish in the list by then.
	with _lock:
		_watch.clear()
		if _publishing:
			_watch.set()
	return not _watch.is_set()


def _forget() -> None:
	"""Threads and connections stay behind in a fork's parent."""
	global _lock
	_lock = threading.Lock()
	_connections.clear()
	_failures.clear()
	_publishing.clear()
	_watch.clear()


os.register_at_fork(after_in_child=_forget)
