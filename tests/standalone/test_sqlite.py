"""Tests the store on SQLite: the contract of all stores, and what only this one has."""

import os
import stat
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, closing, nullcontext
from datetime import date
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from unittest import TestCase
from unittest.mock import patch

import pytest

from ai_assistant.standalone import stand_in
from ai_assistant.standalone.sqlite import Database, SqliteStore
from ai_assistant.store import RequestExists, Store
from ai_assistant.store.contract import ANN, USAGE, StoreContract, row


class TestSqliteStore(StoreContract, TestCase):
	def setUp(self) -> None:
		folder = self.enterContext(TemporaryDirectory())
		self.database = self.enterContext(closing(Database(Path(folder) / "site.sqlite")))
		self.store = SqliteStore(self.database)

	def commit(self) -> None:
		self.database.commit()

	def rollback(self) -> None:
		self.database.rollback()

	def connection(self) -> AbstractContextManager[None]:
		return nullcontext()

	def today_is(self, day: date) -> AbstractContextManager[Any]:
		return patch.object(stand_in, "now", lambda: f"{day} 23:59:59.999999")

	def delete_requests(self) -> None:
		self.database.write("DELETE FROM request WHERE user = ?", [ANN])

	def delete_sums(self) -> None: ...


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
	opened = Database(tmp_path / "site.sqlite")
	yield opened
	opened.close()


@pytest.fixture
def store(database: Database) -> Store:
	return SqliteStore(database)


def test_a_refused_request_leaves_no_lock_behind(store: Store, database: Database) -> None:
	store.open(row())
	database.commit()
	with pytest.raises(RequestExists):
		store.open(row())

	with ThreadPoolExecutor(1) as thread:
		# It would wait ten seconds for the lock, and fail.
		thread.submit(lambda: (store.open(row(request_id="r2")), database.commit())).result(5)


def test_what_is_long_over_is_not_looked_through(store: Store, database: Database) -> None:
	"""By the steps of SQLite's own machine, of which a row that is looked at takes some."""

	def steps() -> int:
		counted = [0]

		def one() -> None:
			counted[0] += 1

		connection = database._held().connection
		connection.set_progress_handler(one, 1)
		assert len(store.live(ANN, 1e6, ["running"], 1000)) == 1
		assert len(store.live(None, 1e6, ["running"], 1000)) == 1
		assert len(store.of_task(ANN, "t1", limit=1)) == 1
		assert len(store.of_task(ANN, "t1", unended=True)) == 1
		connection.set_progress_handler(None, 1)
		return counted[0]

	store.open(row(request_id="running", created=5.0))
	alone = steps()
	for n in range(2000):
		store.open(row(request_id=f"over-{n}", created=n / 1000, status="completed"))
	assert steps() < 2 * alone


def test_writers_wait_for_each_other(store: Store, database: Database) -> None:
	def write(thread: int) -> None:
		for n in range(50):
			name = store.open(row(request_id=f"{thread}-{n}"))
			store.append(name, {"seq": 1, "type": "text", "text": ""})
			database.commit()

	with ThreadPoolExecutor(8) as threads:
		for done in [threads.submit(write, thread) for thread in range(8)]:
			done.result()
	assert len(store.of_task(ANN, "t1")) == 400


