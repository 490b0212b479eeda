"""One SQLite file, with one connection for each thread."""

import sqlite3
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

# How long a writer waits for the write lock. A transaction takes well under a millisecond.
BUSY_S = 10


class _Held:
	"""The connection of one thread. It closes when the thread ends.

	A sqlite3 connection is part of a reference cycle (its statement cache refers to it), so it and its file descriptors
	would stay open until the next garbage collection.
	"""

	def __init__(
		self, connection: sqlite3.Connection, turn: threading.Lock, turn_of_new: threading.Lock
	) -> None:
		self.connection = connection
		# The locks that a transaction takes, and those that it holds.
		self._turn, self._turn_of_new = turn, turn_of_new
		self._taken: list[threading.Lock] = []
		# Whether the transaction overwrites something that must not stay in the file.
		self.forgot = False

	def begin(self, is_new: bool = False) -> bool:
		if self.connection.in_transaction:
			return False
		# SQLite polls a locked file every 100 ms, so that of many threads some wait for half a second. These locks are
		# for the threads of the process, SQLite's own for other processes.
		# After a transaction that SQLite has ended, the locks are still taken.
		if not self._taken:
			locks = (self._turn_of_new, self._turn) if is_new else (self._turn,)
			self._taken += [lock for lock in locks if lock.acquire(timeout=BUSY_S)]
		try:
			# IMMEDIATE waits for the write lock here. A transaction that began with a read cannot wait for it later:
			# it fails at once if another process has written since.
			self.connection.execute("BEGIN IMMEDIATE")
		except BaseException:
			self.end()
			raise
		return True

	def end(self) -> None:
		while self._taken:
			self._taken.pop().release()

	def __del__(self) -> None:
		self.connection.close()
		self.end()


class Database:
	"""The file. Reads outside a transaction see the newest commit; the first write begins a transaction.

	Any thread may use it, and a transaction belongs to its thread. A thread's connection closes when the thread ends, so
	a chat that outlasts the site can still store its end.
	"""

	def __init__(self, path: Path) -> None:
		"""Opens the file, or creates it. Only the user may read it, because it holds sessions."""
		path.touch(mode=0o600)
		self._path = path
		self._thread = threading.local()
		self._turn, self._turn_of_new = threading.Lock(), threading.Lock()
		# WAL lets readers and a writer work at the same time. The setting is stored in the file.
		self._held().connection.execute("PRAGMA journal_mode = WAL")

	def read(self, sql: str, parameters: Sequence[Any] | Mapping[str, Any] = ()) -> list[Any]:
		"""Returns all rows of a query, as tuples."""
		return self._held().connection.execute(sql, parameters).fetchall()

	def write(self, sql: str, parameters: Sequence[Any] = ()) -> int:
		"""Runs a statement in the thread's transaction, and begins one if there is none.

		A statement that fails changes nothing. If it is the first of its transaction, the transaction ends.

		Returns:
			How many rows the statement changed.
		"""
		held = self._held()
		begins = held.begin()
		try:
			return held.connection.execute(sql, parameters).rowcount
		except BaseException:
			if begins:
				self.rollback()
			raise

	def begin(self, is_new: bool = False) -> bool:
		"""Begins a transaction of this thread, if there is none. No other thread writes until it ends.

		Args:
			is_new: whether it is that of a new request. Of these only one at a time waits for the others, so that many
				new requests do not delay the events of those that run.

		Returns:
			Whether it began one.
		"""
		return self._held().begin(is_new)

	def commit(self) -> None:
		"""Commits this thread's transaction."""
		held = self._held()
		held.connection.commit()
		held.end()
		if held.forgot:
			# The write-ahead log still has what was overwritten. A reader can keep it there until the next commit.
			((busy, *_pages),) = held.connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
			held.forgot = bool(busy)

	def forget(self, sql: str, parameters: Sequence[Any] = ()) -> None:
		"""As `write`, and what the statement overwrites leaves the files as well once it is committed."""
		if self.write(sql, parameters):
			self._held().forgot = True

	def rollback(self) -> None:
		"""Rolls this thread's transaction back."""
		held = self._held()
		try:
			held.connection.rollback()
		finally:
			held.end()

	def close(self) -> None:
		"""Closes the connection of this thread, if it has one."""
		self._thread.__dict__.clear()

	def _held(self) -> _Held:
		held: _Held | None = getattr(self._thread, "held", None)
		if held is None:
			connection = sqlite3.connect(
				self._path, timeout=BUSY_S, isolation_level=None, check_same_thread=False
			)
			held = self._thread.held = _Held(connection, self._turn, self._turn_of_new)
			# A commit survives a crash of the process, thanks to WAL. Syncing each commit would cost milliseconds.
			connection.execute("PRAGMA synchronous = NORMAL")
			# SQLite overwrites deleted content with zeros.
			connection.execute("PRAGMA secure_delete = ON")
		return held
