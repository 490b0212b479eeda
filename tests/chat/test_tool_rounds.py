"""Tests the rounds of a request whose model calls tools of the site, with a real store and a provider over HTTP."""

import json
from collections.abc import Callable
from concurrent.futures import Future
from typing import Any

import frappe
import pytest

from ai_assistant import keys, store
from ai_assistant.chat import approvals, journal, lifecycle, tool_rounds
from ai_assistant.chat.errors import ChatError
from ai_assistant.client.conformance import violations
from ai_assistant.gateway import Chunk, Text, Tick, ToolApproval, ToolCall, ToolResult, ToolRun
from ai_assistant.tools.tool import Caller, Tool, ToolError
from tests.chat.conftest import ANN, BOB, ChatSite
from tests.support import script

SCHEMA = {"type": "object", "properties": {"city": {"type": "string"}}}
CALL = {"call": 0, "id": "call_1", "name": "weather", "arguments": '{"city": "Bonn"}'}
CALLERS_OWN = {"type": "function", "function": {"name": "read_file", "parameters": SCHEMA}}


class Weather:
	"""A tool of the site, and what it was called with."""

	def __init__(self, result: str | Exception = "rain", asks_first: bool = False) -> None:
		self.calls: list[tuple[dict[str, Any], Caller]] = []
		self.result = result
		self.pending: list[Future[str]] = []
		self.waits = False
		self.tool = Tool("weather", "Tells the weather.", SCHEMA, asks_first, self.start)

	def start(self, arguments: dict[str, Any], caller: Caller) -> "Future[str]":
		self.calls.append((arguments, caller))
		future: Future[str] = Future()
		self.pending.append(future)
		if self.waits:
			return future
		if isinstance(self.result, Exception):
			future.set_exception(self.result)
		else:
			future.set_result(self.result)
		return future


@pytest.fixture
def weather(monkeypatch: pytest.MonkeyPatch) -> Weather:
	weather = Weather()
	offer(monkeypatch, weather)
	return weather


def offer(monkeypatch: pytest.MonkeyPatch, weather: Weather) -> None:
	monkeypatch.setattr(
		tool_rounds,
		"tools_named",
		lambda names, _settings: (
			{name: weather.tool for name in names if name == "weather"},
			[name for name in names if name != "weather"],
		),
	)


def begin(site: ChatSite, *turns: list[dict[str, Any]], **fields: Any) -> lifecycle.Chat:
	settings = site.configure(modes=[{"name": "chat", "tools": ["weather"]}])
	site.provider.requests.clear()
	prompt = script(*({"turn": list(turn)} for turn in turns))
	chat = lifecycle.begin(site.request(prompt, **fields), settings, 0.0)
	return chat


def run(
	chat: lifecycle.Chat, visit: Callable[[Chunk], None] = lambda chunk: None
) -> tuple[list[Chunk], dict[str, Any]]:
	"""Returns the chunks without Ticks, and the answer object."""
	chunks: list[Chunk] = []

	def take(chunk: Chunk) -> None:
		visit(chunk)
		if not isinstance(chunk, Tick):
			chunks.append(chunk)

	answer = lifecycle.result_of(lifecycle.run(chat), take)
	return chunks, answer


def asked(site: ChatSite) -> list[dict[str, Any]]:
	"""Returns the bodies of what the provider was asked since `begin`."""
	return [question.body for question in site.provider.requests]


def events_of(chat: lifecycle.Chat) -> list[dict[str, Any]]:
	return store.current().events(chat.publisher.name)


