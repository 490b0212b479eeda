"""A conversation that the model's context window cannot hold, in a mode that leaves something out and in one that does not."""

import json
from collections.abc import Iterator
from typing import Any

import pytest

from ai_assistant.client import ApiError, Client, assistant_message
from ai_assistant.gateway.trimming import NOTE
from tests.gateway.test_trimming import TOOLS, agent
from tests.support import unique, v1
from tests.support.provider import ScriptedProvider
from tests.support.site import Site, StandaloneSite, site_config

WINDOW = 10_000


@pytest.fixture(scope="module")
def config(provider: ScriptedProvider) -> dict[str, Any]:
	config = site_config(provider)
	for name in ("max_messages", "max_chars"):
		del config["limits"][name]
	config["providers"][0]["details"] = {
		"scripted": {"context_window": WINDOW},
		"scripted-2": {"context_window": 100 * WINDOW},
	}
	config["modes"] = [
		{"name": "agent", "trim": "oldest_tool_results"},
		{"name": "compacting", "compact": True},
	]
	config["providers"][1]["details"] = {"claude-sonnet-4-5": {"context_window": WINDOW}}
	return config


@pytest.fixture
def client(site: Site) -> Iterator[Client]:
	with site.client(site.first) as opened:
		opened.connect()
		yield opened


def ask(client: Client, mode: str, marker: str, rounds: int = 20) -> Any:
	messages = agent(rounds, script=[{"text": "Done."}, {"note": marker}])
	return client.chat(messages, mode=mode, tools=TOOLS)


def test_the_answer_says_what_was_left_out(
	client: Client, process: StandaloneSite, provider: ScriptedProvider
) -> None:
	marker = unique("marker")
	stream = ask(client, "agent", marker)
	*_, completion = stream
	answer = stream.answer
	assert answer and answer["response"] == "Done." and answer["trimmed"] == completion["trimmed"]
	assert set(answer["trimmed"]) == {"tool_results", "tokens"}
	assert provider.wait_for(marker).text.count(NOTE) == answer["trimmed"]["tool_results"] > 20
	assert client.get("get_request", request_id=stream.request_id) == answer
	line = f"[Gateway] trimmed {answer['trimmed']['tool_results']} tool results"
	assert any(
		line in log_line and stream.request_id in log_line
		for log_line in process.log_file.read_text().splitlines()
	)


def test_a_short_conversation_has_nothing_to_say(client: Client) -> None:
	answer = ask(client, "agent", unique("marker"), rounds=2).wait()
	assert answer["response"] == "Done." and "trimmed" not in answer


@pytest.mark.parametrize("rounds", [9, 20])
def test_a_mode_without_it_refuses_and_names_the_window_and_the_count(
	client: Client, provider: ScriptedProvider, rounds: int
) -> None:
	marker = unique("marker")
	with pytest.raises(ApiError) as refused:
		ask(client, "chat", marker, rounds).wait()
	error = refused.value.answer["error"]
	assert error["code"] == "context_too_long"
	assert "tokens (estimated)" in error["message"] and f"accepts {WINDOW};" in error["message"]
	assert provider.count(marker) == 0


def test_the_responses_api_keeps_what_a_large_window_holds(site: Site) -> None:
	long = [{"role": "user", "content": content} for content in ("x" * 500_000, "Hello")]
	response = v1.ask(site, "/responses", {"model": "scripted-2", "input": long})
	assert response.status_code == 200 and response.json()["status"] == "completed"


def test_what_the_provider_compacts_travels_in_the_continuation(
	client: Client, process: StandaloneSite, provider: ScriptedProvider
) -> None:
	marker = unique("marker")
	script = json.dumps([{"compacted": "What was said."}, {"text": "Yes."}, {"note": marker}])
	first = {"role": "user", "content": script}
	fields = {"mode": "compacting", "provider": "claude"}
	stream = client.chat([first], **fields)
	answer = stream.wait()
	assert answer["response"] == "Yes." and "tool_calls" not in answer
	assert client.get("get_request", request_id=stream.request_id)["continuation"] == answer["continuation"]
	messages = [first, assistant_message(answer), {"role": "user", "content": unique("next")}]
	client.chat(messages, **fields).wait()
	body = provider.wait_for(messages[-1]["content"]).body
	assert body["messages"][0]["content"][0]["content"] == "What was said." and script not in str(body)
