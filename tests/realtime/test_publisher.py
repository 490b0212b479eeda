"""Tests the publisher against a store that records the calls and fails on demand."""

import re
import threading
from types import SimpleNamespace

import frappe
import pytest
import redis
from frappe.utils import background_jobs

from ai_assistant import log, store
from ai_assistant.gateway import Reasoning, Text, Tick, ToolCall
from ai_assistant.realtime import outbox, redis_health
from ai_assistant.realtime.publisher import Publisher
from tests.realtime.test_redis_health import redis_that
from tests.support.fake_site import OUTCOME, FakeSite

from .conftest import publisher


def test_each_event_is_stored_then_committed_then_sent_to_its_user_alone(site: FakeSite) -> None:
	one = publisher()
	one.accepted()
	one.forward(Reasoning("Hm."))
	one.forward(Text("Yes."))
	one.complete(one.row(OUTCOME))
	assert site.done == ["append", "commit", "send"] * 3 + ["append", "finish", "commit", "send"]
	assert {event["room"] for event in site.sent} == {"user:a@example.com"}
	assert [event["seq"] for event in site.stored] == [1, 2, 3, 4]
	assert site.row["realtime"] == {"events": 4, "failed": 0, "last_seq": 4}


def test_what_nobody_heard_is_stored_counted_and_said(
	site: FakeSite, monkeypatch: pytest.MonkeyPatch
) -> None:
	monkeypatch.setattr(redis_health, "why_not", lambda: "no realtime server is subscribed")
	texts: list[str] = []
	monkeypatch.setattr(log.logger(), "warning", texts.append)
	one = publisher()
	one.accepted()
	one.complete(one.row(OUTCOME))
	assert site.sent == []
	assert [event["seq"] for event in site.stored] == [1, 2]
	assert site.row["realtime"] == {"events": 2, "failed": 2, "last_seq": 2}
	line = r"\[WebSocket\] ❌ \w+ not emitted: no realtime server is subscribed task=t request=r-1234567 seq=\d user=\S+"
	assert [bool(re.fullmatch(line, text)) for text in texts] == [True, True]


@pytest.mark.parametrize("refused", ["append", "commit"])
def test_what_the_store_refused_is_sent_with_what_comes_next(site: FakeSite, refused: str) -> None:
	one = publisher()
	one.accepted()
	site.refuse = {refused}
	with pytest.raises(OSError):
		one.forward(Text("lost? "))
	frappe.db.rollback()
	site.refuse = set()
	one.forward(Text("no."))
	one.complete(one.row(OUTCOME))
	assert [event["seq"] for event in site.stored] == [1, 2, 3, 4]
	assert "".join(event["text"] for event in site.stored) == "lost? no."
	assert site.sent == [
		{"event": "ai_progress", "room": "user:a@example.com", **stored_event} for stored_event in site.stored
	]


@pytest.mark.parametrize("broken", ["append", "commit"])
def test_a_store_that_is_away_is_sent_everything_once_when_it_is_back(
	site: FakeSite, monkeypatch: pytest.MonkeyPatch, broken: str
) -> None:
	monkeypatch.setattr(outbox, "RETRY_S", 0.0)
	one = publisher()
	one.accepted()
	site.away = {broken}
	one.forward(Reasoning("Hm."))
	one.forward(Text("still "))
	assert one.wait_s() == 0.0
	assert len(site.sent) == 1
	site.away = set()
	one.forward(Tick())
	assert [event["text"] for event in site.sent] == ["", "Hm.", "still "]
	one.forward(Text("whole"))
	one.complete(one.row(OUTCOME))
	assert [event["seq"] for event in site.stored] == list(range(1, len(site.stored) + 1))
	assert "".join(event["text"] for event in site.stored) == "Hm.still whole"
	assert site.sent == [
		{"event": "ai_progress", "room": "user:a@example.com", **stored_event} for stored_event in site.stored
	]


