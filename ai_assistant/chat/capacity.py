"""Limits the number of threads that chats and waiting calls may hold in this web process. The site keeps the other threads.

A chat holds a thread until its answer is complete, a waiting get_events until an event comes, and a WebSocket until it
closes. A web server distributes requests to its processes at random, so each process counts its own, in memory.
"""

import math
import os
import sys
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import frappe
from frappe import _

from ai_assistant.config import gunicorn
from ai_assistant.config.settings import Limits

from .errors import BUSY_S, ChatError

# In the WSGI environment of a request whose thread is counted already.
HELD = "ai_assistant.thread_is_held"

_held: Counter[tuple[str, str]] = Counter()
_lock = threading.Lock()


@contextmanager
def for_chat(limits: Limits) -> Iterator[None]:
	"""Holds a thread for a chat as long as the context lasts.

	One chat is always allowed. Otherwise a process with a single thread could answer none.

	Raises:
		ChatError: `busy`, if chats already hold their share.
	"""
	if HELD in getattr(getattr(frappe.local, "request", None), "environ", ()):
		yield
		return
	if (user := _hold(max(1, _allowed(limits)))) is None:
		raise busy()
	try:
		yield
	finally:
		_release(user)


def busy() -> ChatError:
	"""Makes the refusal of a request for which no thread is free."""
	message = _("All web threads that chats may hold are taken; ask again in a moment, or in the background.")
	return ChatError("busy", message, BUSY_S)


@contextmanager
def for_wait(limits: Limits) -> Iterator[bool]:
	"""Holds a thread for a waiting get_events or a WebSocket as long as the context lasts, if one is free.

	A user may hold twice as many threads as chats at once (`concurrent_per_user`), so that one user cannot block
	all others.

	Yields:
		Whether a thread was free.
	"""
	user = _hold(_allowed(limits), 2 * limits.concurrent_per_user)
	try:
		yield user is not None
	finally:
		if user is not None:
			_release(user)


def _hold(most: float, most_of_user: float = math.inf) -> tuple[str, str] | None:
	"""Holds a thread if fewer than `most` are held. Returns the site and the user who holds it, None if no thread is free."""
	# One process of a bench serves many sites.
	user = (frappe.local.site, frappe.session.user)
	with _lock:
		if _held.total() >= most or _held[user] >= most_of_user:
			return None
		_held[user] += 1
	return user


def _release(user: tuple[str, str]) -> None:
	with _lock:
		_held[user] -= 1
		if not _held[user]:
			del _held[user]


def serve(threads: int) -> None:
	"""Sets how many requests this process serves at a time."""
	global _threads
	_threads = threads


def reserve(threads: int) -> None:
	"""Reserves threads for chats and waiting calls. The share in the settings then does not apply."""
	global _reserved
	_reserved = threads


def _allowed(limits: Limits) -> float:
	"""Returns how many threads may be held: unlimited if their number is unknown."""
	if _reserved is not None:
		return _reserved
	threads = limits.web_threads or _threads
	return math.inf if threads is None else threads * min(limits.web_percent, 100) // 100


def _threads_of_this_process() -> int | None:
	"""Returns how many requests this process serves at a time, if it belongs to gunicorn; None for other servers.

	A worker keeps gunicorn's `sys.argv`, whatever its title is.
	"""
	# As `gunicorn`, or as `python -m gunicorn`.
	if not any(part.startswith("gunicorn") for part in Path(sys.argv[0]).parts[-2:]):
		return None
	environment = os.environ.get("GUNICORN_CMD_ARGS", "")
	return gunicorn.read(sys.argv[1:], environment, Path.cwd()).threads


_threads = _threads_of_this_process()
_reserved: int | None = None
