"""The rows of the standalone site: one SQLite file, one connection a thread."""

from __future__ import annotations

import json
import secrets
import sqlite3
import threading
from collections.abc import Mapping, Sequence
from datetime import date
from pathlib import Path
from typing import Any

from ai_assistant.store import (
	JSON_FIELDS,
	LIVE,
	MEASURED,
	REQUEST_FIELDS,
	SITE,
	UNENDED,
	AlertKey,
	Booked,
	Event,
	LeaseLost,
	Load,
	RequestExists,
	Row,
	Series,
	SumsOf,
)

from . import stand_in

TYPES = {
	"created": "REAL",
	"lease": "REAL",
	"cancel_asked": "INTEGER",
	"prompt_bytes": "INTEGER",
	"ended": "REAL",
	"first_event_ms": "INTEGER",
	"counted": "INTEGER NOT NULL DEFAULT 0",
}

# For the write lock: a transaction here lasts well under a millisecond.
BUSY_S = 10
AWAY = (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED, sqlite3.SQLITE_IOERR, sqlite3.SQLITE_FULL)


class _Held:
	"""A thread's hold on its connection, which closes with it.

	The connection itself is in a cycle (its cache of statements refers back): it would stay open, and its
	file descriptors with it, until some garbage collection.
	"""

	def __init__(self, connection: sqlite3.Connection, turn: threading.Lock) -> None:
		self.connection = connection
		self._turn = turn
		self._has_turn = False
		# Whether something was overwritten that shall not stay in the file.
		self.forgot = False

	def begin(self) -> None:
		# SQLite lets who finds the file locked sleep for up to 100 ms and look again: of many threads some wait
		# for half a second. Its own lock is for other processes.
		self._has_turn = self._has_turn or self._turn.acquire(timeout=BUSY_S)
		try:
			# IMMEDIATE waits for the write lock here. A transaction that began as a reader could not wait
			# for it: it would fail at once if another process has written since.
			self.connection.execute("BEGIN IMMEDIATE")
		except BaseException:
			self.end()
			raise

	def end(self) -> None:
		if self._has_turn:
			self._has_turn = False
			self._turn.release()

	def __del__(self) -> None:
		self.connection.close()
		self.end()


class Database:
	"""The file: reads outside a transaction see the newest commit, the first write begins a transaction.

	Usable from any thread; a transaction belongs to the thread that began it. A thread's connection is
	closed when the thread ends: one that outlasts the site can still write down how it ended.
	"""

	def __init__(self, path: Path) -> None:
		"""Opens the file, making it (for the user's eyes alone: it holds sessions) where there is none."""
		path.touch(mode=0o600)
		self._path = path
		self._thread = threading.local()
		self._turn = threading.Lock()
		# WAL lets readers and a writer work side by side; the file remembers it.
		self._held().connection.execute("PRAGMA journal_mode = WAL")

	def read(self, sql: str, parameters: Sequence[Any] = ()) -> list[Any]:
		"""All rows of a query, as tuples."""
		return self._held().connection.execute(sql, parameters).fetchall()

	def write(self, sql: str, parameters: Sequence[Any] = ()) -> int:
		"""Run a statement in the thread's transaction, beginning one if there is none; gives how many rows it met.

		A statement that fails changes nothing, and one that fails first leaves no transaction behind, nor
		the lock on the file that comes with it.
		"""
		held, begins = self._held(), self.begin()
		try:
			return held.connection.execute(sql, parameters).rowcount
		except BaseException:
			if begins:
				self.rollback()
			raise

	def begin(self) -> bool:
		"""Begin this thread's transaction, if there is none: nobody else writes until it ends. Whether it did."""
		held = self._held()
		if held.connection.in_transaction:
			return False
		held.begin()
		return True

	def commit(self) -> None:
		"""End this thread's transaction, keeping what it wrote."""
		held = self._held()
		held.connection.commit()
		held.end()
		if held.forgot:
			# The log beside the file still has what was overwritten; somebody who reads on may keep it there until the next time.
			((busy, *_pages),) = held.connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
			held.forgot = bool(busy)

	def forget(self, sql: str, parameters: Sequence[Any] = ()) -> None:
		"""As `write`; what the statement overwrites leaves the files, too, once it is committed."""
		if self.write(sql, parameters):
			self._held().forgot = True

	def rollback(self) -> None:
		"""End this thread's transaction, undoing what it wrote."""
		held = self._held()
		try:
			held.connection.rollback()
		finally:
			held.end()

	def close(self) -> None:
		"""Close the connection of this thread, if it has one."""
		self._thread.__dict__.clear()

	def _held(self) -> _Held:
		held: _Held | None = getattr(self._thread, "held", None)
		if held is None:
			connection = sqlite3.connect(
				self._path, timeout=BUSY_S, isolation_level=None, check_same_thread=False
			)
			held = self._thread.held = _Held(connection, self._turn)
			# Durable against a crash of the process, as WAL is; syncing each commit would cost milliseconds.
			connection.execute("PRAGMA synchronous = NORMAL")
			# What is deleted or overwritten is filled with zeros.
			connection.execute("PRAGMA secure_delete = ON")
		return held