def test_a_thread_that_ends_in_a_transaction_holds_up_nobody(
	tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
	# Who waits in vain fails by pytest's own limit.
	monkeypatch.setattr("ai_assistant.standalone.sqlite.database.BUSY_S", 3600)
	with closing(Database(tmp_path / "site.sqlite")) as database:
		SqliteStore(database)
		ending = threading.Thread(target=database.write, args=("DELETE FROM event",))
		ending.start()
		ending.join()
		assert database.write("DELETE FROM event") == 0


def test_a_transaction_that_sqlite_has_ended_is_followed_by_another(
	tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
	monkeypatch.setattr("ai_assistant.standalone.sqlite.database.BUSY_S", 3600)
	with closing(Database(tmp_path / "site.sqlite")) as database:
		SqliteStore(database)
		database.write("DELETE FROM event")
		# As it does by itself where the disk is full.
		database.read("ROLLBACK")
		assert database.write("DELETE FROM event") == 0


def test_the_connections_of_a_thousand_threads_end_with_them(store: Store) -> None:
	def descriptors() -> int:
		return len(os.listdir("/proc/self/fd"))

	store.get(ANN, "r1")
	before = descriptors()
	most = 0
	for _ in range(1000):
		thread = threading.Thread(target=store.get, args=(ANN, "r1"))
		thread.start()
		thread.join()
		most = max(most, descriptors())
	assert most <= before + 6


def test_a_database_that_is_closed_keeps_no_file_open(tmp_path: Path) -> None:
	before = len(os.listdir("/proc/self/fd"))
	database = Database(tmp_path / "site.sqlite")
	store = SqliteStore(database)
	with ThreadPoolExecutor(4) as threads:
		for done in [threads.submit(store.get, ANN, "r1") for _ in range(20)]:
			done.result()
	assert len(os.listdir("/proc/self/fd")) > before
	database.close()

	assert len(os.listdir("/proc/self/fd")) == before


def test_the_file_keeps_its_rows_and_is_its_users_own(tmp_path: Path) -> None:
	path = tmp_path / "site.sqlite"
	for request_id in ("r1", "r2"):
		database = Database(path)
		store = SqliteStore(database)
		store.open(row(request_id=request_id))
		database.commit()
		database.close()

	assert stat.S_IMODE(path.stat().st_mode) == 0o600
	assert len(SqliteStore(Database(path)).of_task(ANN, "t1")) == 2


def test_a_file_of_an_earlier_version_gets_the_columns_that_came_later(tmp_path: Path) -> None:
	with closing(Database(tmp_path / "old.sqlite")) as database:
		database.write(
			"CREATE TABLE request (name TEXT PRIMARY KEY, user TEXT, request_id TEXT, task_id TEXT, status TEXT)"
		)
		database.write("INSERT INTO request VALUES ('old', 'ann@store.test', 'r0', 't1', 'completed')")
		database.commit()
		store = SqliteStore(database)
		name = store.open({**row(), "lease": 5.0, "tool_calls": []})
		assert [(stored["name"], stored["tool_calls"]) for stored in store.lapsed(6.0)] == [(name, [])]
		old = store.get(ANN, "r0")
		assert old and (old["tool_calls"], old["continuation"]) == (None, None)
		store.finish(name, {"status": "completed", "usage": USAGE})
		assert [booked.tokens for booked in store.booked(ANN, date(2000, 1, 1))] == [18]


def test_a_file_of_an_earlier_version_gets_the_index_of_admission(tmp_path: Path) -> None:
	with closing(Database(tmp_path / "site.sqlite")) as database:
		SqliteStore(database)
		database.write("DROP INDEX request_lately")
		database.write("CREATE INDEX request_of_user ON request (user, created)")
		database.commit()
		store = SqliteStore(database)
		store.open(row())
		plan = database.read(
			"EXPLAIN QUERY PLAN SELECT created FROM request WHERE user = ? AND created > ?"
			" AND COALESCE(is_continuation, 0) = 0 ORDER BY created DESC LIMIT 1 OFFSET 9",
			[ANN, 0],
		)
		assert "COVERING INDEX request_lately" in plan[0][3]
		names = database.read("SELECT name FROM sqlite_master WHERE type = 'index'")
		assert ("request_of_user",) not in names


def test_tokens_of_the_cache_are_booked_too(store: Store, database: Database) -> None:
	for usage in ({**USAGE, "cached_tokens": 7, "cache_write_tokens": 2}, USAGE):
		store.finish(store.open(row(request_id=f"r{len(usage)}")), {"status": "completed", "usage": usage})
	booked = database.read("SELECT account, tokens, cached_tokens, cache_write_tokens FROM usage")
	assert sorted(booked) == [("", 36, 7, 2), (ANN, 36, 7, 2)]


def test_a_file_of_an_earlier_version_gets_the_columns_of_the_cache(tmp_path: Path) -> None:
	database = Database(tmp_path / "old.sqlite")
	database.write(
		"CREATE TABLE usage (account TEXT, day TEXT, requests INTEGER, tokens INTEGER, cost_usd REAL,"
		" PRIMARY KEY (account, day)) WITHOUT ROWID"
	)
	database.write("INSERT INTO usage VALUES ('ann', '2026-11-30', 1, 5, 0.5)")
	database.commit()
	SqliteStore(database)
	rows = database.read("SELECT tokens, cost_usd, cached_tokens, cache_write_tokens FROM usage")
	assert rows == [(5, 0.5, 0, 0)]


def test_requests_of_the_same_moment_come_in_the_order_in_which_they_were_opened(store: Store) -> None:
	for request_id in ("first-01", "second-1", "third-01"):
		store.open(row(request_id=request_id, created=2.0))
	ids = [stored["request_id"] for stored in store.of_task(ANN, "t1")]
	assert ids == ["third-01", "second-1", "first-01"]
	names = [stored["name"] for stored in reversed(store.of_task(ANN, "t1"))]
	assert [stored["name"] for stored in store.live(ANN, 0.0, [], 2)] == names[:2]


def test_the_end_of_a_queued_request_leaves_no_question(store: Store, database: Database) -> None:
	name = store.open(row(status="queued"), {"messages": []})
	store.finish(name, {"status": "cancelled"})
	assert database.read("SELECT question FROM request") == [(None,)]


class _Lock:
	"""A lock that counts who waits for it."""

	def __init__(self, changed: threading.Condition) -> None:
		self._lock = threading.Lock()
		self._changed = changed
		self.waiting = 0

	def acquire(self, timeout: float) -> bool:
		self._wait(1)
		try:
			return self._lock.acquire(timeout=timeout)
		finally:
			self._wait(-1)

	def release(self) -> None:
		self._lock.release()

	def _wait(self, more: int) -> None:
		with self._changed:
			self.waiting += more
			self._changed.notify_all()


def test_of_many_new_requests_one_waits_beside_those_that_run(tmp_path: Path) -> None:
	"""Otherwise the first chunk of a chat would wait until all chats that began with it are stored."""
	changed = threading.Condition()
	turn, turn_of_new = _Lock(changed), _Lock(changed)
	with (
		patch.object(threading, "Lock", side_effect=[turn, turn_of_new]),
		closing(Database(tmp_path / "site.sqlite")) as database,
	):
		store = SqliteStore(database)
	database.begin()

	def ask(user: str) -> None:
		store.admission_load(user, 60, 1)
		database.commit()
		database.close()

	with ThreadPoolExecutor() as pool:
		asking = [pool.submit(ask, f"user{n}") for n in range(5)]
		with changed:
			assert changed.wait_for(lambda: turn.waiting + turn_of_new.waiting == 5, 10)
			counts = (turn.waiting, turn_of_new.waiting)
		database.commit()
		for one in asking:
			one.result(10)
	database.close()
	assert counts == (1, 4)
