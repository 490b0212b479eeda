"""The threads of this web process that chats and waiting get_events may hold: the rest of the site goes on with the others.

A chat holds a thread for as long as its answer takes, a waiting get_events for as long as nothing comes. Which of the
processes of a web server a request meets is chance, so each counts for itself, in its memory: a process that dies
takes its count along.
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

_held: Counter[tuple[str, str]] = Counter()
_lock = threading.Lock()


@contextmanager
def for_chat(limits: Limits) -> Iterator[None]:
	"""Holds a place for a chat. Raises ChatError `busy` where none is free.

	One there always is: a process with a single thread could not answer at all otherwise.
	"""
	user = _user()
	with _lock:
		if _held.total() >= max(1, _places(limits)):
			message = _(
				"All web threads that chats may hold are taken; ask again in a moment, or in the background."
			)
			raise ChatError("busy", message, BUSY_S)
		_held[user] += 1
	try:
		yield
	finally:
		_leave(user)


@contextmanager
def for_wait(limits: Limits) -> Iterator[bool]:
	"""Holds a place for one who waits for events, where one is free; whether it was.

	A user has one for each chat that they may have, and so keeps nobody else from chatting.
	"""
	user = _user()
	with _lock:
		free = _held.total() < _places(limits) and _held[user] < 2 * limits.concurrent_per_user
		if free:
			_held[user] += 1
	try:
		yield free
	finally:
		if free:
			_leave(user)


def serve(threads: int) -> None:
	"""Says how many requests this process serves at a time."""
	global _threads
	_threads = threads


def _places(limits: Limits) -> float:
	"""As many as it likes where nobody knows how many threads there are: none shall be refused for a guess."""
	threads = limits.web_threads or _threads
	return math.inf if threads is None else threads * min(limits.web_percent, 100) // 100


def _user() -> tuple[str, str]:
	# A bench serves many sites from one process.
	return (frappe.local.site, frappe.session.user)


def _leave(user: tuple[str, str]) -> None:
	with _lock:
		_held[user] -= 1
		if not _held[user]:
			del _held[user]


def _threads_of_this_process() -> int | None:
	"""How many requests this process serves at a time, if it belongs to gunicorn; None for other servers.

	A worker keeps gunicorn's `sys.argv`, whatever its title is.
	"""
	# As `gunicorn`, or as `python -m gunicorn`.
	if not any(part.startswith("gunicorn") for part in Path(sys.argv[0]).parts[-2:]):
		return None
	environment = os.environ.get("GUNICORN_CMD_ARGS", "")
	return gunicorn.read(sys.argv[1:], environment, Path.cwd()).threads


_threads = _threads_of_this_process()
