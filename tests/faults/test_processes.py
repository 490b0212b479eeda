"""Tests processes that die, freeze and race for a request: no loss, no repetition, one completion."""

import os
import signal
import sqlite3
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from ai_assistant.client import Client
from ai_assistant.client.conformance import violations
from ai_assistant.standalone import jobs
from tests.support import script, unique
from tests.support.ledger import LEDGER
from tests.support.provider import ScriptedProvider
from tests.support.site import StandaloneSite, site_config


@pytest.fixture(scope="module")
def provider() -> Iterator[ScriptedProvider]:
	with ScriptedProvider() as running:
		yield running


@pytest.fixture
def folder(tmp_path: Path) -> Path:
	return tmp_path


def start(folder: Path, provider: ScriptedProvider) -> StandaloneSite:
	"""A process of the site whose rows are in `folder`; several may share one."""
	return StandaloneSite(folder, {**site_config(provider), "timeouts": {"first_token_s": 30, "total_s": 60}})


def rows(folder: Path, sql: str, *values: Any) -> list[Any]:
	path = folder / "data" / "site.sqlite"
	with sqlite3.connect(path, timeout=10) as database:
		return database.execute(sql, values).fetchall()


def let_the_lease_run_out(folder: Path, request_id: str) -> None:
	"""As if its holder had not renewed it for long: the clock is not waited for."""
	rows(folder, "UPDATE request SET lease = 0 WHERE request_id = ?", request_id)


def interrupted(client: Client, provider: ScriptedProvider, pieces: int) -> Any:
	"""A chat of which some pieces have arrived, and whose provider then says nothing."""
	steps = [{"text" if n % 2 else "reasoning": f"piece {n} "} for n in range(pieces)]
	stream = client.chat(script(*steps, {"hang": True}))
	seen = 0
	for event in stream:
		seen += event["type"] in ("reasoning", "text")
		if seen == pieces + 1:
			return stream
	raise AssertionError("the chat ended early")


