"""Tests what only Ollama's API has: its requests, its counts and its events."""

import json
from typing import Any

import pytest

from ai_assistant.gateway import Provider
from ai_assistant.gateway.adapters.ollama import parameters
from ai_assistant.gateway.chunks import Ask
from tests.gateway.asking import KEY, Heard, family, gateway, hear, scripted
from tests.gateway.calling import calls
from tests.support.provider import ScriptedProvider

QUESTION = [{"role": "user", "content": "Hi"}]
TOOL = {"type": "function", "function": {"name": "read", "parameters": {"type": "object"}}}


def body_of(ask: Ask) -> dict[str, Any]:
	return parameters(Provider("p", "ollama", KEY, ask.model), ask)[0]


def answer(server: ScriptedProvider, *lines: dict[str, Any]) -> Heard:
	raw = "".join(f"{json.dumps(line)}\n" for line in lines)
	return hear(
		gateway(family(server, "ollama_chat")).stream_generate(scripted([{"raw": raw}]), tools=[TOOL])
	)


def line(content: str = "", **fields: Any) -> dict[str, Any]:
	return {"model": "m1", "message": {"role": "assistant", "content": content, **fields}, "done": False}


def ended(reason: str | None = "stop", **fields: Any) -> dict[str, Any]:
	payload = {"done_reason": reason} if reason is not None else {}
	return {**line(), "done": True, **payload, "prompt_eval_count": 10, "eval_count": 5, **fields}


@pytest.mark.parametrize("api", ["ollama", "ollama_chat"])
@pytest.mark.parametrize("base", ["", "/", "/api", "/api/chat"])
def test_both_names_are_of_one_api(server: ScriptedProvider, api: str, base: str, marker: str) -> None:
	address = server.base("ollama_chat") + base
	one = gateway(Provider("p", api, KEY, "m1", api_base=address))
	messages = scripted([{"reasoning": "Hm."}, {"text": "Yes."}], marker)
	text = hear(one.stream_generate(messages))
	assert (text.reasoning, text.text) == ("Hm.", "Yes.")
	request = server.wait_for(marker)
	assert (request.path, request.body["stream"]) == ("/ollama_chat/api/chat", True)


@pytest.mark.parametrize(
	("model", "effort", "think"),
	[
		("qwen3:0.6b", "low", True),
		("qwen3:0.6b", "none", False),
		("qwen3:0.6b", None, None),
		("gpt-oss:20b", "medium", "medium"),
		("unsloth/gpt-oss", "high", "high"),
		# It cannot stop.
		("gpt-oss:20b", "none", None),
	],
)
def test_a_model_is_asked_to_think_in_its_own_words(model: str, effort: str | None, think: Any) -> None:
	assert body_of(Ask(QUESTION, model, reasoning_effort=effort)).get("think") == think


def test_a_model_that_cannot_think_is_asked_again_without(server: ScriptedProvider, marker: str) -> None:
	refuses = {"status": 400, "given": "think", "body": {"error": '"m1" does not support thinking'}}
	one = gateway(family(server, "ollama_chat"))
	messages = scripted([refuses, {"text": "Yes."}], marker)
	heard = hear(one.stream_generate(messages, reasoning_effort="low"))
	assert (heard.text, heard.completion.dropped, heard.completion.attempts) == (
		"Yes.",
		("reasoning_effort",),
		(),
	)
	assert [request.body.get("think") for request in server.requests if marker in request.text] == [
		True,
		None,
	]


@pytest.mark.parametrize(("status", "effort"), [(400, None), (400, "none"), (404, "low"), (500, "low")])
def test_what_is_refused_for_another_reason_is_not_asked_again(
	server: ScriptedProvider, status: int, effort: str | None, marker: str
) -> None:
	one = gateway(family(server, "ollama_chat"))
	assert hear(one.stream_generate(scripted([{"status": status}], marker), reasoning_effort=effort)).failure
	assert server.count(marker) == 1


def test_what_a_site_adds_is_an_option_of_the_model_or_a_field_of_the_request(
	server: ScriptedProvider, marker: str
) -> None:
	extra = {
		"num_ctx": 32768,
		"keep_alive": "1h",
		"think": True,
		"options": {"top_k": 3, "temperature": 0.1},
		"extra_headers": {"x-team": "one"},
	}
	one = gateway(family(server, "ollama_chat", extra=extra))
	hear(one.stream_generate(scripted([{"text": "Yes."}], marker), temperature=0.5, max_tokens=7))
	request = server.wait_for(marker)
	assert request.body["options"] == {"num_ctx": 32768, "top_k": 3, "temperature": 0.5, "num_predict": 7}
	assert (request.body["keep_alive"], request.body["think"]) == ("1h", True)
	assert set(request.body) == {"model", "messages", "options", "stream", "keep_alive", "think"}
	assert request.headers["x-team"] == "one"


def test_an_answer_of_a_tool_names_the_function() -> None:
	call = {"id": "a", "type": "function", "function": {"name": "read", "arguments": '{"path": "ä"}'}}
	messages = [
		*QUESTION,
		{"role": "assistant", "content": None, "tool_calls": [call]},
		{"role": "tool", "tool_call_id": "a", "content": [{"type": "text", "text": "b"}]},
	]
	_, made, answered = body_of(Ask(messages, "m1", tools=[TOOL]))["messages"]
	assert made["tool_calls"] == [{"id": "a", "function": {"name": "read", "arguments": {"path": "ä"}}}]
	assert answered == {"role": "tool", "content": "b", "tool_call_id": "a", "tool_name": "read"}


def test_calls_are_whole_and_may_be_without_ids_and_all_numbered_alike(server: ScriptedProvider) -> None:
	def made(path: str, **fields: Any) -> dict[str, Any]:
		return {"function": {"index": 0, "name": "read", "arguments": {"path": path}}, **fields}

	heard = answer(
		server,
		line(thinking="Hm.", tool_calls=[made("a"), made("b")]),
		line(tool_calls=[{"function": {"name": "read", "arguments": {}}}]),
		{**ended(), "message": {"role": "assistant", "content": "", "tool_calls": [made("c", id="call_c")]}},
	)
	paths = [json.loads(call.arguments).get("path") for call in calls(heard)]
	assert paths == ["a", "b", None, "c"]
	assert len({call.id for call in calls(heard)}) == 4 and "call_c" in {call.id for call in calls(heard)}
	assert heard.completion.finish_reason == "tool_calls"


@pytest.mark.parametrize(
	("reason", "finish"), [("stop", "stop"), ("length", "length"), (None, "stop"), ("load", "stop")]
)
def test_the_last_line_says_why_it_ends(server: ScriptedProvider, reason: str | None, finish: str) -> None:
	end = ended(reason)
	del end["message"]
	heard = answer(server, line("Yes"), line("."), end)
	assert (heard.text, heard.completion.finish_reason) == ("Yes.", finish)
	assert heard.completion.usage and heard.completion.usage.total_tokens == 15


def test_tokens_that_nobody_has_counted_are_no_count(server: ScriptedProvider) -> None:
	assert answer(server, line("Yes."), {**line(), "done": True}).completion.usage is None


def test_an_error_may_be_a_line(server: ScriptedProvider) -> None:
	heard = answer(server, line("Hel"), {"error": "an error was encountered while running the model"})
	assert (heard.failure.kind, heard.text) == ("reported", "Hel")
	heard = answer(server, {"error": "the input length exceeds the context length"})
	assert heard.failure.kind == "too_long"
