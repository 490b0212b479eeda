"""Tests one request from acceptance to its end, with a real store and a provider that is asked over HTTP."""

from collections.abc import Generator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import frappe
import pytest

from ai_assistant.chat import lifecycle, running, termination
from ai_assistant.chat.errors import ChatError
from ai_assistant.chat.request import ANSWER_CHARS_PER_TOKEN, SPARE_CHARS, validate
from ai_assistant.gateway import Chunk, Detached, Reasoning, Text, Tick, ToolCallDelta
from tests.chat.conftest import ANN, BOB, ChatSite
from tests.support import script, unique

from .runs import begin, elsewhere, run

# Acceptance


def test_an_accepted_request_is_a_committed_row_with_event_1(chat_site: ChatSite) -> None:
	request = chat_site.request("What is a whale?", task_id="t1")
	publisher = lifecycle.accept(request, chat_site.configure(), "running", 0.0)
	with ThreadPoolExecutor(1) as other:
		row = other.submit(chat_site.row, request.request_id).result()
		events = other.submit(chat_site.store.events, publisher.name).result()
	assert (row["status"], row["task_id"], row["excerpt"]) == ("running", "t1", "What is a whale?")
	assert 0 < row["lease"] - row["created"] <= lifecycle.LEASE_S
	assert [(event["seq"], event["type"], event["text"]) for event in events] == [(1, "reasoning", "")]
	assert chat_site.sent == events


def test_the_journal_of_a_task_is_not_read_to_continue_it(
	chat_site: ChatSite, monkeypatch: pytest.MonkeyPatch
) -> None:
	run(lifecycle.run(begin(chat_site, script({"text": "one"}), task_id="t1")))

	def events(_store: object, name: str, after_seq: int = 0) -> None:
		raise AssertionError(f"the events of {name} were read")

	monkeypatch.setattr(type(chat_site.store), "events", events)
	chat = begin(chat_site, script({"text": "two"}), task_id="t1")
	_chunks, answer = run(lifecycle.run(chat))
	assert (answer["status"], answer["response"]) == ("completed", "two")


def test_a_queued_request_keeps_its_question(chat_site: ChatSite) -> None:
	request = chat_site.request("hello", background=True)
	publisher = lifecycle.accept(request, chat_site.configure(), "queued", 0.0)
	row, question = chat_site.store.start(publisher.name, 1e12)
	assert (row["status"], question["messages"]) == ("running", request.messages)


def test_a_site_that_keeps_no_content_keeps_no_excerpt(chat_site: ChatSite) -> None:
	settings = chat_site.configure(retention={"keep_content": False})
	request = chat_site.request("a secret")
	lifecycle.accept(request, settings, "running", 0.0)
	assert chat_site.row(request.request_id)["excerpt"] is None


@pytest.mark.parametrize(
	("limits", "code"),
	[
		({"requests_per_minute": 1}, "rate_limited"),
		({"concurrent_per_user": 1}, "busy"),
		({"concurrent_per_site": 1}, "busy"),
	],
)
def test_a_request_beyond_a_limit_is_refused_and_leaves_no_row_and_no_lock(
	chat_site: ChatSite, limits: dict[str, int], code: str
) -> None:
	settings = chat_site.configure(limits=limits)
	lifecycle.accept(chat_site.request("one"), settings, "running", 0.0)
	request = chat_site.request("two")
	with pytest.raises(ChatError) as refused:
		lifecycle.accept(request, settings, "running", 0.0)
	assert refused.value.code == code
	assert chat_site.store.get(ANN, request.request_id) is None
	assert len(chat_site.sent) == 1
	elsewhere(chat_site, lambda: chat_site.store.admission_load(BOB, 60, 1))