def test_events_that_leave_together_are_stored_in_one_transaction(site: FakeSite) -> None:
	one = publisher(tools=True)
	one.accepted()
	one.forward(Text("I "))
	one.forward(Text("read it."))
	site.done.clear()
	one.forward(ToolCall("call_1", "read", "{}"))
	assert site.done == ["append", "append", "commit", "send", "send"]
	assert [event["type"] for event in site.sent] == ["reasoning", "text", "text", "tool_call"]


@pytest.mark.parametrize("broken", ["append", "commit"])
def test_events_that_leave_together_are_sent_once_when_the_store_is_back(
	site: FakeSite, monkeypatch: pytest.MonkeyPatch, broken: str
) -> None:
	monkeypatch.setattr(outbox, "RETRY_S", 0.0)
	one = publisher(tools=True)
	one.accepted()
	one.forward(Text("I "))
	one.forward(Text("read it."))
	site.away = {broken}
	one.forward(ToolCall("call_1", "read", "{}"))
	one.forward(ToolCall("call_2", "read", "{}"))
	site.away = set()
	one.forward(Tick())
	types = [event["type"] for event in site.stored]
	assert types == ["reasoning", "text", "text", "tool_call", "tool_call"]
	assert [event["seq"] for event in site.stored] == [1, 2, 3, 4, 5]
	assert site.sent == [
		{"event": "ai_progress", "room": "user:a@example.com", **stored_event} for stored_event in site.stored
	]


@pytest.mark.parametrize("broken", ["append", "finish", "commit"])
def test_a_completion_waits_for_a_store_that_is_away(
	site: FakeSite, monkeypatch: pytest.MonkeyPatch, broken: str
) -> None:
	one = publisher()
	one.accepted()
	one.forward(Text("Yes."))
	site.away = {broken}
	slept = []

	def sleep(seconds: float) -> None:
		slept.append(seconds)
		site.away = set()

	monkeypatch.setattr(outbox.time, "sleep", sleep)
	one.complete(one.row(OUTCOME))
	assert slept == [outbox.RETRY_S]
	assert [event["type"] for event in site.stored] == ["reasoning", "text", "completion"]
	assert [event["seq"] for event in site.sent] == [1, 2, 3]
	assert site.row["status"] == "completed"


def test_what_another_ended_meanwhile_is_lost_to_one_whose_commit_broke_off(
	site: FakeSite, monkeypatch: pytest.MonkeyPatch
) -> None:
	monkeypatch.setattr(outbox, "RETRY_S", 0.0)
	one = publisher()
	one.accepted()
	site.away = {"append"}
	one.forward(Text("late"))
	site.away = set()
	site.stored.append({"seq": 2, "type": "completion", "text": "", "timestamp": "of another"})
	with pytest.raises(store.LeaseLost):
		one.forward(Tick())
	assert len(site.stored) == 2


def test_a_publisher_that_is_off_stores_the_answer_and_no_event(site: FakeSite) -> None:
	one = publisher(enabled=False)
	one.accepted()
	one.forward(Text("Yes."))
	one.forward(Tick())
	one.complete(one.row(OUTCOME))
	assert site.stored == site.sent == []
	assert (site.row["response"], site.row["realtime"]["events"]) == ("Yes.", 0)


def test_one_that_takes_over_goes_on_where_the_journal_ends(site: FakeSite) -> None:
	one = publisher()
	one.accepted()
	one.forward(Reasoning("Hm."))
	one.forward(Text("Yes"))
	row = {"name": "row", "user": "a@example.com", "task_id": "t", "request_id": "r-1234567", "created": 0.0}
	heir = Publisher.resume(row, list(site.stored), keep_content=True)
	heir.complete(heir.row({**OUTCOME, "status": "failed", "error": {"code": "worker_lost"}}))
	assert (site.row["response"], site.row["reasoning"]) == ("Yes", "Hm.")
	assert [event["seq"] for event in site.stored] == [1, 2, 3, 4]
	assert site.row["timing"]["first_text_ms"] == site.stored[2]["elapsed_ms"]


def test_how_long_a_client_waited_for_event_1_is_measured(site: FakeSite, clock: SimpleNamespace) -> None:
	for asked_at, waited in ((99.75, 250), (100.0, 1), (None, None)):
		one = publisher()
		one.accepted(asked_at)
		assert one.row(OUTCOME)["first_event_ms"] == waited
	off = publisher(enabled=False)
	off.accepted(99.75)
	assert off.row(OUTCOME)["first_event_ms"] is None


