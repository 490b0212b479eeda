"""Tests what a provider is sent of tools: the tools, the choice among them, earlier calls and their results."""

import json
from copy import deepcopy
from typing import Any

import pytest

from ai_assistant.gateway import (
	Provider,
	takes_tools,
)
from tests.support.provider import ScriptedProvider

from .asking import (
	MODELS,
	family,
	gateway,
	hear,
	in_camel_case,
	scripted,
	spoken,
)
from .calling import SCHEMA, TOOLS, WHOLE, call, pieces_of

EVERY_FAMILY = pytest.mark.parametrize("api", MODELS)


# What is sent


@EVERY_FAMILY
def test_without_tools_nothing_new_is_sent(server: ScriptedProvider, api: str, marker: str) -> None:
	messages: list[dict[str, Any]] = [
		{"role": "system", "content": marker},
		{"role": "user", "content": "Hi"},
		{"role": "assistant", "content": "Hello."},
		{"role": "user", "content": [{"type": "text", "text": "Who are you?"}]},
	]
	hear(gateway(family(server, api)).stream_generate(messages, max_tokens=77))
	body = server.wait_for(marker).body
	for word in (
		"tools",
		"tool_choice",
		"toolConfig",
		"tool_config",
		"include",
		"reasoning_content",
		"continuation",
	):
		assert word not in body and f'"{word}"' not in json.dumps(body.get("messages"))


def test_an_old_request_is_the_same_to_the_byte(server: ScriptedProvider, marker: str) -> None:
	messages = [{"role": "system", "content": marker}, {"role": "user", "content": "Hé"}]
	hear(gateway(family(server, "openai")).stream_generate(messages, temperature=0.5, max_tokens=7))
	sent: dict[str, Any] = {
		"max_tokens": 7,
		"temperature": 0.5,
		"model": "m1",
		"messages": messages,
		"stream": True,
	}
	assert server.wait_for(marker).text == json.dumps({**sent, "stream_options": {"include_usage": True}})


NAMED = {"type": "function", "function": {"name": "read"}}

# The names of a choice: the default, and those of APIs that use another.
CHOICES: list[tuple[Any, Any, dict[str, Any]]] = [
	(None, None, {}),
	("auto", "auto", {"anthropic": {"type": "auto"}, "gemini": {"mode": "AUTO"}}),
	("none", "none", {"anthropic": {"type": "none"}, "gemini": {"mode": "NONE"}}),
	("required", "required", {"anthropic": {"type": "any"}, "gemini": {"mode": "ANY"}}),
	(
		NAMED,
		NAMED,
		{
			"anthropic": {"type": "tool", "name": "read"},
			"gemini": {"mode": "ANY", "allowedFunctionNames": ["read"]},
			"openai_responses": {"type": "function", "name": "read"},
		},
	),
]


@pytest.mark.parametrize("api", [api for api in MODELS if api != "ollama_chat"])
@pytest.mark.parametrize(("choice", "usual", "others"), CHOICES)
def test_tools_and_the_choice_among_them_are_sent_as_each_api_has_them(
	server: ScriptedProvider, api: str, marker: str, choice: Any, usual: Any, others: dict[str, Any]
) -> None:
	one = gateway(family(server, api))
	heard = hear(one.stream_generate(scripted([{"text": "Yes."}], marker), tools=TOOLS, tool_choice=choice))
	assert heard.completion.dropped == ()
	body = server.wait_for(marker).body
	if spoken(api) == "anthropic":
		assert [(tool["name"], tool["input_schema"]) for tool in body["tools"]] == [
			("read", SCHEMA),
			("list", SCHEMA),
		]
		sent = body.get("tool_choice")
	elif spoken(api) == "gemini":
		body = in_camel_case(body)
		declared = body["tools"][0]["functionDeclarations"]
		assert [tool["name"] for tool in declared] == ["read", "list"]
		sent = body["toolConfig"]["functionCallingConfig"] if choice else None
	else:
		flat = [{"type": "function", "strict": False, **tool["function"]} for tool in TOOLS]
		assert body["tools"] == (flat if api == "openai_responses" else TOOLS)
		sent = body.get("tool_choice")
	assert sent == others.get(spoken(api), usual)


