"""Tests the publisher against a store that records the calls and fails on demand."""

import re
import threading
from collections.abc import Iterator
from itertools import pairwise
from types import SimpleNamespace
from typing import Any

import frappe
import pytest
import redis
from frappe.utils import background_jobs

from ai_assistant import log, store
from ai_assistant.gateway import Chunk, Reasoning, Text, Tick, ToolCall, ToolCallDelta, ToolCallStart
from ai_assistant.realtime import outbox, redis_health, transcript
from ai_assistant.realtime import publisher as publishing
from ai_assistant.realtime.publisher import Publisher
from tests.realtime.test_redis_health import redis_that
from tests.support.fake_site import OUTCOME, FakeSite


@pytest.fixture
def site(monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeSite]:
	made = FakeSite()
	monkeypatch.setattr(store, "_store", made)
	frappe.local.db, frappe.local.conf = made, {}
	yield made
	del frappe.local.db, frappe.local.conf


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> SimpleNamespace:
	"""The publisher's, which stands at `now`."""
	made = SimpleNamespace(now=100.0)
	stopped = SimpleNamespace(monotonic=lambda: made.now, time=lambda: 1e9 + made.now)
	for module in (publishing, outbox, transcript):
		monkeypatch.setattr(module, "time", stopped)
	monkeypatch.setattr(FakeSite, "now", lambda _self: stopped.time())
	return made


def publisher(enabled: bool = True, keep_content: bool = True, tools: bool = False) -> Publisher:
	return Publisher("row", "a@example.com", "t", "r-1234567", 1.0, enabled, keep_content, tools)


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


CALLS = (ToolCall("c1", "clock", "{}"), ToolCall("c2", "weather", '{"city": ', "The arguments are no JSON."))
AS_CALLED = [
	{"id": "c1", "type": "function", "function": {"name": "clock", "arguments": "{}"}},
	{
		"id": "c2",
		"type": "function",
		"function": {"name": "weather", "arguments": '{"city": '},
		"arguments_error": "The arguments are no JSON.",
	},
]


def call(one: Publisher) -> None:
	one.accepted()
	for chunk in (
		Reasoning("Hm."),
		Text("Let me"),
		Text(" look"),
		CALLS[0],
		CALLS[1],
		Text(" at"),
		Text(" it."),
	):
		one.forward(chunk)
	one.complete(one.row({**OUTCOME, "continuation": "signed"}))


def test_a_call_is_sent_whole_once_and_after_what_was_said_before_it(site: FakeSite) -> None:
	call(publisher(tools=True))
	shown = [(event["type"], event["text"], event.get("id")) for event in site.sent]
	assert shown == [
		("reasoning", "", None),
		("reasoning", "Hm.", None),
		("text", "Let me", None),
		("text", " look", None),
		("tool_call", "", "c1"),
		("tool_call", "", "c2"),
		("text", " at it.", None),
		("completion", "", None),
	]
	first, second = (event for event in site.stored if event["type"] == "tool_call")
	assert (first["name"], first["arguments"], first["partial"]) == ("clock", "{}", True)
	assert "arguments_error" not in first and second["arguments_error"] == "The arguments are no JSON."
	assert site.stored[-1]["tool_calls"] == site.row["tool_calls"] == AS_CALLED
	assert site.row["continuation"] == "signed" and "continuation" not in site.stored[-1]


def test_one_without_tools_says_nothing_of_calls(site: FakeSite) -> None:
	one = publisher()
	one.accepted()
	one.complete(one.row(OUTCOME))
	assert site.row["tool_calls"] is None and "tool_calls" not in site.stored[-1]
	one = publisher(tools=True)
	one.accepted()
	one.complete(one.row(OUTCOME))
	assert site.row["tool_calls"] == site.stored[-1]["tool_calls"] == []


def test_the_line_of_a_call_says_its_size_and_not_its_words(
	site: FakeSite, monkeypatch: pytest.MonkeyPatch
) -> None:
	texts: list[str] = []
	monkeypatch.setattr(log.logger(), "info", texts.append)
	call(publisher(tools=True))
	assert (
		texts[4]
		== "[WebSocket] 🔧 TOOL_CALL emitted: 2 chars task=t request=r-1234567 seq=5 user=a@example.com"
	)
	assert not any("city" in line for line in texts)


def test_calls_wait_for_a_store_that_is_away_too(site: FakeSite, monkeypatch: pytest.MonkeyPatch) -> None:
	monkeypatch.setattr(outbox, "RETRY_S", 0.0)
	one = publisher(tools=True)
	one.accepted()
	site.away = {"append"}
	for chunk in (Text("a"), *CALLS):
		one.forward(chunk)
	site.away = set()
	one.complete(one.row(OUTCOME))
	assert [event["type"] for event in site.sent[1:]] == ["text", "tool_call", "tool_call", "completion"]
	assert [event["seq"] for event in site.stored] == [1, 2, 3, 4, 5]


