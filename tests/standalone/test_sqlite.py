"""The store's interface on SQLite, and its transactions."""

import os
import stat
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor, wait
from contextlib import closing
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from ai_assistant.standalone import stand_in
from ai_assistant.standalone.sqlite import Database, SqliteStore
from ai_assistant.store import REQUEST_FIELDS, SITE, Booked, LeaseLost, RequestExists, Store

USAGE = {"total_tokens": 18, "cost_usd": 0.25}


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
	opened = Database(tmp_path / "site.sqlite")
	yield opened
	opened.close()


@pytest.fixture
def store(database: Database) -> Store:
	return SqliteStore(database)


def row(**values: Any) -> dict[str, Any]:
	return {"user": "ann", "request_id": "r1", "task_id": "t1", "status": "running", "created": 1.5, **values}


def test_a_request_comes_back_as_it_was_kept(store: Store) -> None:
	given = row(
		mode="chat",
		provider="claude",
		response="💭\0 ",
		usage={"total_tokens": 3, "cost_usd": 0.5},
		tool_calls=[{"id": "c", "type": "function", "function": {"name": "f", "arguments": "{}"}}],
		continuation="c2lnbmVk",
		attempts=[{"provider": "a", "error": None}],
		error=None,
	)

	name = store.open(given)

	found = store.get("ann", "r1")
	assert found == {"name": name, **dict.fromkeys(REQUEST_FIELDS), **given}
	assert set(found) == {"name", *REQUEST_FIELDS}


def test_the_outcome_of_a_request_is_written_over_what_was_there(store: Store) -> None:
	name = store.open(row(usage={"total_tokens": 1}))

	store.finish(name, {"status": "completed", "usage": None, "timing": {"duration_ms": 5}})

	found = store.get("ann", "r1")
	assert found and (found["status"], found["usage"], found["timing"], found["task_id"]) == (
		"completed",
		None,
		{"duration_ms": 5},
		"t1",
	)


def test_what_is_no_field_of_a_request_is_refused(store: Store) -> None:
	with pytest.raises(ValueError, match="a request has no colour"):
		store.open(row(colour="red"))
	name = store.open(row())
	with pytest.raises(ValueError, match="a request has no colour"):
		store.finish(name, {"colour": "red"})


def test_a_request_is_its_users_own(store: Store) -> None:
	store.open(row())

	assert store.get("bob", "r1") is None
	assert store.get("ann", "r2") is None
	assert store.of_task("bob", "t1") == []


@pytest.mark.parametrize("other", ["R1", "r1 ", " r1", "r1\0", "ｒ1", "r01"])
def test_keys_are_compared_byte_by_byte(store: Store, other: str) -> None:
	store.open(row(request_id="r1", task_id="r1"))

	assert store.get("ann", other) is None
	assert store.of_task("ann", other) == []
	store.open(row(request_id=other, task_id=other))
	assert store.get("ann", other)
	store.open(row(user=other))
	assert store.get(other, "r1")


def test_numbers_that_are_strings_stay_strings(store: Store) -> None:
	store.open(row(request_id="007", task_id="1e3"))

	assert store.get("ann", "7") is None
	assert [found["task_id"] for found in store.of_task("ann", "1e3")] == ["1e3"]


def test_a_second_request_of_an_id_is_refused_and_the_transaction_goes_on(
	store: Store, database: Database
) -> None:
	first = store.open(row())
	with pytest.raises(RequestExists):
		store.open(row(task_id="another"))
	store.open(row(request_id="r2"))
	database.commit()

	found = store.get("ann", "r1")
	assert found and (found["name"], found["task_id"]) == (first, "t1")
	assert store.get("ann", "r2")


def test_two_users_may_use_the_same_id(store: Store) -> None:
	assert store.open(row()) != store.open(row(user="bob"))


def test_a_refused_request_leaves_no_lock_behind(store: Store, database: Database) -> None:
	store.open(row())
	database.commit()
	with pytest.raises(RequestExists):
		store.open(row())

	with ThreadPoolExecutor(1) as thread:
		# It would wait ten seconds for the lock, and fail.
		thread.submit(lambda: (store.open(row(request_id="r2")), database.commit())).result(5)