def test_answers_to_calls_are_counted_apart_from_questions(chat_site: ChatSite) -> None:
	settings = chat_site.configure(
		limits={"requests_per_minute": 1, "continuations_per_minute": 2, "concurrent_per_user": 9}
	)
	call = {"id": "c1", "type": "function", "function": {"name": "clock", "arguments": "{}"}}
	question = {"role": "user", "content": "What time?"}
	answer = [
		{"role": "assistant", "tool_calls": [call]},
		{"role": "tool", "tool_call_id": "c1", "content": "noon"},
	]
	for messages in ([question], [question, *answer], [question, *answer]):
		lifecycle.accept(validate({"messages": messages}, settings), settings, "running", 0.0)
	for messages, sentence in (
		([question], "ask 1 times"),
		([question, *answer], "answer tool calls 2 times"),
	):
		with pytest.raises(ChatError, match=f"You may {sentence} a minute") as refused:
			lifecycle.accept(validate({"messages": messages}, settings), settings, "running", 0.0)
		assert refused.value.code == "rate_limited"


def test_a_request_id_that_is_in_use_is_a_conflict(chat_site: ChatSite) -> None:
	settings = chat_site.configure()
	for content in ("one", "two"):
		request = chat_site.request(content, request_id="request-1")
		if content == "one":
			lifecycle.accept(request, settings, "running", 0.0)
	with pytest.raises(ChatError) as refused:
		lifecycle.accept(request, settings, "running", 0.0)
	assert refused.value.code == "conflict" and "request-1" in str(refused.value)
	elsewhere(chat_site, lambda: chat_site.store.admission_load(BOB, 60, 1))


# Running


def test_a_request_runs_to_its_completion(chat_site: ChatSite) -> None:
	chat = begin(chat_site, script({"reasoning": "Hm."}, {"text": "Yes."}))
	chunks, answer = run(lifecycle.run(chat))
	assert Reasoning("Hm.") in chunks and Text("Yes.") in chunks
	assert (answer["status"], answer["reasoning"], answer["response"]) == ("completed", "Hm.", "Yes.")
	row = chat_site.row(chat.request.request_id)
	assert (row["status"], row["response"], row["realtime"]) == ("completed", "Yes.", answer["realtime"])
	events = chat_site.store.events(chat.publisher.name)
	assert events[-1]["type"] == "completion" and len(events) == answer["realtime"]["events"]


def test_a_failure_keeps_what_had_arrived(chat_site: ChatSite) -> None:
	chat = begin(chat_site, script({"text": "Half an ans"}, {"cut": True}))
	_chunks, answer = run(lifecycle.run(chat))
	assert (answer["status"], answer["response"]) == ("failed", "Half an ans")
	assert answer["error"]["code"] == "provider_unavailable"
	assert answer["usage"]["estimated"]
	assert chat_site.row(chat.request.request_id)["response"] == "Half an ans"


def test_a_failure_before_the_first_chunk_names_the_provider_and_estimates_nothing(
	chat_site: ChatSite,
) -> None:
	chat = begin(chat_site, script({"status": 401}))
	_chunks, answer = run(lifecycle.run(chat))
	assert (answer["status"], answer["provider"], answer["usage"]) == ("failed", "p", None)
	assert answer["attempts"] == [{"provider": "p", "model": "m1", "error": "provider_auth"}]


def test_a_defect_of_ours_ends_the_request_without_its_words(
	chat_site: ChatSite, monkeypatch: pytest.MonkeyPatch
) -> None:
	chat = begin(chat_site, "hello")
	monkeypatch.setattr(chat.publisher, "forward", lambda _chunk: 1 / 0)
	_chunks, answer = run(lifecycle.run(chat))
	assert (answer["status"], answer["error"]["code"]) == ("failed", "internal_error")
	assert "division" not in str(answer)


def test_closing_the_generator_cancels_the_request(chat_site: ChatSite) -> None:
	gate, marker = unique("gate"), unique("marker")
	chat = begin(chat_site, script({"text": "one"}, {"gate": gate}, {"note": marker}))
	chunks = lifecycle.run(chat)
	while next(chunks) != Text("one"):
		pass
	chunks.close()
	row = chat_site.row(chat.request.request_id)
	assert (row["status"], row["response"]) == ("cancelled", "one")
	assert chat_site.provider.wait_for(marker).hung_up.wait(20)


