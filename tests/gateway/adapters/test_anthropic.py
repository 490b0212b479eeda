"""Tests what only Anthropic's Messages API has: its requests, its counts and its events."""

import json
from typing import Any

import pytest

from ai_assistant.gateway import Provider, ToolCall
from ai_assistant.gateway.adapters.anthropic import parameters
from ai_assistant.gateway.chunks import Ask, Completion
from ai_assistant.gateway.models import entry
from tests.gateway.asking import KEY, Heard, family, gateway, hear, scripted
from tests.support.provider import ScriptedProvider

TOOL = {"type": "function", "function": {"name": "read", "parameters": {"type": "object"}}}
CALL = {"id": "call:1/2", "type": "function", "function": {"name": "read", "arguments": '{"path": "a"}'}}
ANSWER = {"role": "tool", "tool_call_id": "call:1/2", "content": "text"}


def body_of(ask: Ask) -> dict[str, Any]:
	provider = Provider("p", "anthropic", KEY, ask.model)
	return parameters(provider, ask, entry("anthropic", ask.model))[0]


def answer(server: ScriptedProvider, *events: dict[str, Any], model: str = "claude-sonnet-4-5") -> Heard:
	"""What is heard of these events, whose first begins a message and whose last ends it."""
	lines = "".join(f"event: {event['type']}\ndata: {json.dumps(event)}\n\n" for event in events)
	provider = family(server, "anthropic", default_model=model)
	tools = [TOOL]
	return hear(gateway(provider).stream_generate(scripted([{"raw": lines}]), tools=tools))


def begun(**usage: int) -> dict[str, Any]:
	return {"type": "message_start", "message": {"usage": {"input_tokens": 10, **usage}}}


def block(index: int, content: dict[str, Any], *deltas: dict[str, Any]) -> list[dict[str, Any]]:
	return [
		{"type": "content_block_start", "index": index, "content_block": content},
		*({"type": "content_block_delta", "index": index, "delta": delta} for delta in deltas),
		{"type": "content_block_stop", "index": index},
	]


def text_block(index: int, text: str) -> list[dict[str, Any]]:
	return block(index, {"type": "text", "text": ""}, {"type": "text_delta", "text": text})


def ended(reason: str = "end_turn", **usage: Any) -> list[dict[str, Any]]:
	delta = {
		"type": "message_delta",
		"delta": {"stop_reason": reason},
		"usage": {"output_tokens": 5, **usage},
	}
	return [delta, {"type": "message_stop"}]


@pytest.mark.parametrize("model", ["claude-opus-4-6", "claude-opus-4-7", "claude-opus-4-8"])
def test_a_model_that_thinks_adaptively_is_asked_to_show_its_thoughts(model: str) -> None:
	sent = body_of(Ask([{"role": "user", "content": "Hi"}], model, reasoning_effort="high"))
	assert sent["thinking"] == {"type": "adaptive", "display": "summarized"}
	assert sent["output_config"] == {"effort": "high"}


@pytest.mark.parametrize("model", ["claude-sonnet-5", "claude-opus-5"])
def test_a_model_that_thinks_unasked_is_asked_to_show_its_thoughts(model: str) -> None:
	sent = body_of(Ask([{"role": "user", "content": "Hi"}], model))
	assert sent["thinking"] == {"type": "adaptive", "display": "summarized"}
	assert "output_config" not in sent
	assert "thinking" not in body_of(Ask([{"role": "user", "content": "Hi"}], "claude-opus-4-7"))


def test_a_temperature_is_not_sent_to_a_model_that_takes_none() -> None:
	ask = Ask([{"role": "user", "content": "Hi"}], "claude-opus-4-7", temperature=0.5)
	sent, dropped = parameters(Provider("p", "anthropic", KEY, ask.model), ask, entry("anthropic", ask.model))
	assert (dropped, "temperature" in sent) == (("temperature",), False)


def test_the_reply_may_be_as_long_as_the_model_allows() -> None:
	assert body_of(Ask([{"role": "user", "content": "Hi"}], "claude-sonnet-4-5"))["max_tokens"] == 64000
	assert body_of(Ask([{"role": "user", "content": "Hi"}], "somebody-elses"))["max_tokens"] == 4096


def test_turns_of_one_role_are_one_and_empty_texts_are_left_out() -> None:
	messages: list[dict[str, Any]] = [
		{"role": "system", "content": "Be brief."},
		{"role": "user", "content": "Read a."},
		{"role": "assistant", "content": "", "tool_calls": [CALL]},
		ANSWER,
		{"role": "user", "content": [{"type": "text", "text": " "}, {"type": "text", "text": "And?"}]},
	]
	sent = body_of(Ask(messages, "claude-sonnet-4-5"))
	assert sent["system"] == [{"type": "text", "text": "Be brief."}]
	assert [turn["role"] for turn in sent["messages"]] == ["user", "assistant", "user"]
	(use,) = sent["messages"][1]["content"]
	result, text = sent["messages"][2]["content"]
	assert (use["type"], use["name"], use["input"]) == ("tool_use", "read", {"path": "a"})
	assert result["tool_use_id"] == use["id"] and use["id"].isascii() and ":" not in use["id"]
	assert text == {"type": "text", "text": "And?"}


def test_instructions_alone_are_the_turn_of_the_user() -> None:
	sent = body_of(Ask([{"role": "system", "content": "Write a poem."}], "claude-sonnet-4-5"))
	assert sent["messages"] == [{"role": "user", "content": [{"type": "text", "text": "Write a poem."}]}]
	assert "system" not in sent