def test_of_two_threads_that_open_the_same_id_one_is_refused(store: Store, database: Database) -> None:
	together = threading.Barrier(8)

	def attempt() -> bool:
		together.wait()
		try:
			store.open(row())
		except RequestExists:
			return False
		database.commit()
		return True

	with ThreadPoolExecutor(8) as threads:
		results = [done.result() for done in [threads.submit(attempt) for _ in range(8)]]
	assert sorted(results) == [False] * 7 + [True]


def test_the_requests_of_a_task_come_newest_first_all_or_those_unended(store: Store) -> None:
	for n, status in enumerate(("completed", "running", "queued")):
		store.open(row(request_id=f"r{n}", status=status, created=float(n)))
	store.open(row(request_id="same time", created=2.0))
	store.open(row(request_id="elsewhere", task_id="t2"))

	def ids(unended: bool) -> list[str]:
		return [found["request_id"] for found in store.of_task("ann", "t1", unended)]

	assert ids(False) == ["same time", "r2", "r1", "r0"]
	assert ids(True) == ["same time", "r2", "r1"]
	assert [found["request_id"] for found in store.of_task("ann", "t1", limit=1)] == ["same time"]


def test_what_is_long_over_is_not_looked_through(store: Store, database: Database) -> None:
	"""By the steps of SQLite's own machine, of which a row that is looked at takes some."""

	def steps() -> int:
		counted = [0]

		def one() -> None:
			counted[0] += 1

		connection = database._held().connection
		connection.set_progress_handler(one, 1)
		assert len(store.live("ann", 1e6, ["running"], 1000)) == 1
		assert len(store.live(None, 1e6, ["running"], 1000)) == 1
		assert len(store.of_task("ann", "t1", limit=1)) == 1
		assert len(store.of_task("ann", "t1", unended=True)) == 1
		connection.set_progress_handler(None, 1)
		return counted[0]

	store.open(row(request_id="running", created=5.0))
	alone = steps()
	for n in range(2000):
		store.open(row(request_id=f"over-{n}", created=n / 1000, status="completed"))
	assert steps() < 2 * alone


def test_live_are_those_that_run_or_began_since_or_are_named_the_oldest_first(store: Store) -> None:
	ended = store.open(row(request_id="ended", status="completed", created=1.0))
	store.open(row(request_id="never named", status="failed", created=2.0))
	store.open(row(request_id="queued", status="queued", created=0.5))
	store.open(row(request_id="just then", status="completed", created=3.0))
	store.open(row(request_id="since", status="cancelled", created=3.000001))
	store.open(row(request_id="at the same time", status="completed", created=3.000001))
	theirs = store.open(row(user="bob", request_id="bob's", status="running", created=0.25))

	called = {
		found["name"]: found["request_id"] for user in ("ann", "bob") for found in store.of_task(user, "t1")
	}

	def ids(user: str | None, since: float, *names: str, limit: int = 100) -> list[str]:
		return [called[found["name"]] for found in store.live(user, since, names, limit)]

	assert ids("ann", 9.0) == ["queued"]
	assert ids("ann", 3.0) == ["queued", "since", "at the same time"]
	# Another's is not shown for being named.
	assert ids("ann", 9.0, ended, theirs, "none", ended) == ["queued", "ended"]
	assert ids("bob", 0.0, ended) == ["bob's"]
	assert ids(None, 9.0, ended) == ["bob's", "queued", "ended"]
	assert (ids("Ann", 0.0, ended), ids("ann ", 0.0, ended), ids("", 0.0, ended)) == ([], [], [])
	assert ids("ann", 9.0, *map(str, range(1000)), ended) == ["queued", "ended"]
	assert ids("ann", 3.0, limit=2) == ["queued", "since"]


def test_events_come_back_in_order_after_a_number(store: Store) -> None:
	name, other = store.open(row()), store.open(row(request_id="r2"))
	events = [{"seq": seq, "type": "text", "text": f"💭{seq}", "partial": True} for seq in range(1, 12)]
	for event in reversed(events):
		store.append(name, event)
	store.append(other, {"seq": 1, "type": "text", "text": "other"})

	assert store.events(name) == events
	assert store.events(name, after_seq=9) == events[9:]
	assert store.events(name, after_seq=11) == []
	assert store.events("nosuch") == []