def test_a_request_that_survives_runs_to_its_end_when_the_generator_is_closed(chat_site: ChatSite) -> None:
	gate = unique("gate")
	chat = begin(chat_site, script({"text": "one"}, {"gate": gate}, {"text": "two"}))
	chunks = lifecycle.run(chat, survives=True)
	while next(chunks) != Text("one"):
		pass
	chat_site.provider.open(gate)
	chunks.close()
	row = chat_site.row(chat.request.request_id)
	assert (row["status"], row["response"]) == ("completed", "onetwo")


def test_a_request_that_another_process_has_ended_answers_with_that_end(chat_site: ChatSite) -> None:
	chat = begin(chat_site, script({"reasoning": "Hm."}, {"text": "Yes."}))
	row = {**chat_site.row(chat.request.request_id)}
	error = {"code": "worker_lost", "message": "It died.", "retryable": True}
	termination.end(row, error)
	_chunks, answer = run(lifecycle.run(chat))
	assert (answer["status"], answer["error"]) == ("failed", error)
	events = chat_site.store.events(chat.publisher.name)
	assert [event["type"] for event in events].count("completion") == 1


def test_a_chat_whose_client_hangs_up_is_not_here_any_more(chat_site: ChatSite) -> None:
	request = chat_site.request(script({"text": "one"}, {"hang": True}))
	chunks = lifecycle.run(lifecycle.begin(request, chat_site.configure(), 0.0))
	next(chunks)
	row = chat_site.row(request.request_id)
	assert running.is_here(row)
	chunks.close()
	assert not running.is_here(row)


def test_an_abandoned_chat_ends_as_that_of_a_dead_process(chat_site: ChatSite) -> None:
	gate = unique("gate")
	request = chat_site.request(script({"text": "one"}, {"gate": gate}))
	chat = lifecycle.begin(request, chat_site.configure(), 0.0)
	chunks = lifecycle.run(chat)
	while next(chunks) != Text("one"):
		pass
	running.abandon("another-job")
	assert not chat.abandoned
	running.abandon(f"site||{chat.publisher.name}")
	_chunks, answer = run(chunks)
	assert not running.is_here(chat_site.row(chat.request.request_id))
	assert (answer["status"], answer["response"]) == ("failed", "one")
	assert answer["error"]["code"] == "worker_lost"


def test_an_abandoned_chat_whose_answer_goes_on_at_the_provider_is_queued_again(chat_site: ChatSite) -> None:
	request = chat_site.request(script({"text": "one"}, {"hang": True}))
	chat = lifecycle.begin(request, chat_site.configure(), 0.0)
	chunks = lifecycle.run(chat)
	while next(chunks) != Text("one"):
		pass
	chat.detached = Detached("resp_1", "p", "m1")
	running.abandon()
	_chunks, answer = run(chunks)
	assert not running.is_here(chat_site.row(chat.request.request_id))
	assert answer["status"] == chat_site.row(request.request_id)["status"] == "queued"
	events = chat_site.store.events(chat.publisher.name)
	assert "completion" not in [event["type"] for event in events]


def half_a_call(chat_site: ChatSite) -> tuple[lifecycle.Chat, Generator[Chunk, None, dict[str, Any]]]:
	"""A chat whose provider goes on by itself, and has written a part of a call."""
	call = {"call": 0, "id": "call_1", "name": "clock", "arguments": '{"zone": '}
	tools = [{"type": "function", "function": {"name": "clock"}}]
	request = chat_site.request(script(call, {"hang": True}), tools=tools, stream_tool_calls=True)
	chat = lifecycle.begin(request, chat_site.configure(), 0.0)
	chunks = lifecycle.run(chat)
	while not isinstance(next(chunks), ToolCallDelta):
		pass
	# A chunk is stored when the caller asks for the next one.
	assert isinstance(next(chunks), Tick)
	chat.detached = Detached("resp_1", "p", "m1")
	return chat, chunks


def types_of_events(chat_site: ChatSite, chat: lifecycle.Chat) -> list[str]:
	return [event["type"] for event in chat_site.store.events(chat.publisher.name)]