def test_one_that_takes_over_has_the_calls_of_the_journal(site: FakeSite) -> None:
	one = publisher(tools=True)
	one.accepted()
	one.forward(CALLS[0])
	one.forward(CALLS[1])
	row = {"name": "row", "user": "a@example.com", "task_id": "t", "request_id": "r-1234567", "created": 0.0}
	heir = Publisher.resume({**row, "tool_calls": []}, list(site.stored), keep_content=True)
	heir.complete(heir.row({**OUTCOME, "status": "failed", "error": {"code": "worker_lost"}}))
	assert site.row["tool_calls"] == site.stored[-1]["tool_calls"] == AS_CALLED


def test_calls_are_gathered_where_nothing_is_published(site: FakeSite) -> None:
	call(publisher(enabled=False, tools=True))
	assert site.stored == [] and site.row["tool_calls"] == AS_CALLED


@pytest.mark.parametrize("tools", [False, True])
def test_what_shall_not_be_kept_is_given_out_and_not_stored(site: FakeSite, tools: bool) -> None:
	one = publisher(keep_content=False, tools=tools)
	one.accepted()
	one.forward(Text("a secret"))
	if tools:
		one.forward(CALLS[0])
	row = one.row({**OUTCOME, "continuation": "signed"})
	one.complete(row)
	assert site.done[-4:] == ["finish", "forget", "commit", "send"]
	names = ("excerpt", "response", "reasoning", "tool_calls", "continuation")
	assert [site.row[name] for name in names] == [None, None, None, [] if tools else None, None]
	assert (row["response"], row["tool_calls"]) == ("a secret", AS_CALLED[:1] if tools else None)


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


CALL: list[Chunk] = [
	Text("I write."),
	ToolCallStart("c1", "write"),
	ToolCallDelta("c1", '{"text": "'),
	*[ToolCallDelta("c1", "x" * 10) for _ in range(200)],
	ToolCallDelta("c1", '"}'),
	ToolCall("c1", "write", '{"text": "' + "x" * 2000 + '"}'),
]


def written_in_20_s(site: FakeSite, clock: SimpleNamespace, stream_tool_calls: bool) -> list[dict[str, Any]]:
	"""Returns what a client gets of a call that is written for 20 s, a delta each 0.1 s."""
	one = Publisher(
		"row", "a@example.com", "t", "r-1234567", 1.0, True, True, True, stream_tool_calls=stream_tool_calls
	)
	one.accepted()
	for chunk in CALL:
		one.forward(chunk)
		clock.now += 0.1
		one.forward(Tick())
	one.complete(one.row(OUTCOME))
	return site.sent


def test_a_call_is_streamed_in_an_event_a_second(site: FakeSite, clock: SimpleNamespace) -> None:
	sent = [
		sent_event
		for sent_event in written_in_20_s(site, clock, True)
		if sent_event["event"] == "ai_progress"
	]
	assert sent == [
		{"event": "ai_progress", "room": "user:a@example.com", **sent_event} for sent_event in site.stored
	]
	kinds = [event["type"] for event in sent]
	assert kinds[:4] == ["reasoning", "text", "tool_call_start", "tool_call_delta"]
	assert kinds[-2:] == ["tool_call", "completion"] and set(kinds[3:-2]) == {"tool_call_delta"}
	start, whole = sent[2], sent[-2]
	assert (start["id"], start["name"], start["text"], start["partial"]) == ("c1", "write", "", True)
	deltas = [event for event in sent if event["type"] == "tool_call_delta"]
	assert "".join(event["text"] for event in deltas) == whole["arguments"]
	assert {event["id"] for event in deltas} == {"c1"}
	assert 20 <= len(deltas) <= 30
	at = [event["elapsed_ms"] for event in sent]
	assert max(later - earlier for earlier, later in pairwise(at)) <= 1000


def test_a_client_that_asks_for_no_calls_in_pieces_gets_a_status_a_second(
	site: FakeSite, clock: SimpleNamespace
) -> None:
	sent = written_in_20_s(site, clock, False)
	assert [event["type"] for event in site.stored] == ["reasoning", "text", "tool_call", "completion"]
	statuses = [sent_event for sent_event in sent if sent_event["event"] == "ai_status"]
	assert 20 <= len(statuses) <= 30
	assert {(sent_event["phase"], sent_event["name"]) for sent_event in statuses} == {("calling", "write")}
	characters = [sent_event["characters"] for sent_event in statuses]
	assert characters[0] == 0 and characters == sorted(characters) and 1900 < characters[-1] <= 2012
	at = [sent_event["elapsed_ms"] for sent_event in sent]
	assert max(later - earlier for earlier, later in pairwise(at)) <= 1000


def test_a_silent_provider_that_has_begun_a_call_is_still_calling(
	site: FakeSite, clock: SimpleNamespace
) -> None:
	one = publisher(tools=True)
	one.accepted()
	one.forward(ToolCallStart("c1", "write"))
	one.forward(ToolCallDelta("c1", "{"))
	clock.now += publishing.HEARTBEAT_S
	one.forward(Tick())
	one.forward(ToolCall("c1", "write", "{}"))
	clock.now += publishing.HEARTBEAT_S
	one.forward(Tick())
	statuses = [event for event in site.sent if event["event"] == "ai_status"]
	assert [(event["phase"], event.get("characters")) for event in statuses] == [
		("calling", 0),
		("calling", 1),
		("thinking", None),
	]