def test_a_number_is_given_to_one_event_of_a_request_alone(store: Store, database: Database) -> None:
	name = store.open(row())
	store.append(name, {"seq": 1, "type": "text", "text": "first"})
	with pytest.raises(LeaseLost):
		store.append(name, {"seq": 1, "type": "text", "text": "second"})
	store.append(name, {"seq": 2, "type": "text", "text": "third"})
	database.commit()

	assert [event["text"] for event in store.events(name)] == ["first", "third"]


def test_a_request_that_is_forgotten_keeps_its_events_without_their_text(store: Store) -> None:
	name, other = store.open(row()), store.open(row(request_id="r2"))
	events = [{"seq": seq, "type": "text", "text": "said 💭", "partial": True} for seq in (1, 2)]
	for event in events:
		store.append(name, event)
		store.append(other, event)

	store.forget(name)

	assert store.events(name) == [{**event, "text": ""} for event in events]
	assert store.events(other) == events


def test_what_a_forgotten_request_called_is_forgotten_too(store: Store) -> None:
	name = store.open(row())
	call = {"seq": 1, "type": "tool_call", "text": "", "id": "c", "name": "f", "arguments": '{"a": "secret"}'}
	end = {"seq": 2, "type": "completion", "text": "", "tool_calls": [{"arguments": "secret"}]}
	for event in (call, end):
		store.append(name, event)

	store.forget(name)

	assert store.events(name) == [{**call, "arguments": ""}, {**end, "tool_calls": []}]


def test_others_see_what_was_written_at_the_commit_and_not_before(store: Store, database: Database) -> None:
	with ThreadPoolExecutor(1) as other:
		name = store.open(row())
		assert store.get("ann", "r1")
		assert other.submit(store.get, "ann", "r1").result() is None
		database.commit()
		assert other.submit(store.get, "ann", "r1").result()
		store.append(name, {"seq": 1, "type": "text", "text": ""})
		assert other.submit(store.events, name).result() == []
		database.commit()
		assert len(other.submit(store.events, name).result()) == 1


def test_a_rollback_undoes_what_was_written_since_the_commit(store: Store, database: Database) -> None:
	name = store.open(row())
	database.commit()
	store.append(name, {"seq": 1, "type": "text", "text": ""})
	store.finish(name, {"status": "failed"})
	database.rollback()
	database.rollback()

	found = store.get("ann", "r1")
	assert found and found["status"] == "running"
	assert store.events(name) == []


def test_writers_wait_for_each_other(store: Store, database: Database) -> None:
	def write(thread: int) -> None:
		for n in range(50):
			name = store.open(row(request_id=f"{thread}-{n}"))
			store.append(name, {"seq": 1, "type": "text", "text": ""})
			database.commit()

	with ThreadPoolExecutor(8) as threads:
		for done in [threads.submit(write, thread) for thread in range(8)]:
			done.result()
	assert len(store.of_task("ann", "t1")) == 400


def test_whoever_asks_what_there_is_to_do_lets_the_next_one_wait(store: Store, database: Database) -> None:
	assert store.admission_load("ann", 0, 0).own == 0
	with ThreadPoolExecutor(1) as thread:
		next_one = thread.submit(store.admission_load, "ann", 0, 0)
		# One that did not wait would have answered by then.
		assert not wait([next_one], timeout=0.3).done
		store.open(row(lease=1))
		database.commit()
		assert next_one.result().own == 1


@pytest.mark.parametrize("where", ["request_id", "response", "usage", "event"])
def test_a_lone_surrogate_is_refused_and_harms_nothing(store: Store, database: Database, where: str) -> None:
	name = store.open(row())
	database.commit()
	lone = "\ud83d"

	with pytest.raises(UnicodeEncodeError):
		if where == "event":
			store.append(name, {"seq": 1, "type": "text", "text": lone})
		elif where == "usage":
			store.finish(name, {"usage": {"note": lone}})
		else:
			store.open({**row(request_id="r2"), where: lone})

	with ThreadPoolExecutor(1) as other:
		other.submit(lambda: (store.open(row(request_id="r3")), database.commit())).result(5)
	store.append(name, {"seq": 1, "type": "text", "text": "whole"})
	database.commit()
	assert [event["text"] for event in store.events(name)] == ["whole"]


