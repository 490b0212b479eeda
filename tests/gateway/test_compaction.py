"""A long conversation that the provider shortens by a summary of its own."""

import json
from typing import Any

import pytest

from ai_assistant.gateway import ModelInfo, Provider
from ai_assistant.gateway.trimming import NOTE
from tests.support.provider import ScriptedProvider

from .asking import Heard, family, gateway, hear
from .test_trimming import TOOLS, agent

APIS = ("anthropic", "openai_responses")
CALL = {"call": 0, "id": "call_now", "name": "read", "arguments": "{}"}


def ask(one: Provider, messages: list[dict[str, Any]], **fields: Any) -> Heard:
	return hear(gateway(one).stream_generate(messages, compact=True, **fields))


def question(marker: str, *steps: dict[str, Any]) -> list[dict[str, Any]]:
	script = json.dumps([*steps, {"note": marker}])
	return [
		{"role": "system", "content": "Be brief."},
		{"role": "user", "content": "The first question."},
		{"role": "assistant", "content": "The first answer."},
		{"role": "user", "content": script},
	]


def summaries(body: dict[str, Any]) -> list[dict[str, Any]]:
	"""The summaries of the provider in a request."""
	blocks = [block for message in body.get("messages", ()) for block in message["content"]]
	return [block for block in (*blocks, *body.get("input", ())) if block.get("type") == "compaction"]


@pytest.mark.parametrize("api", APIS)
def test_the_provider_is_asked_to_compact(server: ScriptedProvider, api: str, marker: str) -> None:
	one = family(server, api)
	window = {one.default_model: ModelInfo(context_window=100_000)}
	one = family(server, api, details=window, extra={"headers": {"anthropic-beta": "other-2026"}})
	assert ask(one, question(marker, {"text": "Yes."})).completion.compacted is False
	request = server.wait_for(marker)
	if api == "anthropic":
		edit = {"type": "compact_20260112", "trigger": {"type": "input_tokens", "value": 75_000}}
		assert request.body["context_management"] == {"edits": [edit]}
		assert request.headers["anthropic-beta"] == "other-2026,compact-2026-01-12"
	else:
		item = {"type": "compaction", "compact_threshold": 75_000}
		assert request.body["context_management"] == [item]


@pytest.mark.parametrize("api", (*APIS, "openai", "gemini"))
def test_nothing_is_asked_of_others_and_without_the_setting(
	server: ScriptedProvider, api: str, marker: str
) -> None:
	one = family(server, api)
	hear(gateway(one).stream_generate(question(f"{marker}-off", {"text": "Yes."})))
	assert "context_management" not in server.wait_for(f"{marker}-off").body
	if api not in APIS:
		assert ask(one, question(f"{marker}-on", {"text": "Yes."})).text == "Yes."
		assert "context_management" not in server.wait_for(f"{marker}-on").body


@pytest.mark.parametrize("api", APIS)
@pytest.mark.parametrize("calls", [False, True])
def test_the_summary_travels_in_the_continuation(
	server: ScriptedProvider, api: str, calls: bool, marker: str
) -> None:
	one = family(server, api)
	steps = [{"compacted": "What was said."}, {"text": "The second answer."}, *([CALL] if calls else [])]
	tools = TOOLS if calls else None
	first = question(f"{marker}-1", *steps)
	heard = ask(one, first, tools=tools)
	assert heard.text == "The second answer." and heard.reasoning == ""
	assert heard.completion.compacted and heard.completion.continuation
	answer = {"role": "assistant", "content": heard.text, "continuation": heard.completion.continuation}
	then: list[dict[str, Any]] = []
	if calls:
		call = {"id": "call_now", "type": "function", "function": {"name": "read", "arguments": "{}"}}
		answer["tool_calls"] = [call]
		then = [{"role": "tool", "tool_call_id": "call_now", "content": "The result."}]
	last = {"role": "user", "content": json.dumps([{"text": "Third."}, {"note": f"{marker}-2 "}])}
	following = [*first, answer, *then, last]
	assert ask(one, following, tools=tools).text == "Third."
	body = server.wait_for(f"{marker}-2 ").body
	if api == "anthropic":
		assert [message["role"] for message in body["messages"]] == ["assistant", "user"]
		block, text, *_ = body["messages"][0]["content"]
		assert (block["type"], block["content"]) == ("compaction", "What was said.")
		assert block["encrypted_content"] and text["text"] == "The second answer."
		assert body["system"][0]["text"] == "Be brief."
	else:
		system, block, *_ = body["input"]
		assert (system["role"], block["type"]) == ("system", "compaction")
		assert (block["id"], block["encrypted_content"]) == ("cmp_1", "What was said.")
	assert "The first question." not in json.dumps(body) and len(summaries(body)) == 1
	# Another model cannot read it, and a request without the setting may not contain it.
	hear(gateway(one).stream_generate([*following[:-1], {**last, "content": f"{marker}-3"}], tools=tools))
	ask(one, [*following[:-1], {**last, "content": f"{marker}-4"}], tools=tools, model="another")
	for number in (3, 4):
		request = server.wait_for(f"{marker}-{number}")
		assert "The first question." in request.text and not summaries(request.body)


@pytest.mark.parametrize("api", APIS)
def test_a_model_that_refuses_it_is_asked_without(server: ScriptedProvider, api: str, marker: str) -> None:
	heard = ask(
		family(server, api),
		question(marker, {"status": 400, "given": "context_management"}, {"text": "Yes."}),
	)
	assert heard.text == "Yes."
	assert "context_management" not in [r for r in server.requests if marker in r.text][-1].body


@pytest.mark.parametrize("api", APIS)
def test_a_compaction_that_failed_is_not_sent_back(server: ScriptedProvider, api: str, marker: str) -> None:
	heard = ask(family(server, api), question(marker, {"compacted": ""}, {"text": "Yes."}))
	if api == "anthropic":
		assert heard.completion.continuation is None and not heard.completion.compacted


@pytest.mark.parametrize("api", ["anthropic", "openai"])
def test_what_a_provider_does_not_compact_is_trimmed(server: ScriptedProvider, api: str, marker: str) -> None:
	one = family(server, api)
	one = family(server, api, details={one.default_model: ModelInfo(context_window=35_000)})
	messages = agent(20, script=[{"text": "Done."}, {"note": marker}])
	heard = ask(one, messages, tools=TOOLS, trim="oldest_tool_results")
	assert heard.text == "Done."
	assert bool(heard.completion.trimmed) == (NOTE in server.wait_for(marker).text) == (api == "openai")


def test_a_conversation_beyond_the_window_is_trimmed_where_the_provider_cannot_compact_it(
	server: ScriptedProvider, marker: str
) -> None:
	one = family(server, "anthropic")
	one = family(server, "anthropic", details={one.default_model: ModelInfo(context_window=10_000)})
	messages = agent(30, script=[{"text": "Done."}, {"note": marker}])
	heard = ask(one, messages, tools=TOOLS, trim="oldest_tool_results")
	assert heard.text == "Done." and heard.completion.trimmed