@pytest.mark.parametrize(
	("choice", "dropped", "sends"),
	[("auto", ("tool_choice",), True), (NAMED, ("tool_choice",), True), ("none", (), False)],
)
def test_ollama_has_no_choice(
	server: ScriptedProvider, marker: str, choice: Any, dropped: tuple[str, ...], sends: bool
) -> None:
	one = gateway(family(server, "ollama_chat"))
	heard = hear(one.stream_generate(scripted([{"text": "Yes."}], marker), tools=TOOLS, tool_choice=choice))
	assert heard.completion.dropped == dropped
	assert ("tools" in server.wait_for(marker).body) == sends


@EVERY_FAMILY
def test_a_tools_answer_reaches_the_model(server: ScriptedProvider, api: str, marker: str) -> None:
	messages = turn(marker, [("abc000001", '{"path": "a"}'), ("abc000002", '{"path": "b"}')])
	heard = hear(gateway(family(server, api)).stream_generate(messages, tools=TOOLS))
	assert heard.text == "Hello there."
	told = server.wait_for(marker).text
	for words in ("What abc000001 says", "What abc000002 says", "in parts"):
		assert words in told


def turn(marker: str, made: list[tuple[str, str]], **fields: Any) -> list[dict[str, Any]]:
	"""The messages of a turn that made calls, with an answer to each."""
	calls = [
		{"id": identity, "type": "function", "function": {"name": "read", "arguments": arguments}}
		for identity, arguments in made
	]
	answers: list[Any] = [f"What {identity} says" for identity, _ in made]
	answers[-1] = [{"type": "text", "text": answers[-1]}, {"type": "text", "text": ", in parts"}]
	return [
		{"role": "system", "content": marker},
		{"role": "user", "content": "Go."},
		{"role": "assistant", "content": None, "tool_calls": calls, **fields},
		*(
			{"role": "tool", "tool_call_id": identity, "content": content}
			for (identity, _), content in zip(made, answers, strict=True)
		),
	]


@EVERY_FAMILY
def test_arguments_that_never_parsed_can_be_sent_back(
	server: ScriptedProvider, api: str, marker: str
) -> None:
	messages = turn(marker, [("abc000001", '{"path": '), ("abc000002", ""), ("abc000003", "[1]")])
	assert hear(gateway(family(server, api)).stream_generate(messages, tools=TOOLS)).text == "Hello there."


@EVERY_FAMILY
def test_an_id_that_comes_again_is_sent_as_another(server: ScriptedProvider, api: str, marker: str) -> None:
	first = turn(marker, [("call_0", '{"path": "a"}'), ("call_0_2", '{"path": "a"}')])
	again = turn(marker, [("call_0", '{"path": "a"}'), ("call_1", '{"path": "b"}')])[1:]
	before = json.dumps(first + again)
	assert (
		hear(gateway(family(server, api)).stream_generate(first + again, tools=TOOLS)).text == "Hello there."
	)
	assert json.dumps(first + again) == before
	made, answered = ids_sent(server.wait_for(marker).body)
	assert len(made) == 4
	if spoken(api) not in WHOLE:
		# Those have none.
		assert len(set(made)) == 4 and made == answered


def ids_sent(body: dict[str, Any]) -> tuple[list[Any], list[Any]]:
	"""The ids of a request's calls, and those of the answers to them; for who has no ids the calls."""
	made: list[Any] = []
	answered: list[Any] = []

	def look(value: Any) -> None:
		if isinstance(value, list):
			for entry in value:
				look(entry)
		elif isinstance(value, dict):
			kind = value.get("type")
			if kind in ("function", "tool_use", "function_call") and "parameters" not in json.dumps(value):
				made.append(value.get("call_id") or value.get("id"))
			elif "function_call" in value or "functionCall" in value or "function" in value:
				made.append(value)
			elif answers := value.get("tool_call_id") or value.get("tool_use_id") or value.get("call_id"):
				answered.append(answers)
			else:
				for entry in value.values():
					look(entry)

	look(body.get("messages") or body.get("input") or body.get("contents"))
	return made, answered


@EVERY_FAMILY
def test_two_equal_calls_of_a_turn_stay_two(server: ScriptedProvider, api: str, marker: str) -> None:
	messages = turn(marker, [("abc000001", '{"path": "a"}'), ("abc000002", '{"path": "a"}')])
	assert hear(gateway(family(server, api)).stream_generate(messages, tools=TOOLS)).text == "Hello there."
	assert len(ids_sent(server.wait_for(marker).body)[0]) == 2