def test_a_thread_that_ends_in_a_transaction_holds_up_nobody(
	tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
	# Who waits in vain fails by pytest's own limit.
	monkeypatch.setattr("ai_assistant.standalone.sqlite.BUSY_S", 3600)
	with closing(Database(tmp_path / "site.sqlite")) as database:
		SqliteStore(database)
		ending = threading.Thread(target=database.write, args=("DELETE FROM event",))
		ending.start()
		ending.join()
		assert database.write("DELETE FROM event") == 0


def test_a_transaction_that_sqlite_has_ended_is_followed_by_another(
	tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
	monkeypatch.setattr("ai_assistant.standalone.sqlite.BUSY_S", 3600)
	with closing(Database(tmp_path / "site.sqlite")) as database:
		SqliteStore(database)
		database.write("DELETE FROM event")
		# As it does by itself where the disk is full.
		database.read("ROLLBACK")
		assert database.write("DELETE FROM event") == 0


def test_the_connections_of_a_thousand_threads_end_with_them(store: Store) -> None:
	def descriptors() -> int:
		return len(os.listdir("/proc/self/fd"))

	store.get("ann", "r1")
	before = descriptors()
	most = 0
	for _ in range(1000):
		thread = threading.Thread(target=store.get, args=("ann", "r1"))
		thread.start()
		thread.join()
		most = max(most, descriptors())
	assert most <= before + 6


def test_a_database_that_is_closed_keeps_no_file_open(tmp_path: Path) -> None:
	before = len(os.listdir("/proc/self/fd"))
	database = Database(tmp_path / "site.sqlite")
	store = SqliteStore(database)
	with ThreadPoolExecutor(4) as threads:
		for done in [threads.submit(store.get, "ann", "r1") for _ in range(20)]:
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
	assert len(SqliteStore(Database(path)).of_task("ann", "t1")) == 2


def test_a_lease_is_renewed_until_the_request_ends(store: Store, database: Database) -> None:
	name = store.open({**row(), "lease": 5.0, "cancel_asked": 0})
	database.commit()
	assert [found["name"] for found in store.lapsed(6.0)] == [name]
	assert store.renew(name, 7.0) is False
	assert store.lapsed(6.0) == []
	store.ask_to_cancel(name)
	assert store.renew(name, 8.0) is True
	store.finish(name, {"status": "completed"})
	assert store.lapsed(9.0) == []
	with pytest.raises(LeaseLost):
		store.renew(name, 10.0)
	with pytest.raises(LeaseLost):
		store.finish(name, {"status": "failed"})
	found = store.get(row()["user"], row()["request_id"])
	assert found and (found["status"], found["lease"]) == ("completed", 8.0)


def test_a_file_of_an_earlier_version_gets_the_columns_that_came_later(tmp_path: Path) -> None:
	with closing(Database(tmp_path / "old.sqlite")) as database:
		database.write(
			"CREATE TABLE request (name TEXT PRIMARY KEY, user TEXT, request_id TEXT, task_id TEXT, status TEXT)"
		)
		database.write("INSERT INTO request VALUES ('old', 'ann', 'r0', 't1', 'completed')")
		database.commit()
		store = SqliteStore(database)
		name = store.open({**row(), "lease": 5.0, "tool_calls": []})
		assert [(found["name"], found["tool_calls"]) for found in store.lapsed(6.0)] == [(name, [])]
		old = store.get("ann", "r0")
		assert old and (old["tool_calls"], old["continuation"]) == (None, None)
		store.finish(name, {"status": "completed", "usage": USAGE})
		assert [booked.tokens for booked in store.booked("ann", date(2000, 1, 1))] == [18]


def test_a_queued_request_keeps_its_question_and_is_started_once(store: Store, database: Database) -> None:
	question = {"messages": [{"role": "user", "content": "💭"}], "temperature": None}
	store.open(row(request_id="later", status="queued", created=3.0), question)
	name = store.open(row(request_id="sooner", status="queued", created=2.0), question)
	store.open(row(request_id="running"))
	database.commit()
	assert [each["request_id"] for each in store.queued()] == ["sooner", "later"]
	started: list[Any] = []

	def start() -> None:
		try:
			started.append(store.start(name, 99.0))
			database.commit()
		except LeaseLost:
			database.rollback()

	with ThreadPoolExecutor(8) as threads:
		for done in [threads.submit(start) for _ in range(8)]:
			done.result()
	((found, asked),) = started
	assert (found["request_id"], found["status"], found["lease"]) == ("sooner", "running", 99.0)
	assert asked == question
	assert [each["request_id"] for each in store.queued()] == ["later"]


def test_a_queued_request_may_end_without_having_been_started(store: Store, database: Database) -> None:
	name = store.open(row(status="queued"), {"messages": []})
	assert store.lapsed(1e12) == []
	with pytest.raises(LeaseLost):
		store.renew(name, 1.0)
	store.finish(name, {"status": "cancelled"})
	for late in (lambda: store.start(name, 1.0), lambda: store.finish(name, {"status": "failed"})):
		with pytest.raises(LeaseLost):
			late()
	assert database.read("SELECT question FROM request") == [(None,)]


def test_what_a_request_has_used_is_booked_on_the_day_on_which_it_ends(
	store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
	first, second, third = date(2026, 11, 30), date(2026, 12, 1), date(2026, 12, 2)
	for n, (user, day, usage) in enumerate(
		[
			("ann", first, USAGE),
			("ann", second, USAGE),
			("ann", second, {"total_tokens": 5, "cost_usd": None}),
			("bob", second, USAGE),
			("Ann", third, USAGE),
			("ann", third, None),
		]
	):
		name = store.open(row(user=user, request_id=f"r{n}"))
		monkeypatch.setattr(stand_in, "now", lambda day=day: f"{day} 23:59:59.999999")
		store.finish(name, {"status": "completed", "usage": usage})

	assert store.booked("ann", first) == [Booked(first, 18, 0.25), Booked(second, 23, 0.25)]
	assert store.booked("ann", second) == [Booked(second, 23, 0.25)]
	assert store.booked("ann", third) == []
	assert store.booked("Ann", first) == [Booked(third, 18, 0.25)]
	assert store.booked("nobody", first) == []
	assert store.booked(SITE, second) == [Booked(second, 41, 0.5), Booked(third, 18, 0.25)]


def test_tokens_of_the_cache_are_booked_too(store: Store, database: Database) -> None:
	for usage in ({**USAGE, "cached_tokens": 7, "cache_write_tokens": 2}, USAGE):
		store.finish(store.open(row(request_id=f"r{len(usage)}")), {"status": "completed", "usage": usage})
	booked = database.read("SELECT account, tokens, cached_tokens, cache_write_tokens FROM usage")
	assert sorted(booked) == [("", 36, 7, 2), ("ann", 36, 7, 2)]


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


def test_of_many_who_end_a_request_one_books_it_and_with_its_end_alone(
	store: Store, database: Database
) -> None:
	name = store.open(row())
	store.finish(name, {"status": "completed", "usage": USAGE})
	database.rollback()
	assert store.booked(SITE, date(2000, 1, 1)) == []
	name = store.open(row())
	database.commit()
	together = threading.Barrier(8)

	def finish() -> bool:
		together.wait()
		try:
			store.finish(name, {"status": "failed", "usage": USAGE})
		except LeaseLost:
			database.rollback()
			return False
		database.commit()
		return True

	with ThreadPoolExecutor(8) as threads:
		ended = [done.result() for done in [threads.submit(finish) for _ in range(8)]]
	assert sorted(ended) == [False] * 7 + [True]
	for account in ("ann", SITE):
		assert [booked[1:] for booked in store.booked(account, date(2000, 1, 1))] == [(18, 0.25)]