@pytest.mark.parametrize("keep_content", [True, False])
def test_a_call_that_another_process_reads_on_is_not_ended(chat_site: ChatSite, keep_content: bool) -> None:
	chat, chunks = half_a_call(chat_site)
	running.abandon()
	_chunks, answer = run(chunks)
	assert not running.is_here(chat_site.row(chat.request.request_id))
	assert answer["status"] == "queued"
	begun = ["reasoning", "tool_call_start", "tool_call_delta"]
	assert types_of_events(chat_site, chat) == begun
	# A cancel before another process has taken it.
	chat_site.configure(retention={"keep_content": keep_content})
	termination.end(chat_site.row(chat.request.request_id))
	assert types_of_events(chat_site, chat) == [*begun, "tool_call", "completion"]
	calls = chat_site.row(chat.request.request_id)["tool_calls"]
	assert [call["function"]["arguments"] for call in calls] == (['{"zone": '] if keep_content else [])
	written = [
		event.get("arguments") or event["text"] for event in chat_site.store.events(chat.publisher.name)
	]
	assert any(written) == keep_content


def test_the_sweep_ends_a_call_that_a_dead_process_has_begun(chat_site: ChatSite) -> None:
	chat, _chunks = half_a_call(chat_site)
	chat_site.store.renew(chat.publisher.name, 0.0)
	running.unregister(chat)
	termination.sweep()
	row = chat_site.row(chat.request.request_id)
	assert (row["status"], row["error"]["code"]) == ("failed", "worker_lost")
	assert [call["function"]["arguments"] for call in row["tool_calls"]] == ['{"zone": ']
	assert types_of_events(chat_site, chat)[-2:] == ["tool_call", "completion"]


def test_an_answer_that_cannot_be_stored_is_given_all_the_same(
	chat_site: ChatSite, monkeypatch: pytest.MonkeyPatch
) -> None:
	chat = begin(chat_site, script({"text": "Yes."}))

	def unavailable(_name: str, _values: dict[str, Any]) -> None:
		raise OSError("no space left")

	monkeypatch.setattr(chat_site.store, "finish", unavailable)
	_chunks, answer = run(lifecycle.run(chat))
	assert (answer["status"], answer["response"]) == ("completed", "Yes.")
	assert chat_site.row(chat.request.request_id)["status"] == "running"


def test_an_answer_longer_than_its_tokens_is_cut(chat_site: ChatSite) -> None:
	most = SPARE_CHARS + 5 * ANSWER_CHARS_PER_TOKEN
	assert begin(chat_site, "hello", max_tokens=5).gateway.max_chars == most
	limit = chat_site.configure().limits.max_answer_chars
	assert begin(chat_site, "hello").gateway.max_chars == limit
	assert begin(chat_site, "hello", max_tokens=32_000).gateway.max_chars == min(
		limit, SPARE_CHARS + 32_000 * ANSWER_CHARS_PER_TOKEN
	)


# Cancel


def test_a_cancel_ends_a_queued_request_and_stops_a_running_one(chat_site: ChatSite) -> None:
	settings = chat_site.configure()
	queued = chat_site.request("hello", request_id="queued-01", background=True)
	lifecycle.accept(queued, settings, "queued", 0.0)
	chat = lifecycle.begin(chat_site.request("hello", request_id="running-1"), settings, 0.0)
	ids = termination.cancel([chat_site.row("queued-01"), chat_site.row("running-1")])
	running.unregister(chat)
	assert ids == ["queued-01", "running-1"]
	assert chat_site.row("queued-01")["status"] == "cancelled"
	assert chat.cancel.requested and chat_site.row("running-1")["cancel_asked"] == 1


def test_chats_of_two_sites_with_the_same_ids_are_two(
	chat_site: ChatSite, monkeypatch: pytest.MonkeyPatch
) -> None:
	chat = lifecycle.begin(chat_site.request("hello"), chat_site.configure(), 0.0)
	row = chat_site.row(chat.request.request_id)
	assert running.is_here(row)
	with monkeypatch.context() as patch:
		patch.setattr(frappe.local, "site", "another")
		assert not running.is_here(row)
	running.unregister(chat)
	assert not running.is_here(row)