def test_the_site_runs_a_tool_and_asks_again(chat_site: ChatSite, weather: Weather) -> None:
	chat = begin(chat_site, [{"text": "I look."}, CALL], [{"text": "It rains."}])
	chunks, answer = run(chat)
	assert weather.calls == [({"city": "Bonn"}, Caller(ANN, None))]
	assert answer["response"] == "I look.\n\nIt rains."
	assert (answer["status"], answer["finish_reason"]) == ("completed", "stop")
	assert "tool_calls" not in answer
	assert [(run["name"], run["outcome"]) for run in answer["tool_runs"]] == [("weather", "ok")]
	assert [type(chunk) for chunk in chunks if not isinstance(chunk, Text)] == [ToolRun, ToolResult]
	first, second = asked(chat_site)
	assert first["tools"][0]["function"]["name"] == "weather"
	assert first["messages"][0]["content"].startswith(tool_rounds.RULES)
	assert second["messages"][-2]["tool_calls"][0]["function"]["arguments"] == '{"city": "Bonn"}'
	assert second["messages"][-1] == {"role": "tool", "tool_call_id": "call_1", "content": "rain"}
	events = events_of(chat)
	assert [event["type"] for event in events] == ["reasoning", "text", "tool_result", "text", "completion"]
	assert violations(events, answer) == []
	result = events[2]
	assert (result["name"], result["outcome"], result["text"]) == ("weather", "ok", "rain")
	assert result["arguments"] == '{"city": "Bonn"}'
	assert [event["tool_runs"] for event in events[-1:]] == [answer["tool_runs"]]


def test_the_usage_is_that_of_all_rounds(chat_site: ChatSite, weather: Weather) -> None:
	chat = begin(chat_site, [CALL], [{"text": "Rain."}])
	_chunks, answer = run(chat)
	assert (answer["usage"]["prompt_tokens"], answer["usage"]["total_tokens"]) == (22, 36)


def test_a_failure_in_a_later_round_keeps_the_usage_and_the_text(
	chat_site: ChatSite, weather: Weather
) -> None:
	chat = begin(chat_site, [{"text": "I look."}, CALL], [{"text": "It "}, {"error": "overloaded"}])
	_chunks, answer = run(chat)
	assert (answer["status"], answer["response"]) == ("failed", "I look.\n\nIt ")
	assert answer["usage"]["total_tokens"] == 18


def test_without_tools_in_the_mode_nothing_is_offered(chat_site: ChatSite, weather: Weather) -> None:
	settings = chat_site.configure()
	chat_site.provider.requests.clear()
	chat = lifecycle.begin(chat_site.request("Hi."), settings, 0.0)
	run(chat)
	assert "tools" not in asked(chat_site)[0]


@pytest.mark.parametrize("permitted", [False, True])
def test_an_ai_key_uses_tools_only_if_it_may(chat_site: ChatSite, weather: Weather, permitted: bool) -> None:
	keys.use(keys.Key("k", ANN, site_tools=permitted))
	try:
		chat = begin(chat_site, [{"text": "Hi."}])
	finally:
		keys.use(None)
	run(chat)
	assert ("tools" in asked(chat_site)[0]) is permitted


def test_a_failing_tool_tells_the_model(chat_site: ChatSite, weather: Weather) -> None:
	weather.result = ToolError("There is no such city.")
	chat = begin(chat_site, [CALL], [{"text": "Sorry."}])
	_chunks, answer = run(chat)
	assert answer["tool_runs"][0]["outcome"] == "failed"
	assert asked(chat_site)[1]["messages"][-1]["content"] == "There is no such city."


def test_a_long_reason_of_a_failure_is_cut(chat_site: ChatSite, weather: Weather) -> None:
	weather.result = ToolError("x" * 100_000)
	chat = begin(chat_site, [CALL], [{"text": "Sorry."}])
	_chunks, answer = run(chat)
	assert violations(events_of(chat), answer) == []


def test_arguments_that_are_no_object_fail_and_are_not_sent_on(chat_site: ChatSite, weather: Weather) -> None:
	chat = begin(chat_site, [{**CALL, "arguments": '{"city": '}], [{"text": "Sorry."}])
	_chunks, answer = run(chat)
	assert (weather.calls, answer["tool_runs"][0]["outcome"]) == ([], "failed")
	assert asked(chat_site)[1]["messages"][-2]["tool_calls"][0]["function"]["arguments"] == "{}"