@EVERY_FAMILY
@pytest.mark.parametrize("content", [None, "", " ", [], [{"type": "text", "text": ""}]])
def test_a_turn_in_which_nothing_was_said_is_left_out(
	server: ScriptedProvider, api: str, content: Any, marker: str
) -> None:
	asking = [{"role": "user", "content": "a"}, {"role": "assistant", "content": content}]
	messages = [{"role": "system", "content": marker}, *asking, {"role": "user", "content": "b"}]
	assert hear(gateway(family(server, api)).stream_generate(messages)).text == "Hello there."
	request = server.wait_for(marker)
	sent = next(request.body[name] for name in ("messages", "input", "contents") if name in request.body)
	assert not [message for message in sent if message["role"] in ("assistant", "model")]
	assert "sanitised" not in request.text


@EVERY_FAMILY
def test_what_is_asked_is_never_written_into(server: ScriptedProvider, api: str, marker: str) -> None:
	properties = {"mode": {"type": ["string", "null"]}, "any": {}, "item": {"$ref": "#/$defs/item"}}
	parameters = {"type": "object", "properties": properties, "additionalProperties": False}
	parameters["$defs"] = {"item": {"anyOf": [{"type": "string", "enum": [""]}, {"type": "null"}]}}
	tools = [{"type": "function", "function": {"name": "f", "parameters": parameters, "strict": True}}]
	image = {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{'A' * 8}", "detail": "low"}}
	seen = [{"type": "text", "text": " x "}, *([] if api == "litellm/deepseek" else [image])]
	messages = [*turn(marker, [("a", '{"path":')]), {"role": "user", "content": seen}]
	extra = {"extra_headers": {"x-team": "one"}, "metadata": {"a": {"b": "c"}}}
	value = deepcopy((tools, messages, extra))
	one = gateway(family(server, api, extra=extra))
	assert (
		hear(one.stream_generate(messages, tools=tools, **{"reasoning_effort": "low"})).text == "Hello there."
	)
	assert (tools, messages, extra) == value


@pytest.mark.parametrize("api", [*MODELS])
def test_calls_may_be_told_of_without_tools(server: ScriptedProvider, api: str, marker: str) -> None:
	messages = turn(marker, [("abc000001", '{"path": "a"}')])
	assert hear(gateway(family(server, api)).stream_generate(messages)).text == "Hello there."


def test_mistral_gets_ids_of_its_own_kind(server: ScriptedProvider, marker: str) -> None:
	messages = turn(marker, [("call_" + "x" * 40, '{"path": "a"}'), ("abc000002", '{"path": "b"}')])
	hear(gateway(family(server, "mistral")).stream_generate(messages, tools=TOOLS))
	sent = server.wait_for(marker).body["messages"]
	ids = [one["id"] for one in sent[2]["tool_calls"]]
	assert [len(one) for one in ids] == [9, 9] and ids[0].isalnum() and ids[1] == "abc000002"
	assert [message["tool_call_id"] for message in sent[3:]] == ids


# Models that have none


def test_a_model_known_to_take_no_tools_is_not_asked(server: ScriptedProvider, marker: str) -> None:
	for api in ("openai", "litellm/openai", "openai_responses"):
		one = gateway(family(server, api, default_model="gpt-5-chat-latest"))
		failure = hear(one.stream_generate(scripted([], marker), tools=TOOLS)).failure
		assert (failure.code, failure.retryable) == ("invalid_request", False)
		assert (
			str(failure) == f"gpt-5-chat-latest of {api} takes no tools; choose another model or send none."
		)
	assert server.count(marker) == 0


def test_the_next_provider_may_take_them(server: ScriptedProvider) -> None:
	first = family(server, "openai", name="first", default_model="gpt-5-chat-latest", priority=1)
	heard = hear(
		gateway(first, family(server, "openai")).stream_generate(scripted(call(0, "{}")), tools=TOOLS)
	)
	assert heard.fallbacks[0].failed.error == "invalid_request"
	assert pieces_of(heard) == [("read", {})]


@pytest.mark.parametrize(
	("api", "model", "takes"),
	[
		("openai", "gpt-5-chat-latest", False),
		("openai_responses", "gpt-5", True),
		("litellm/anthropic", "claude-sonnet-4-5", True),
		("ollama_chat", "llama3.1", True),
		("deepseek", "deepseek-reasoner", True),
		("openai", "smollm2", None),
		("openai", "smollm2-135m-instruct", False),
	],
)
def test_what_is_known_of_a_model_can_be_asked_without_litellm(
	api: str, model: str, takes: bool | None
) -> None:
	assert takes_tools(Provider("p", api, "k", model), model) is takes