def booked_once(folder: Path, answer: dict[str, Any]) -> None:
	"""That what is estimated of the only chat is on its user's account and on the site's."""
	usage = answer["usage"]
	text = len(answer["reasoning"].encode()), len(answer["response"].encode())
	assert usage["estimated"] and usage["prompt_tokens"] > 0
	assert usage["completion_tokens"] == sum(-(-size // 4) for size in text)
	assert rows(folder, "SELECT requests, tokens FROM usage") == [(1, usage["total_tokens"])] * 2


def check(fault: str, answer: dict[str, Any], journal: dict[str, Any], pieces: int) -> None:
	text = "".join(f"piece {n} " for n in range(pieces))
	LEDGER.settle(fault, text, journal["events"], answer, end="worker_lost")


@pytest.mark.parametrize("pieces", [0, 1, 2, 5])
def test_a_killed_process_is_followed_by_a_completion_and_nothing_is_lost(
	folder: Path, provider: ScriptedProvider, pieces: int
) -> None:
	first = start(folder, provider)
	with first as site, site.client(site.first) as client:
		client.connect()
		stream = interrupted(client, provider, pieces)
		os.kill(first.pid, signal.SIGKILL)
	with start(folder, provider) as site, site.client(site.first) as client:
		assert client.get("get_request", request_id=stream.request_id)["status"] == "running"
		let_the_lease_run_out(folder, stream.request_id)
		answers: list[dict[str, Any]] = []

		def ask() -> None:
			answers.append(client.get("get_request", request_id=stream.request_id))

		# Many notice at once: one ends it, all see the same end.
		askers = [threading.Thread(target=ask) for _ in range(8)]
		for asker in askers:
			asker.start()
		for asker in askers:
			asker.join()
		answer = client.get("get_request", request_id=stream.request_id)
		assert all(reply["status"] in ("failed", "running") for reply in answers)
		journal = client.get("get_events", request_id=stream.request_id)
		check("kill -9 of the site, and eight who notice at once", answer, journal, pieces)
	assert rows(folder, "SELECT COUNT(*) FROM event WHERE event LIKE '%\"completion\"%'") == [(1,)]
	booked_once(folder, answer)


@pytest.mark.parametrize("seen", [1, 3, 6])
def test_of_an_answer_that_streams_at_the_kill_nothing_is_lost_that_a_client_has_seen(
	folder: Path, provider: ScriptedProvider, seen: int
) -> None:
	"""What waits in the process for the next event dies with it; how long it may wait is in tests/realtime/test_batcher.py."""
	first, request_id = start(folder, provider), unique("streaming")[:60]
	steps = {"text": "word ", "repeat": 100_000, "every": 0.003}
	with first as site, site.client(site.first) as client, client.inbox(request_id) as inbox:
		client.connect()
		stream = client.chat(script({"note": request_id}, steps), request_id=request_id)
		for _ in range(seen):
			next(event for event in stream if event["type"] == "text")
		os.kill(first.pid, signal.SIGKILL)
		request = provider.wait_for(request_id)
		assert request.hung_up.wait(10)
		got: list[dict[str, Any]] = []
		while not inbox.empty():
			_name, event = inbox.get()
			got += [event] if event["type"] == "text" else []
	with start(folder, provider) as site, site.client(site.first) as client:
		let_the_lease_run_out(folder, request_id)
		answer = client.get("get_request", request_id=request_id)
		events = client.get("get_events", request_id=request_id)["events"]
	text = "word " * sum(piece.count(b"word ") for _at, piece in request.written)
	heard, stored = "".join(event["text"] for event in got), answer["response"]
	assert len(got) >= seen and stored.startswith(heard) and text.startswith(stored)
	assert violations(events, answer) == []
	assert answer["error"]["code"] == "worker_lost"
	booked_once(folder, answer)


def test_a_call_that_a_killed_process_had_told_is_kept(folder: Path, provider: ScriptedProvider) -> None:
	first, function = start(folder, provider), {"name": "clock", "arguments": '{"zone": "UTC"}'}
	steps = [{"reasoning": "Hm."}, {"call": 0, "id": "call_1", **function}, {"hang": True}]
	tools = [{"type": "function", "function": {"name": "clock"}}]
	with first as site, site.client(site.first) as client:
		client.connect()
		stream = client.chat(script(*steps), tools=tools)
		next(event for event in stream if event["type"] == "tool_call")
		os.kill(first.pid, signal.SIGKILL)
	with start(folder, provider) as site, site.client(site.first) as client:
		let_the_lease_run_out(folder, stream.request_id)
		answer = client.get("get_request", request_id=stream.request_id)
		events = client.get("get_events", request_id=stream.request_id)["events"]
	assert answer["tool_calls"] == [{"id": "call_1", "type": "function", "function": function}]
	assert [event["type"] for event in events] == ["reasoning", "reasoning", "tool_call", "completion"]
	assert events[-1]["tool_calls"] == answer["tool_calls"]
	LEDGER.settle("kill -9 of the site after a tool call", "Hm.", events, answer, end="worker_lost")


def test_a_process_that_comes_back_to_life_writes_nothing_more(
	folder: Path, provider: ScriptedProvider
) -> None:
	frozen = start(folder, provider)
	gate = unique("gate")
	with frozen as site, site.client(site.first) as client:
		client.connect()
		stream = client.chat(script({"reasoning": "piece 0 "}, {"gate": gate}, {"text": "too late"}))
		next(event for event in stream if event.get("text"))
		os.kill(frozen.pid, signal.SIGSTOP)
		with start(folder, provider) as other, other.client(other.first) as reader:
			let_the_lease_run_out(folder, stream.request_id)
			ended = reader.get("get_request", request_id=stream.request_id)
			fault = "a process is frozen until its lease has run out; another process reads the request"
			check(fault, ended, reader.get("get_events", request_id=stream.request_id), 1)
			provider.open(gate)
			os.kill(frozen.pid, signal.SIGCONT)
			# The one that had it answers as it was ended elsewhere.
			assert stream.wait() == ended
			assert reader.get("get_request", request_id=stream.request_id) == ended
			check(
				"the same, after the frozen process has continued",
				ended,
				reader.get("get_events", request_id=stream.request_id),
				1,
			)
	booked_once(folder, ended)


@pytest.mark.parametrize(
	"before",
	[
		pytest.param([{"headers_after": "never"}], id="before the headers"),
		pytest.param([{"hang": True}], id="before the first chunk"),
		pytest.param([{"text": "So"}, {"hang": True}], id="while it answers"),
	],
)
@pytest.mark.parametrize("by", ["request_id", "task_id"])
def test_a_cancel_reaches_a_request_of_another_process(
	folder: Path, provider: ScriptedProvider, before: list[dict[str, Any]], by: str
) -> None:
	marker, task = unique("marker"), unique("task")
	with start(folder, provider) as one, start(folder, provider) as other:
		with one.client(one.first) as asking, other.client(other.first) as cancelling:
			asking.connect()
			stream = asking.chat(script(*before, {"note": marker}), task_id=task)
			next(iter(stream))
			request = provider.wait_for(marker)
			ids = {"request_id": stream.request_id, "task_id": task}
			assert cancelling.post("cancel", **{by: ids[by]}) == {"cancelled": [stream.request_id]}
			assert request.hung_up.wait(10)
			answer = stream.wait()
			assert (answer["status"], answer["finish_reason"]) == ("cancelled", "cancelled")
			assert cancelling.get("get_request", request_id=stream.request_id) == answer


def test_events_of_another_process_are_waited_for(folder: Path, provider: ScriptedProvider) -> None:
	gate = unique("gate")
	with start(folder, provider) as one, start(folder, provider) as other:
		with one.client(one.first) as asking, other.client(other.first) as reading:
			stream = asking.chat(script({"text": "So"}, {"gate": gate}, {"text": " it is."}))
			provider.wait_for(gate)
			text, after, status = "", 0, "running"
			while status == "running":
				page = reading.get("get_events", request_id=stream.request_id, after_seq=after, wait=20)
				after, status = page["last_seq"], page["status"]
				text += "".join(event["text"] for event in page["events"])
				provider.open(gate)
			assert text == "So it is."
			assert stream.wait()["response"] == text


def test_the_sweep_ends_what_nobody_asks_for(folder: Path, provider: ScriptedProvider) -> None:
	first = start(folder, provider)
	with first as site, site.client(site.first) as client:
		client.connect()
		stream = interrupted(client, provider, 2)
		os.kill(first.pid, signal.SIGKILL)
	let_the_lease_run_out(folder, stream.request_id)
	with start(folder, provider):
		# The site sweeps as it starts.
		status = "running"
		while status == "running":
			((status,),) = rows(folder, "SELECT status FROM request WHERE request_id = ?", stream.request_id)
	assert status == "failed"


def test_what_was_queued_when_a_process_died_is_answered_by_the_next(
	folder: Path, provider: ScriptedProvider
) -> None:
	first, gate = start(folder, provider), unique("gate")
	messages = [{"role": "user", "content": script({"gate": gate}, {"text": "Yes."})}]
	with first as site, site.client(site.first) as client:
		ids = [
			client.post("chat_completion", messages=messages, background=True)["request_id"]
			# More than it answers at a time.
			for _ in range(jobs.AT_ONCE + 2)
		]
		assert client.get("get_request", request_id=ids[-1])["position"] == 2
		os.kill(first.pid, signal.SIGKILL)
	for request_id in ids:
		let_the_lease_run_out(folder, request_id)
	provider.open(gate)
	with start(folder, provider) as site, site.client(site.first) as client:
		for request_id in ids:
			events, status, after = [], "queued", 0
			while status in ("queued", "running"):
				page = client.get("get_events", request_id=request_id, after_seq=after, wait=20)
				status, after = page["status"], page["last_seq"]
				events += page["events"]
			answer = client.get("get_request", request_id=request_id)
			assert violations(events, answer) == []
			assert answer["status"] == ("completed" if request_id in ids[-2:] else "failed")


def detaching(folder: Path, provider: ScriptedProvider) -> StandaloneSite:
	"""A process of a site whose provider runs answers by itself."""
	config = site_config(provider)
	one = {**config["providers"][0], "api": "openai_responses", "extra": {"background": True}}
	one["api_base"] = provider.base("openai_responses")
	timeouts = {"first_token_s": 30, "total_s": 60}
	return StandaloneSite(folder, {**config, "providers": [one], "timeouts": timeouts})


@pytest.mark.parametrize("twice", [signal.SIGKILL, signal.SIGTERM])
def test_an_answer_that_the_provider_runs_by_itself_is_read_on_by_the_next_process(
	folder: Path, provider: ScriptedProvider, twice: signal.Signals
) -> None:
	first, gate, marker = detaching(folder, provider), unique("gate"), unique("marker")
	call = {"call": 0, "id": "call_1", "name": "clock", "arguments": '{"zone": "UTC"}'}
	steps = [{"reasoning": "Hm. "}, {"text": "Before "}, {"gate": gate}, {"text": "and after."}, call]
	tools = [{"type": "function", "function": {"name": "clock"}}]
	with first as site, site.client(site.first) as client:
		client.connect()
		stream = client.chat(script(*steps, {"note": marker}), background=True, tools=tools)
		next(event for event in stream if event.get("text") == "Before ")
		os.kill(first.pid, twice)
		if twice is signal.SIGTERM:
			os.kill(first.pid, twice)
	let_the_lease_run_out(folder, stream.request_id)
	provider.open(gate)
	with detaching(folder, provider) as site, site.client(site.first) as client:
		page: dict[str, Any] = {"status": "running"}
		while page["status"] in ("queued", "running"):
			page = client.get("get_events", request_id=stream.request_id, wait=20)
		answer = client.get("get_request", request_id=stream.request_id)
	assert (answer["status"], answer["response"], answer["reasoning"]) == (
		"completed",
		"Before and after.",
		"Hm. ",
	)
	assert [each["id"] for each in answer["tool_calls"]] == ["call_1"]
	assert violations(page["events"], answer) == []
	asked = [request for request in provider.requests if marker in request.text]
	assert len(asked) == 1
	assert provider.requests[-1].path.endswith("?stream=true&starting_after=0")
	assert not answer["usage"]["estimated"]


def test_an_answer_that_is_not_to_be_had_any_more_ends_the_request_honestly(
	folder: Path, provider: ScriptedProvider
) -> None:
	first, gate = detaching(folder, provider), unique("gate")
	with first as site, site.client(site.first) as client:
		client.connect()
		stream = client.chat(script({"text": "Before "}, {"gate": gate}), background=True)
		next(event for event in stream if event.get("text") == "Before ")
		os.kill(first.pid, signal.SIGKILL)
	let_the_lease_run_out(folder, stream.request_id)
	# The provider of that name has another API now.
	with start(folder, provider) as site, site.client(site.first) as client:
		page: dict[str, Any] = {"status": "running"}
		while page["status"] in ("queued", "running"):
			page = client.get("get_events", request_id=stream.request_id, wait=20)
		answer = client.get("get_request", request_id=stream.request_id)
	assert (answer["status"], answer["error"]["code"]) == ("failed", "worker_lost")
	assert answer["response"] == "Before " and violations(page["events"], answer) == []


def test_a_cancel_stops_what_the_provider_runs_by_itself(folder: Path, provider: ScriptedProvider) -> None:
	before = len(provider.requests)
	with detaching(folder, provider) as site, site.client(site.first) as client:
		client.connect()
		stream = client.chat(script({"text": "Before "}, {"hang": True}), background=True)
		next(event for event in stream if event.get("text") == "Before ")
		client.post("cancel", request_id=stream.request_id)
		assert stream.wait()["status"] == "cancelled"
		with provider._arrived:
			assert provider._arrived.wait_for(
				lambda: any(request.path.endswith("/cancel") for request in provider.requests[before:]), 10
			)