def test_calls_of_the_client_end_the_answer_and_calls_of_the_site_are_left_out(
	chat_site: ChatSite, weather: Weather
) -> None:
	own = {"call": 1, "id": "call_2", "name": "read_file", "arguments": "{}"}
	chat = begin(chat_site, [CALL, own], tools=[CALLERS_OWN])
	chunks, answer = run(chat)
	assert [call["function"]["name"] for call in answer["tool_calls"]] == ["read_file"]
	assert (answer["finish_reason"], weather.calls, answer["continuation"]) == ("tool_calls", [], None)
	assert [chunk.name for chunk in chunks if isinstance(chunk, ToolCall)] == ["read_file"]
	assert violations(events_of(chat), answer) == []


def test_a_client_tool_of_the_same_name_wins(chat_site: ChatSite, weather: Weather) -> None:
	chat = begin(chat_site, [CALL], tools=[{"type": "function", "function": {"name": "weather"}}])
	_chunks, answer = run(chat)
	assert ([call["id"] for call in answer["tool_calls"]], weather.calls) == (["call_1"], [])


def test_a_model_that_calls_without_end_is_stopped(
	chat_site: ChatSite, weather: Weather, monkeypatch: pytest.MonkeyPatch
) -> None:
	monkeypatch.setattr(tool_rounds, "MAX_ROUNDS", 2)
	chat = begin(chat_site, *[[{**CALL, "id": f"c{n}"}] for n in range(5)])
	_chunks, answer = run(chat)
	assert (answer["status"], answer["finish_reason"]) == ("completed", "length")
	assert [run["outcome"] for run in answer["tool_runs"]] == ["ok", "ok", "not_run"]
	assert [body.get("tool_choice") for body in asked(chat_site)] == [None, None, "none"]


@pytest.mark.parametrize("limit", ["MAX_CALLS", "MAX_RESULTS_BYTES"])
def test_calls_beyond_a_limit_are_not_run(
	chat_site: ChatSite, weather: Weather, monkeypatch: pytest.MonkeyPatch, limit: str
) -> None:
	monkeypatch.setattr(tool_rounds, limit, 1)
	second = {**CALL, "call": 1, "id": "call_2"}
	chat = begin(chat_site, [CALL, second], [{"text": "Rain."}])
	_chunks, answer = run(chat)
	assert [run["outcome"] for run in answer["tool_runs"]] == ["ok", "not_run"]
	assert asked(chat_site)[1]["tool_choice"] == "none"
	assert len(weather.calls) == 1


def test_a_slow_tool_is_given_up_and_cancelled(
	chat_site: ChatSite, weather: Weather, monkeypatch: pytest.MonkeyPatch
) -> None:
	monkeypatch.setattr(tool_rounds, "CALL_S", 0.05)
	weather.waits = True
	chat = begin(chat_site, [CALL], [{"text": "Sorry."}])
	_chunks, answer = run(chat)
	assert answer["tool_runs"][0]["outcome"] == "failed"
	assert weather.pending[0].cancelled()


def test_a_cancel_while_a_tool_runs_ends_the_request(chat_site: ChatSite, weather: Weather) -> None:
	weather.waits = True
	chat = begin(chat_site, [{"text": "I look."}, CALL], [{"text": "Never."}])
	_chunks, answer = run(chat, lambda chunk: chat.cancel() if isinstance(chunk, ToolRun) else None)
	assert (answer["status"], answer["response"]) == ("cancelled", "I look.")
	assert weather.pending[0].cancelled()
	assert len(asked(chat_site)) == 1


def test_another_process_follows_the_steps(chat_site: ChatSite, weather: Weather) -> None:
	chat = begin(chat_site, [{"text": "I look."}, CALL], [{"text": "It rains."}])
	run(chat)
	followed: list[Chunk] = []
	answer = lifecycle.result_of(journal.follow(chat_site.row(chat.request.request_id), 5), followed.append)
	assert [type(chunk) for chunk in followed] == [Text, ToolResult, Text]
	assert answer["tool_runs"][0]["name"] == "weather"