class SqliteStore:
	"""`ai_assistant.store.Store` on a Database. SQLite compares keys byte by byte, as the interface asks.

	A str with a lone surrogate raises UnicodeEncodeError, which leaves nothing written.
	"""

	def __init__(self, database: Database) -> None:
		self._database = database
		fields = (*REQUEST_FIELDS, "question", "counted")
		columns = [f"{field} {TYPES.get(field, 'TEXT')}" for field in fields]
		database.write(
			"CREATE TABLE IF NOT EXISTS request"
			f" (name TEXT PRIMARY KEY, {', '.join(columns)}, UNIQUE (user, request_id))"
		)
		# A file of an earlier version lacks the columns that came later.
		known = {name for _, name, *_ in database.read("PRAGMA table_info(request)")}
		for field, column in zip(fields, columns, strict=True):
			if field not in known:
				database.write(f"ALTER TABLE request ADD COLUMN {column}")
		# Of a task the newest is asked for, and what an earlier version had finds all of its past.
		database.write("DROP INDEX IF EXISTS request_of_task")
		database.write("CREATE INDEX IF NOT EXISTS request_newest ON request (user, task_id, created)")
		database.write("CREATE INDEX IF NOT EXISTS request_of_user ON request (user, created)")
		database.write("CREATE INDEX IF NOT EXISTS request_by_status ON request (status, lease)")
		database.write("CREATE INDEX IF NOT EXISTS request_by_call ON request (call_key)")
		database.write("CREATE INDEX IF NOT EXISTS request_by_time ON request (created)")
		database.write("CREATE INDEX IF NOT EXISTS request_by_end ON request (counted, ended)")
		database.write(
			"UPDATE request SET ended = created WHERE ended IS NULL AND status NOT IN (?, ?)", UNENDED
		)
		database.write("CREATE TABLE IF NOT EXISTS sum (series TEXT PRIMARY KEY, value REAL) WITHOUT ROWID")
		database.write(
			"CREATE TABLE IF NOT EXISTS alert (kind TEXT, subject TEXT, message TEXT, began REAL, seen REAL, ended REAL)"
		)
		database.write(
			"CREATE TABLE IF NOT EXISTS event"
			" (request TEXT, seq INTEGER, event TEXT, PRIMARY KEY (request, seq)) WITHOUT ROWID"
		)
		database.write(
			"CREATE TABLE IF NOT EXISTS usage (account TEXT, day TEXT, requests INTEGER, tokens INTEGER,"
			" cost_usd REAL, cached_tokens INTEGER NOT NULL DEFAULT 0, cache_write_tokens INTEGER NOT NULL DEFAULT 0,"
			" PRIMARY KEY (account, day)) WITHOUT ROWID"
		)
		known = {name for _, name, *_ in database.read("PRAGMA table_info(usage)")}
		for column in {"cached_tokens", "cache_write_tokens"} - known:
			database.write(f"ALTER TABLE usage ADD COLUMN {column} INTEGER NOT NULL DEFAULT 0")
		database.commit()

	def now(self) -> float:
		"""The UNIX time by the database's clock: by it what one process has written another judges."""
		# To the millisecond; its unixepoch('subsec') is younger than what some systems have.
		((now,),) = self._database.read("SELECT (julianday('now') - 2440587.5) * 86400")
		return float(now)

	def open(self, row: Mapping[str, Any], question: Mapping[str, Any] | None = None) -> str:
		"""Keep a new request and return its `name`. Raises RequestExists, leaving the transaction usable.

		A queued one is kept with its `question` (anything that JSON can say), until it ends.
		"""
		name = secrets.token_hex(8)
		fields, values = _columns(row)
		fields, values = ["name", "question", *fields], [name, question and _json(question), *values]
		try:
			self._database.write(
				f"INSERT INTO request ({', '.join(fields)}) VALUES ({', '.join('?' * len(fields))})", values
			)
		except sqlite3.IntegrityError as error:
			if "request.request_id" in str(error):
				raise RequestExists(row["request_id"]) from None
			raise
		return name

	def admission_load(self, user: str, now: float, since: float) -> Load:
		"""What there is to do at the UNIX time `now`, with the requests accepted after `since` as `recent`.

		Commits, and lets nobody else see the load until the next commit or rollback: whoever asks then counts what
		was opened meanwhile. So it holds a lock for all of the site; let it be short.
		"""
		self._database.commit()
		self._database.begin()
		((own, running),) = self._database.read(
			"SELECT COALESCE(SUM(user = ?), 0), COALESCE(SUM(status = 'running'), 0) FROM request"
			" WHERE (status = 'queued' AND user = ?) OR (status = 'running' AND lease > ?)",
			[user, user, now],
		)
		recent = self._database.read(
			"SELECT created FROM request WHERE user = ? AND created > ? ORDER BY created", [user, since]
		)
		return Load(own, running, [created for (created,) in recent])

	def start(self, name: str, lease: float) -> tuple[Row, dict[str, Any]]:
		"""Make a queued request one that runs and is held until `lease`; gives it and its question.

		Raises LeaseLost where it is not queued: of several who try, one may run it.
		"""
		self._update(name, {"status": "running", "lease": lease}, ("queued",))
		((question,),) = self._database.read("SELECT question FROM request WHERE name = ?", [name])
		return self._requests("name = ?", [name])[0], json.loads(question)

	def queued(self) -> list[Row]:
		"""The queued requests of all users, in the order in which they were accepted."""
		return self._requests("status = 'queued' ORDER BY created, rowid", [])

	def get(self, user: str, request_id: str) -> Row | None:
		"""The user's own request of that id. Another user's is None, as one that never was."""
		rows = self._requests("user = ? AND request_id = ?", [user, request_id])
		return rows[0] if rows else None

	def continuations(self, user: str, keys: Sequence[str]) -> dict[str, str]:
		"""Returns the `continuation` of the user's newest request of each `call_key` that has one."""
		rows = self._database.read(
			"SELECT call_key, continuation FROM request WHERE call_key IN (SELECT value FROM json_each(?))"
			" AND user = ? AND continuation IS NOT NULL ORDER BY created",
			[_json(list(keys)), user],
		)
		return dict(rows)

	def of_task(self, user: str, task_id: str, unended: bool = False, limit: int | None = None) -> list[Row]:
		"""The user's requests of a task, newest first, at most `limit`; only those `unended` where asked for."""
		# Those that have not ended are few, whatever a task's past: a + keeps SQLite from the index of that.
		where = "status IN (?, ?) AND +user = ? AND +task_id = ?" if unended else "user = ? AND task_id = ?"
		return self._requests(
			f"{where} ORDER BY created DESC, rowid DESC LIMIT ?",
			[*(UNENDED if unended else ()), user, task_id, -1 if limit is None else limit],
		)

	def live(self, user: str | None, since: float, names: Sequence[str], limit: int) -> list[Row]:
		"""The oldest requests that have not ended, were accepted after `since`, or are among `names`, oldest first.

		At most `limit` of a user, or of all users where that is None: `name` and LIVE.
		"""
		# Each by an index of its own: with OR it would be the past of all users that is looked through.
		own = "?1 IS NULL" if user is None else "user = ?1"
		return self._requests(
			f"name IN (SELECT name FROM request WHERE status IN ('queued', 'running') AND {own.replace('user', '+user')}"
			f" UNION ALL SELECT name FROM (SELECT name FROM request WHERE {own} AND created > ?2"
			" ORDER BY created, rowid LIMIT ?4)"
			f" UNION ALL SELECT name FROM request WHERE name IN (SELECT value FROM json_each(?3)) AND {own.replace('user', '+user')})"
			" ORDER BY created, rowid LIMIT ?4",
			[user, since, _json(list(names)), limit],
			LIVE,
		)

	def append(self, name: str, event: Event) -> None:
		"""Keep the next event of a request. Raises LeaseLost where there is one of that `seq`."""
		try:
			self._database.write(
				"INSERT INTO event (request, seq, event) VALUES (?, ?, ?)", [name, event["seq"], _json(event)]
			)
		except sqlite3.IntegrityError:
			raise LeaseLost(name) from None

	def events(self, name: str, after_seq: int = 0) -> list[Event]:
		"""The events of a request with a `seq` above `after_seq`, in order."""
		rows = self._database.read(
			"SELECT event FROM event WHERE request = ? AND seq > ? ORDER BY seq", [name, after_seq]
		)
		return [json.loads(event) for (event,) in rows]

	def last_seq(self, name: str) -> int:
		"""The `seq` of a request's newest event, 0 where there is none."""
		((newest,),) = self._database.read("SELECT MAX(seq) FROM event WHERE request = ?", [name])
		return newest or 0

	def renew(self, name: str, lease: float) -> bool:
		"""Hold a running request until `lease`; whether a cancel was asked for. Raises LeaseLost where it runs no longer."""
		self._update(name, {"lease": lease}, ("running",))
		((asked,),) = self._database.read("SELECT cancel_asked FROM request WHERE name = ?", [name])
		return bool(asked)

	def ask_to_cancel(self, name: str) -> None:
		"""Leave word for the process that runs the request, whichever it is."""
		self._database.write("UPDATE request SET cancel_asked = 1 WHERE name = ?", [name])

	def lapsed(self, now: float) -> list[Row]:
		"""The running requests of all users whose lease had run out by `now`."""
		return self._requests("status = 'running' AND lease < ?", [now])

	def finish(self, name: str, values: Mapping[str, Any]) -> None:
		"""Write the outcome of a request: any of REQUEST_FIELDS. Raises LeaseLost where it has ended already.

		It has `ended` now, if `values` do not say otherwise. Its `usage` is booked with it, on its user's account and on that of the SITE, for today.
		"""
		self._update(name, {"ended": self.now(), **values}, UNENDED)
		self._database.forget(
			"UPDATE request SET question = NULL WHERE name = ? AND question IS NOT NULL", [name]
		)
		if usage := values.get("usage"):
			((user,),) = self._database.read("SELECT user FROM request WHERE name = ?", [name])
			counts = ("total_tokens", "cached_tokens", "cache_write_tokens", "cost_usd")
			booked = [stand_in.now()[:10], *(usage.get(name) or 0 for name in counts)]
			self._database.write(
				"INSERT INTO usage (account, day, requests, tokens, cached_tokens, cache_write_tokens, cost_usd)"
				" VALUES (?, ?, 1, ?, ?, ?, ?), (?, ?, 1, ?, ?, ?, ?)"
				" ON CONFLICT (account, day) DO UPDATE SET requests = requests + 1,"
				" tokens = tokens + excluded.tokens, cached_tokens = cached_tokens + excluded.cached_tokens,"
				" cache_write_tokens = cache_write_tokens + excluded.cache_write_tokens,"
				" cost_usd = cost_usd + excluded.cost_usd",
				[user, *booked, SITE, *booked],
			)

	def booked(self, account: str, since: date) -> list[Booked]:
		"""What is booked on a user's account, or on that of the SITE, for the days from `since` on."""
		rows = self._database.read(
			"SELECT day, tokens, cost_usd FROM usage WHERE account = ? AND day >= ?",
			[account, since.isoformat()],
		)
		return [Booked(date.fromisoformat(day), *used) for day, *used in rows]

	def _update(self, name: str, values: Mapping[str, Any], statuses: Sequence[str]) -> None:
		fields, given = _columns(values)
		changes = ", ".join(f"{field} = ?" for field in fields)
		sql = f"UPDATE request SET {changes} WHERE name = ? AND status IN ({_marks(statuses)})"
		if not self._database.write(sql, [*given, name, *statuses]):
			raise LeaseLost(name)

	def unended(self, now: float) -> dict[str, int]:
		"""How many requests of all users are `queued`, and how many are `running` and held at the UNIX time `now`."""
		((queued, running),) = self._database.read(
			"SELECT COALESCE(SUM(status = 'queued'), 0), COALESCE(SUM(status = 'running'), 0) FROM request"
			" WHERE status = 'queued' OR (status = 'running' AND lease > ?)",
			[now],
		)
		return {"queued": queued, "running": running}

	def ended(self, since: float, limit: int) -> list[Row]:
		"""The newest requests that ended after the UNIX time `since`: `name` and MEASURED, the newest first."""
		return self._requests(
			"counted IN (0, 1) AND ended > ? ORDER BY ended DESC LIMIT ?", [since, limit], MEASURED
		)

	def count(self, sums_of: SumsOf, limit: int, only: Sequence[str] | None = None) -> int:
		"""Add what ended requests came to (`sums_of`) that are in no sum yet, each once whoever counts too.

		At most `limit` of them, or of `only` these. Gives how many that were.
		"""
		self._database.begin()
		uncounted = "counted = 0 AND ended > 0"
		if only is None:
			rows = self._requests(f"{uncounted} ORDER BY ended LIMIT ?", [limit], MEASURED)
		else:
			rows = self._requests(f"{uncounted} AND name IN ({_marks(only)})", only, MEASURED)
		names = [row["name"] for row in rows]
		self._database.write(f"UPDATE request SET counted = 1 WHERE name IN ({_marks(names)})", names)
		for series, value in sums_of(rows).items():
			self._database.write(
				"INSERT INTO sum VALUES (?, ?) ON CONFLICT (series) DO UPDATE SET value = value + excluded.value",
				[_json(series), value],
			)
		return len(rows)

	def sums(self) -> dict[Series, float]:
		"""What all requests came to that were ever counted; they outlive the requests."""
		return {
			tuple(json.loads(series)): value for series, value in self._database.read("SELECT * FROM sum")
		}

	def alerts(self) -> dict[AlertKey, float]:
		"""The alerts that are not over, and the UNIX time at which each was last seen."""
		rows = self._database.read("SELECT kind, subject, seen FROM alert WHERE ended IS NULL")
		return {(kind, subject): seen for kind, subject, seen in rows}

	def keep_alert(self, kind: str, subject: str, message: str, now: float) -> None:
		"""Begin an alert, or say of the one that is not over that it is seen `now`, and what there is to say by now."""
		if not self._database.write(
			"UPDATE alert SET message = ?, seen = ? WHERE kind = ? AND subject = ? AND ended IS NULL",
			[message, now, kind, subject],
		):
			self._database.write(
				"INSERT INTO alert VALUES (?, ?, ?, ?, ?, NULL)", [kind, subject, message, now, now]
			)

	def end_alert(self, kind: str, subject: str, now: float) -> None:
		"""End the alert that is not over."""
		self._database.write(
			"UPDATE alert SET ended = ? WHERE kind = ? AND subject = ? AND ended IS NULL",
			[now, kind, subject],
		)

	def forget(self, name: str) -> None:
		"""Empty the `text`, `arguments` and `tool_calls` of a request's events; all else about them stays."""
		self._database.forget(
			"UPDATE event SET event = json_replace("
			"event, '$.text', '', '$.arguments', '', '$.tool_calls', json_array()) WHERE request = ?",
			[name],
		)

	def reset_if_unreachable(self, error: Exception) -> bool:
		"""Whether an error of the database says that it cannot be reached, or not just now: it is locked.

		What was begun is given up then.
		"""
		# Of its errors' numbers the lowest byte is the kind.
		if getattr(error, "sqlite_errorcode", 0) & 0xFF not in AWAY:
			return False
		stand_in.db.rollback()
		return True

	def _requests(
		self, where: str, parameters: Sequence[Any], wanted: Sequence[str] = REQUEST_FIELDS
	) -> list[Row]:
		fields = ("name", *wanted)
		rows = self._database.read(f"SELECT {', '.join(fields)} FROM request WHERE {where}", parameters)
		return [
			{
				field: json.loads(value) if field in JSON_FIELDS and value is not None else value
				for field, value in zip(fields, row, strict=True)
			}
			for row in rows
		]


def _columns(values: Mapping[str, Any]) -> tuple[list[str], list[Any]]:
	if unknown := values.keys() - set(REQUEST_FIELDS):
		raise ValueError(f"a request has no {', '.join(sorted(unknown))}")
	given = [
		_json(value) if field in JSON_FIELDS and value is not None else value
		for field, value in values.items()
	]
	return list(values), given


def _marks(values: Sequence[Any]) -> str:
	return ", ".join("?" * len(values))


def _json(value: Any) -> str:
	# Not escaped to ASCII: a lone surrogate shall be refused in here as it is in a plain column.
	return json.dumps(value, ensure_ascii=False)