def test_tools_whose_calls_are_answered_are_named_where_the_client_sends_none() -> None:
	messages = [{"role": "user", "content": "Read a."}, {"role": "assistant", "tool_calls": [CALL]}, ANSWER]
	sent = body_of(Ask(messages, "claude-sonnet-4-5"))
	assert [tool["name"] for tool in sent["tools"]] == ["read"]
	assert sent["tool_choice"] == {"type": "none"}


def test_what_is_asked_stays_as_it_is() -> None:
	messages: list[dict[str, Any]] = [
		{"role": "user", "content": [{"type": "text", "text": "Read a."}]},
		{"role": "user", "content": "And b."},
	]
	before = json.dumps([messages, TOOL])
	body_of(Ask(messages, "claude-sonnet-4-5", tools=[TOOL]))["tools"][0]["input_schema"]["changed"] = 1
	assert json.dumps([messages, TOOL]) == before


def test_tokens_of_the_cache_are_part_of_the_prompt_and_have_their_own_price(
	server: ScriptedProvider,
) -> None:
	heard = answer(
		server,
		begun(cache_read_input_tokens=1000, cache_creation_input_tokens=200),
		*text_block(0, "Yes."),
		*ended(output_tokens_details={"thinking_tokens": 3}),
	)
	usage = heard.completion.usage
	assert usage and (usage.prompt_tokens, usage.completion_tokens, usage.reasoning_tokens) == (1210, 5, 3)
	# In US dollars a million: 3 for input, 0.30 to read, 3.75 to write, 15 for output.
	assert usage.cost_usd == pytest.approx((10 * 3 + 1000 * 0.3 + 200 * 3.75 + 5 * 15) / 1e6)


def test_a_late_count_corrects_an_early_one(server: ScriptedProvider) -> None:
	late = {"input_tokens": 20, "cache_creation_input_tokens": 300, "cache_read_input_tokens": None}
	heard = answer(server, begun(cache_read_input_tokens=7), *text_block(0, "Yes."), *ended(**late))
	assert heard.completion.usage and heard.completion.usage.prompt_tokens == 327


def test_what_the_provider_runs_itself_is_not_given_as_a_call(server: ScriptedProvider) -> None:
	search = {"type": "server_tool_use", "id": "srvtoolu_1", "name": "web_search", "input": {}}
	query = {"type": "input_json_delta", "partial_json": '{"query": "x"}'}
	tool_result = {"type": "web_search_tool_result", "tool_use_id": "srvtoolu_1", "content": []}
	heard = answer(
		server,
		begun(),
		{"type": "ping"},
		*block(0, search, query),
		*block(1, tool_result),
		{"type": "something_new", "index": 9},
		*block(2, {"type": "future_block"}, {"type": "future_delta", "future": 1}),
		*text_block(3, "Found."),
		*ended(),
	)
	assert (heard.text, heard.completion.finish_reason) == ("Found.", "stop")
	assert not any(isinstance(chunk, ToolCall) for chunk in heard.chunks)


def test_arguments_that_come_whole_are_those_of_the_call(server: ScriptedProvider) -> None:
	use = {"type": "tool_use", "id": "toolu_1", "name": "read", "input": {"path": "ä"}}
	heard = answer(server, begun(), *block(0, use), *ended("tool_use"))
	call, end = heard.chunks
	assert isinstance(call, ToolCall) and json.loads(call.arguments) == {"path": "ä"}
	assert isinstance(end, Completion) and end.finish_reason == "tool_calls"


def named(identity: str) -> dict[str, Any]:
	return {"type": "message_start", "message": {"id": identity, "usage": {"input_tokens": 10}}}


def test_a_message_that_begins_twice_is_one_message(server: ScriptedProvider) -> None:
	heard = answer(server, named("msg_1"), named("msg_1"), *text_block(0, "Yes."), *ended())
	assert (heard.text, heard.completion.finish_reason) == ("Yes.", "stop")


def test_a_message_within_another_is_no_answer(server: ScriptedProvider) -> None:
	use = {"type": "tool_use", "id": "toolu_1", "name": "read", "input": {}}
	part = {"type": "input_json_delta", "partial_json": '{"path": "'}
	first = [named("msg_1"), *block(0, use, part)[:-1]]
	second = [named("msg_2"), *block(0, {**use, "id": "toolu_2"}), *ended("tool_use")]
	heard = answer(server, *first, *second)
	assert heard.failure.kind == "junk"
	assert not any(isinstance(chunk, ToolCall) and not chunk.arguments_error for chunk in heard.chunks)


def test_what_follows_the_end_of_a_message_is_ignored(server: ScriptedProvider) -> None:
	second = [named("msg_2"), *text_block(0, "No."), *ended("max_tokens")]
	heard = answer(server, named("msg_1"), *text_block(0, "Yes."), *ended(), *second)
	assert (heard.text, heard.completion.finish_reason) == ("Yes.", "stop")


@pytest.mark.parametrize("base", ["", "/v1", "/v1/messages", "/"])
def test_the_address_may_be_given_in_every_form(server: ScriptedProvider, base: str) -> None:
	provider = family(server, "anthropic", api_base=server.base("anthropic") + base)
	assert hear(gateway(provider).stream_generate(scripted([{"text": "Yes."}]))).text == "Yes."


def test_a_call_that_is_streamed_is_asked_for_as_it_is_written() -> None:
	ask = Ask([{"role": "user", "content": "Hi"}], "claude-sonnet-5", tools=[TOOL], stream_tool_calls=True)
	assert [tool["eager_input_streaming"] for tool in body_of(ask)["tools"]] == [True]
	for plain in (
		Ask([{"role": "user", "content": "Hi"}], "claude-sonnet-5", tools=[TOOL], report_tool_calls=True),
		Ask([{"role": "user", "content": "Hi"}], "claude-sonnet-5", stream_tool_calls=True),
	):
		assert "eager_input_streaming" not in json.dumps(body_of(plain))