def test_a_site_that_keeps_no_content_keeps_no_result(chat_site: ChatSite, weather: Weather) -> None:
	settings = chat_site.configure(
		modes=[{"name": "chat", "tools": ["weather"]}], retention={"keep_content": False}
	)
	request = chat_site.request(script({"turn": [CALL]}, {"turn": [{"text": "Rain."}]}))
	chat = lifecycle.begin(request, settings, 0.0)
	_chunks, answer = run(chat)
	assert answer["response"] == "Rain."
	kept = json.dumps([chat_site.row(request.request_id), events_of(chat)])
	assert ("rain" in kept.lower(), "Bonn" in kept) == (False, False)


# Approval


def writing(monkeypatch: pytest.MonkeyPatch) -> Weather:
	weather = Weather(asks_first=True)
	offer(monkeypatch, weather)
	monkeypatch.setattr(tool_rounds, "LOOK_S", 0.01)
	return weather


@pytest.mark.parametrize(("approved", "outcome"), [(True, "ok"), (False, "denied")])
def test_a_call_that_writes_waits_for_the_user(
	chat_site: ChatSite, monkeypatch: pytest.MonkeyPatch, approved: bool, outcome: str
) -> None:
	weather = writing(monkeypatch)
	chat = begin(chat_site, [CALL], [{"text": "Done."}])
	seen: list[dict[str, Any]] = []

	def decide(chunk: Chunk) -> None:
		if isinstance(chunk, ToolApproval):
			assert weather.calls == []
			seen.append(approvals.decide(chat.request.request_id, chunk.approval, approved))

	chunks, answer = run(chat, decide)
	assert len(seen) == 1
	assert answer["tool_runs"][0]["outcome"] == outcome
	assert len(weather.calls) == int(approved)
	question = next(event for event in events_of(chat) if event["type"] == "tool_approval")
	assert (question["name"], question["arguments"]) == ("weather", '{"city": "Bonn"}')
	statuses = [message for message in chat_site.sent if message.get("phase") == "approval"]
	assert statuses and statuses[0]["approval"] == question["approval"]
	assert any(isinstance(chunk, ToolApproval) for chunk in chunks)
	with pytest.raises(ChatError, match="does not wait") as refused:
		approvals.decide(chat.request.request_id, question["approval"], True)
	assert refused.value.code == "conflict"


def test_a_call_that_nobody_approves_in_time_is_denied(
	chat_site: ChatSite, monkeypatch: pytest.MonkeyPatch
) -> None:
	weather = writing(monkeypatch)
	monkeypatch.setattr(tool_rounds, "APPROVAL_S", 0.05)
	chat = begin(chat_site, [CALL], [{"text": "Not done."}])
	_chunks, answer = run(chat)
	assert (answer["tool_runs"][0]["outcome"], weather.calls) == ("denied", [])


def test_only_the_user_approves_and_no_ai_key(chat_site: ChatSite, monkeypatch: pytest.MonkeyPatch) -> None:
	writing(monkeypatch)
	monkeypatch.setattr(tool_rounds, "APPROVAL_S", 0.2)
	chat = begin(chat_site, [CALL], [{"text": "Not done."}])
	refused: list[str] = []

	def attack(chunk: Chunk) -> None:
		if not isinstance(chunk, ToolApproval):
			return
		request_id = chat.request.request_id
		for user, key, approval in (
			(BOB, None, chunk.approval),
			(ANN, keys.Key("k", ANN, site_tools=True), chunk.approval),
			(ANN, None, "0" * 16),
			(ANN, None, None),
		):
			monkeypatch.setattr(frappe.local, "session", frappe._dict(user=user))
			keys.use(key)
			try:
				approvals.decide(request_id, approval, True)
			except ChatError as error:
				refused.append(error.code)
			finally:
				keys.use(None)
		monkeypatch.setattr(frappe.local, "session", frappe._dict(user=ANN))

	_chunks, answer = run(chat, attack)
	assert refused == ["not_found", "not_permitted", "conflict", "invalid_request"]
	assert answer["tool_runs"][0]["outcome"] == "denied"