def test_a_silence_is_told_every_three_seconds_and_what_it_is_in(
	site: FakeSite, clock: SimpleNamespace
) -> None:
	def told() -> list[tuple[str, int]]:
		return [(event["phase"], event["elapsed_ms"]) for event in site.sent if event["event"] == "ai_status"]

	one = publisher()
	one.accepted()
	assert one.wait_s() == 3
	clock.now += 2.5
	one.forward(Tick())
	assert (told(), one.wait_s()) == ([], 0.5)
	clock.now += 0.5
	one.forward(Tick())
	assert (told(), one.wait_s()) == ([("thinking", 3000)], 3)
	one.forward(Text("Yes"))
	clock.now += 3
	one.forward(Tick())
	assert told() == [("thinking", 3000), ("answering", 6000)]


def test_a_store_that_is_away_is_tried_four_times_a_second_and_told_once(
	site: FakeSite, clock: SimpleNamespace, monkeypatch: pytest.MonkeyPatch
) -> None:
	texts: list[str] = []
	monkeypatch.setattr(log.logger(), "warning", texts.append)
	one = publisher()
	one.accepted()
	site.away = {"append"}
	tries = []
	for _chunk in range(5):
		one.forward(Tick() if site.done.count("append") > 1 else Text("a"))
		tries.append(site.done.count("append") - 1)
		clock.now += 0.125
	assert tries == [1, 1, 2, 2, 3]
	assert one.wait_s() == 0.125
	assert len(texts) == 1
	site.away = set()
	clock.now += 1
	one.forward(Tick())
	assert [event["text"] for event in site.stored] == ["", "a"]


def test_one_that_takes_over_counts_from_when_the_request_was_accepted(
	site: FakeSite, clock: SimpleNamespace
) -> None:
	row = {"name": "row", "user": "a@example.com", "task_id": "t", "request_id": "r-1234567"}
	heir = Publisher.resume({**row, "created": 1e9 + clock.now - 7}, [], keep_content=True)
	assert heir.transcript.timing()["duration_ms"] == 7000


def test_a_slow_commit_closes_no_connection_to_redis(site: FakeSite, monkeypatch: pytest.MonkeyPatch) -> None:
	closed = threading.Event()
	shut_down = redis_health._shut_down
	monkeypatch.setattr(redis_health, "_shut_down", lambda pool: (closed.set(), shut_down(pool)))
	commit = site.commit

	def slow_commit() -> None:
		# Twice as long as a publish may take.
		closed.wait(2 * redis_health.PUBLISH_S)
		commit()

	monkeypatch.setattr(site, "commit", slow_commit)
	with redis_that(b"*2\r\n$6\r\nevents\r\n:1\r\n") as frappe.local.conf["redis_queue"]:
		pool = redis.Redis.from_url(frappe.local.conf["redis_queue"])
		monkeypatch.setattr(background_jobs, "get_redis_connection_without_auth", lambda: pool, raising=False)
		# As a worker that waits for its next job holds one.
		in_use = pool.connection_pool.get_connection()
		publisher().accepted()
		assert not closed.is_set()
		in_use.send_command("PING")
		assert in_use.read_response() == b"PONG"
	assert [event["seq"] for event in site.sent] == [1]


def test_a_publish_that_fails_is_counted_and_ends_no_chat(
	site: FakeSite, monkeypatch: pytest.MonkeyPatch
) -> None:
	lines: list[str] = []
	monkeypatch.setattr(log.logger(), "warning", lines.append)
	site.refuse = {"send"}
	one = publisher()
	one.accepted()
	assert (one.last_seq, one.failed, [event["seq"] for event in site.stored]) == (1, 1, [1])
	assert len(lines) == 1 and "not emitted: OSError" in lines[0]
	site.refuse = set()
	one.complete(one.row(OUTCOME))
	assert site.row["realtime"] == {"events": 2, "failed": 1, "last_seq": 2}
