"""Checks whether a realtime server is subscribed, and limits the time that a publish takes.

`frappe.publish_realtime` does neither: it ignores Redis' ConnectionError, discards the number of receivers
(frappe/realtime.py, `emit_via_redis`), and blocks as long as Redis is frozen. The app therefore asks Redis first
for the subscribers of Frappe's channel, on a connection of its own with a short timeout. If Redis does not answer,
one thread asks again, and all others use its last result. A chat waits for an unavailable Redis only once.
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
# If a publish takes longer than this, Redis has frozen after it was asked for the subscribers.
PUBLISH_S = 0.5
QUIET_S = 60
CHANNEL = "events"
NO_SUBSCRIBER = "no realtime server is subscribed"

_connections: dict[str, Any] = {}
_failures: dict[str, str] = {}
# By thread, when its publish began and the connection that it uses.
_publishing: dict[int, tuple[float, Any]] = {}
_watch = threading.Event()
_lock = threading.Lock()


def why_not() -> str | None:
	"""Returns the reason why events reach no client; None if a realtime server is subscribed.

	It takes 82 µs on a bench. The standalone site has no Redis, because its realtime server is in the process.
	"""
	url = frappe.conf.get("redis_queue")
	if not url:
		return None
	if reason := _failures.get(url):
		return reason
	reason = _ask(url)
	if reason and reason != NO_SUBSCRIBER:
		_fail(url, reason)
	return reason


def redis_answers() -> bool:
	"""Returns whether Redis answers, with or without a realtime server."""
	return why_not() in (None, NO_SUBSCRIBER)


@contextmanager
def bounded() -> Iterator[None]:
	"""Ends a publish of Frappe in the block after PUBLISH_S seconds, if Redis freezes at that moment.

	Frappe's connection has no timeout, and its workers must not have one. Another thread shuts the connections of the
	pool down instead, which ends the read as a broken connection does. What was sent arrives when Redis continues. The block must
	contain only the publish.
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
	"""Makes a Redis client with a timeout.

	Raises:
		ValueError: the URL is malformed.
	"""
	import redis

	# redis-py 4 refuses this option for a Unix socket.
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
	return None if listeners else NO_SUBSCRIBER


def _fail(url: str, reason: str) -> None:
	with _lock:
		if url in _failures:
			return
		_failures[url] = reason
	threading.Thread(target=_ask_on, args=(url,), name="ai-assistant-redis", daemon=True).start()


def _ask_on(url: str) -> None:
	while (reason := _ask(url)) and reason != NO_SUBSCRIBER:
		_failures[url] = reason
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
	"""Watches the publishes of this process until there was none for QUIET_S seconds."""
	quiet_since = time.monotonic()
	while time.monotonic() - quiet_since < QUIET_S or not _stop_watching():
		time.sleep(PUBLISH_S / 4)
		for began, connection in list(_publishing.values()):
			quiet_since = time.monotonic()
			if connection and quiet_since - began > PUBLISH_S:
				_shut_down(connection)


def _shut_down(connection: Any) -> None:
	# The pool's `disconnect()` closes a socket under the thread that reads it, which breaks that thread. redis-py 4.5 to
	# 7 has no public way to the sockets.
	for in_use in list(getattr(connection.connection_pool, "_in_use_connections", ())):
		with suppress(OSError, AttributeError):
			in_use._sock.shutdown(socket.SHUT_RDWR)


def _stop_watching() -> bool:
	# The event is cleared before the list is checked. A thread that still saw it set has already put its publish into the list.
	with _lock:
		_watch.clear()
		if _publishing:
			_watch.set()
	return not _watch.is_set()


def _forget() -> None:
	"""Forgets the threads and connections, which stay in the parent of a fork."""
	global _lock
	_lock = threading.Lock()
	_connections.clear()
	_failures.clear()
	_publishing.clear()
	_watch.clear()


os.register_at_fork(after_in_child=_forget)
