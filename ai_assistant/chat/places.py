"""The threads of this web process that chats and waiting get_events may hold: the rest of the site goes on with the others.

A chat holds a thread for as long as its answer takes, a waiting get_events for as long as nothing comes. Which of the
processes of a web server a request meets is chance, so each counts for itself, in its memory: a process that dies
takes its count along.
"""

import sys
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager

import frappe
from frappe import _

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


def _places(limits: Limits) -> int:
	return int(_threads * min(limits.web_percent, 100)) // 100


def _user() -> tuple[str, str]:
	# A bench serves many sites from one process.
	return (frappe.local.site, frappe.session.user)


def _leave(user: tuple[str, str]) -> None:
	with _lock:
		_held[user] -= 1
		if not _held[user]:
			del _held[user]


def _threads_of_gunicorn() -> int:
	"""How many requests this process serves at a time, as gunicorn was told; one where it was not.

	A bench names gunicorn's options on its command line (config/supervisor.conf), and its workers keep that.
	"""
	given = [sys.argv[n + 1] for n, word in enumerate(sys.argv[:-1]) if word == "--threads"]
	given += [word.partition("=")[2] for word in sys.argv if word.startswith("--threads=")]
	return int(given[-1]) if given and given[-1].isdigit() else 1


_threads = _threads_of_gunicorn()
