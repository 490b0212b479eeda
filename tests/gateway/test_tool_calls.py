"""Calls of the client's tools: asked for in every family, made whole from whatever pieces they come in."""

import json
from collections.abc import Iterable
from copy import deepcopy
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ai_assistant.gateway import (
	Cancel,
	Gateway,
	Pacing,
	Provider,
	Reasoning,
	Text,
	Timeouts,
	ToolCall,
	ToolCallDelta,
	ToolCallStart,
	takes_tools,
)
from ai_assistant.gateway.sse import ProtocolError
from ai_assistant.gateway.tool_calls import MAX_CALLS, ToolCalls, ToolPiece, sendable, tool_piece
from tests.support.provider import ScriptedProvider
from tests.support.wire import Step

from .asking import (
	ADAPTERS,
	MODELS,
	PATIENT,
	Heard,
	Listener,
	family,
	gateway,
	hear,
	in_camel_case,
	scripted,
	spoken,
)
from .test_shapes import cut_everywhere

EVERY_FAMILY = pytest.mark.parametrize("api", MODELS)
EVERY_ADAPTER = pytest.mark.parametrize("api", ADAPTERS)
# Who sends a call whole, its arguments as an object.
WHOLE = ("gemini", "ollama_chat")
IN_PIECES = [api for api in MODELS if spoken(api) not in WHOLE]

SCHEMA = {"type": "object", "properties": {"path": {"type": "string"}}, "required": ["path"]}
TOOL = {
	"type": "function",
	"function": {"name": "read", "description": "Reads a file.", "parameters": SCHEMA},
}
TOOLS = [TOOL, {"type": "function", "function": {"name": "list", "parameters": SCHEMA}}]


def call(n: int, *pieces: str, name: str = "read") -> list[Step]:
	"""The nth call, its arguments in pieces."""
	first, *rest = pieces or ("",)
	begin = {"call": n, "id": f"call0000{n}", "name": name, "arguments": first}
	return [begin, *({"call": n, "arguments": piece} for piece in rest)]


def answer(server: ScriptedProvider, api: str, script: list[Step], **asking: Any) -> Heard:
	one = gateway(family(server, api))
	return hear(one.stream_generate(scripted(script), **{"tools": TOOLS, **asking}))


def calls(heard: Heard) -> list[ToolCall]:
	return [chunk for chunk in heard.chunks if isinstance(chunk, ToolCall)]


def pieces_of(heard: Heard) -> list[tuple[str, Any]]:
	"""Each call's name and arguments: who sends objects has them written anew."""
	return [(one.name, json.loads(one.arguments)) for one in calls(heard)]


# In every family


@EVERY_FAMILY
def test_a_call_may_be_streamed(server: ScriptedProvider, api: str, marker: str) -> None:
	script = [
		{"text": "I look."},
		*call(0, "", '{"pa', 'th": "ä💡', '"}'),
		*call(1, '{"path": ', '"b"}', name="list"),
	]
	one = gateway(family(server, api))
	chunks = hear(one.stream_generate(scripted(script), tools=TOOLS, stream_tool_calls=True)).chunks
	check_streamed(chunks)
	streamed = [chunk for chunk in chunks if isinstance(chunk, ToolCallStart | ToolCallDelta | ToolCall)]
	deltas = [chunk for chunk in streamed if isinstance(chunk, ToolCallDelta)]
	assert len(deltas) == (5 if api in IN_PIECES else 2)
	assert [chunk.name for chunk in streamed if isinstance(chunk, ToolCall)] == ["read", "list"]
	plain = hear(one.stream_generate(scripted(script), tools=TOOLS)).chunks
	assert not any(isinstance(chunk, ToolCallStart | ToolCallDelta) for chunk in plain)


@pytest.mark.parametrize("api", [api for api in IN_PIECES if api in ADAPTERS])
def test_a_call_that_is_cut_is_streamed_as_far_as_it_came(server: ScriptedProvider, api: str) -> None:
	script = [*call(0, '{"path": ', '"a'), {"cut": True}]
	heard = hear(
		gateway(family(server, api)).stream_generate(scripted(script), tools=TOOLS, stream_tool_calls=True)
	)
	assert heard.failure.code == "provider_unavailable"
	check_streamed(heard.chunks)
	assert [one.arguments for one in calls(heard)] == ['{"path": "a']


@EVERY_FAMILY
def test_a_call_comes_once_and_whole(server: ScriptedProvider, api: str) -> None:
	script = [{"reasoning": "Hm."}, {"text": "I look."}, *call(0, "", '{"pa', 'th": "ä💡', '"}')]
	heard = answer(server, api, script)
	assert pieces_of(heard) == [("read", {"path": "ä💡"})]
	assert (heard.reasoning, heard.text) == ("Hm.", "I look.")
	assert heard.completion.finish_reason == "tool_calls"
	if api in IN_PIECES:
		assert calls(heard) == [ToolCall("call00000", "read", '{"path": "ä💡"}')]


@EVERY_FAMILY
def test_several_calls_have_ids_of_their_own(server: ScriptedProvider, api: str) -> None:
	script = [
		*call(0, '{"path": ', '"a"}'),
		*call(1, '{"path": "b"}', name="list"),
		*call(2, '{"path": "a"}'),
	]
	heard = answer(server, api, script)
	assert pieces_of(heard) == [("read", {"path": "a"}), ("list", {"path": "b"}), ("read", {"path": "a"})]
	ids = [one.id for one in calls(heard)]
	assert len(set(ids)) == 3 and all(0 < len(one) < 65 for one in ids)


@pytest.mark.parametrize("api", [api for api in IN_PIECES if spoken(api) != "anthropic"])
def test_calls_may_come_interleaved(server: ScriptedProvider, api: str) -> None:
	first, second = call(0, '{"path"', ': "a"', "}"), call(1, '{"pat', 'h": "b"', "}")
	heard = answer(server, api, [first[0], second[0], second[1], first[1], second[2], first[2]])
	# In the order in which they became whole.
	assert pieces_of(heard) == [("read", {"path": "b"}), ("read", {"path": "a"})]


@EVERY_FAMILY
def test_a_call_is_given_before_the_answer_ends(server: ScriptedProvider, api: str, marker: str) -> None:
	one = gateway(family(server, api))
	script = [*call(0, '{"path": "a"}'), {"gate": marker}, {"text": "Done."}]
	listener = Listener(one.stream_generate(scripted(script), tools=TOOLS))
	listener.until(lambda heard: bool(calls(heard)))
	server.open(marker)
	heard = listener.to_the_end()
	assert [type(chunk) for chunk in heard.chunks if type(chunk) in (ToolCall, Text)] == [ToolCall, Text]
	assert heard.completion.finish_reason == "tool_calls"


@EVERY_FAMILY
@pytest.mark.parametrize("finish", ["stop", "tool_calls"])
def test_an_end_after_a_call_is_the_calls(server: ScriptedProvider, api: str, finish: str) -> None:
	heard = answer(server, api, [*call(0, '{"path": "a"}'), {"finish": finish}])
	assert heard.completion.finish_reason == "tool_calls"


@EVERY_FAMILY
@pytest.mark.parametrize("tools", [None, TOOLS])
def test_an_end_without_a_call_is_none(server: ScriptedProvider, api: str, tools: Any) -> None:
	called = [] if tools else call(0, '{"path": "a"}')
	heard = answer(server, api, [{"text": "Yes."}, *called, {"finish": "tool_calls"}], tools=tools)
	assert (calls(heard), heard.text, heard.completion.finish_reason) == ([], "Yes.", "stop")


@EVERY_FAMILY
@pytest.mark.parametrize(
	("script", "expected"),
	[
		([{"text": "<thi"}], [Text("<thi")]),
		([{"text": "\n"}], [Text("\n")]),
		([{"text": "<think>Hm.</"}], [Reasoning("Hm."), Reasoning("</")]),
		([{"text": "<think>Hm.</think>\n"}], [Reasoning("Hm.")]),
	],
)
def test_what_was_held_for_a_tag_comes_before_the_call(
	server: ScriptedProvider, api: str, script: list[Step], expected: list[Any]
) -> None:
	heard = answer(server, api, [*script, *call(0, '{"path": "a"}')])
	told = [chunk for chunk in heard.chunks if isinstance(chunk, Reasoning | Text | ToolCall)]
	assert (told[:-1], type(told[-1])) == (expected, ToolCall)


@pytest.mark.parametrize("api", IN_PIECES)
def test_no_arguments_are_an_empty_object(server: ScriptedProvider, api: str) -> None:
	assert pieces_of(answer(server, api, call(0, ""))) == [("read", {})]


@pytest.mark.parametrize("api", [api for api in IN_PIECES if spoken(api) != "anthropic"])
def test_arguments_that_never_parse_are_given_as_they_came(server: ScriptedProvider, api: str) -> None:
	heard = answer(server, api, [*call(0, '{"path": ', "oops}"), *call(1, '{"path": "b"}')])
	broken = next(one for one in calls(heard) if one.arguments_error)
	assert (broken.name, broken.arguments) == ("read", '{"path": oops}')
	assert broken.arguments_error == "The model's arguments for read are not a JSON object."
	assert ("read", {"path": "b"}) in [(c.name, json.loads(c.arguments)) for c in calls(heard) if c != broken]
	assert heard.completion.finish_reason == "tool_calls"


@pytest.mark.parametrize("api", IN_PIECES)
def test_arguments_cut_at_max_tokens_are_given_as_they_came(server: ScriptedProvider, api: str) -> None:
	heard = answer(server, api, [*call(0, '{"path": "a'), {"finish": "length"}])
	[cut] = calls(heard)
	assert cut.arguments == '{"path": "a'
	assert cut.arguments_error == "The model's arguments for read ended before they were whole."
	assert heard.completion.finish_reason == "length"


@pytest.mark.parametrize("api", [api for api in IN_PIECES if api in ADAPTERS])
@pytest.mark.parametrize("fault", [{"cut": True}, {"error": "overloaded"}])
def test_what_had_come_of_a_call_before_a_fault_is_given(
	server: ScriptedProvider, api: str, fault: Step
) -> None:
	other = family(server, "openai", name="other")
	one = gateway(family(server, api, priority=1), other)
	script = [*call(0, '{"path": "a"}'), *call(1, '{"path": '), {"sleep": 0.01}, fault]
	heard = hear(one.stream_generate(scripted(script), tools=TOOLS))
	assert [(c.arguments, bool(c.arguments_error)) for c in calls(heard)] == [
		('{"path": "a"}', False),
		('{"path": ', True),
	]
	assert heard.failure.code in ("provider_error", "provider_unavailable")
	assert heard.fallbacks == []


@EVERY_ADAPTER
def test_a_cancel_in_the_middle_of_a_call_gives_what_had_come(
	server: ScriptedProvider, api: str, marker: str
) -> None:
	cancel = Cancel()
	begun = call(1, '{"path": ') if api in IN_PIECES else []
	script = [*call(0, '{"path": "a"}'), *begun, {"hang": True}]
	stream = gateway(family(server, api)).stream_generate(
		scripted(script, marker), tools=TOOLS, cancel=cancel, pacing=Pacing(lambda: 0.05)
	)
	listener = Listener(stream)
	listener.until(lambda heard: bool(calls(heard)))
	cancel()
	heard = listener.to_the_end()
	assert said_first(heard) == ("read", {"path": "a"})
	assert heard.completion.finish_reason == "cancelled"
	assert server.wait_for(marker).hung_up.wait(5)


def said_first(heard: Heard) -> tuple[str, Any]:
	first = calls(heard)[0]
	return first.name, json.loads(first.arguments)


@EVERY_ADAPTER
def test_a_silence_in_the_middle_of_a_call_is_one_of_the_answer(server: ScriptedProvider, api: str) -> None:
	one = gateway(family(server, api), timeouts=Timeouts(20, 20, 0.3, 40))
	heard = hear(one.stream_generate(scripted([*call(0, '{"path": "a"}'), {"hang": True}]), tools=TOOLS))
	assert (heard.failure.code, heard.failure.kind) == ("timeout", "idle")
	assert len(calls(heard)) == 1


@EVERY_ADAPTER
def test_arguments_count_as_text_does(server: ScriptedProvider, api: str) -> None:
	one = Gateway([family(server, api)], PATIENT, max_chars=100)
	long = json.dumps({"path": "x" * 200})
	cut_at = long if spoken(api) in WHOLE else long[:90]
	script = [*call(0, '{"path": "a"}'), *call(1, cut_at), {"call": 1, "arguments": "y" * 50}]
	heard = hear(one.stream_generate(scripted(script), tools=TOOLS))
	assert said_first(heard) == ("read", {"path": "a"})
	assert heard.completion.finish_reason == "length"


def test_calls_without_an_end_are_no_answer(server: ScriptedProvider) -> None:
	script = [step for n in range(MAX_CALLS + 1) for step in call(n, '{"path": "a"}')]
	heard = answer(server, "openai", script)
	assert heard.failure.code == "provider_error"
	assert len(calls(heard)) == MAX_CALLS


@EVERY_FAMILY
def test_a_call_that_nobody_asked_for_is_passed_over(server: ScriptedProvider, api: str) -> None:
	heard = answer(server, api, [{"text": "Yes."}, *call(0, '{"path": "a"}'), {"finish": "stop"}], tools=None)
	assert calls(heard) == []
	assert heard.text == "Yes."
	assert heard.completion.continuation is None


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


# Pieces


def assembled(*pieces: ToolPiece) -> list[tuple[str, str, str | None]]:
	"""The calls in the pieces. They are the same when they are streamed as well."""
	calls = all_of(ToolCalls(), pieces)
	streamed = all_of(ToolCalls(streams=True), pieces)
	whole = [chunk for chunk in streamed if isinstance(chunk, ToolCall)]
	assert [called(one) for one in whole] == [called(one) for one in calls if isinstance(one, ToolCall)]
	check_streamed(streamed)
	return [(one.name, one.arguments, one.arguments_error) for one in calls if isinstance(one, ToolCall)]


def all_of(tool_calls: ToolCalls, pieces: Iterable[ToolPiece]) -> list[Any]:
	chunks = [chunk for piece in pieces for chunk in tool_calls.add(piece)]
	chunks += tool_calls.end()
	assert list(tool_calls.end()) == []
	return chunks


def called(call: ToolCall) -> tuple[str, str, str | None]:
	# Broken arguments are not streamed with the white space before them.
	return (
		call.name,
		call.arguments.lstrip() if call.arguments_error else call.arguments,
		call.arguments_error,
	)


def check_streamed(chunks: list[Any]) -> None:
	"""Each call has one start, then deltas that come to its arguments, then the whole call."""
	begun: dict[str, str] = {}
	for chunk in chunks:
		if isinstance(chunk, ToolCallStart):
			assert chunk.id not in begun
			begun[chunk.id] = ""
			names = [one.name for one in chunks if isinstance(one, ToolCall) and one.id == chunk.id]
			assert names == [chunk.name]
		elif isinstance(chunk, ToolCallDelta):
			assert chunk.text
			begun[chunk.id] += chunk.text
		elif isinstance(chunk, ToolCall):
			assert begun.pop(chunk.id) == chunk.arguments
	assert begun == {}


def cut(text: str, *cuts: int) -> list[ToolPiece]:
	begin = ToolPiece(0, "c", "f", "")
	ends = zip((0, *cuts), (*cuts, len(text)), strict=True)
	return [begin, *(ToolPiece(0, None, None, text[a:b]) for a, b in ends)]


def test_a_call_is_told_as_it_is_written() -> None:
	tool_calls = ToolCalls(streams=True)
	pieces = [
		ToolPiece(0, "c", None, ""),
		ToolPiece(0, None, "f", ""),
		ToolPiece(0, None, None, " {"),
		ToolPiece(0, None, None, '"a": "\ud83d'),
		ToolPiece(0, None, None, '\udca1"'),
		ToolPiece(0, None, None, "}\n"),
	]
	assert [list(tool_calls.add(piece)) for piece in pieces] == [
		[],
		[ToolCallStart("c", "f")],
		# It may be an empty object, in whose place another may come.
		[],
		[ToolCallDelta("c", '{"a": "')],
		[ToolCallDelta("c", '💡"')],
		[ToolCallDelta("c", "}"), ToolCall("c", "f", '{"a": "💡"}')],
	]


def test_a_call_keeps_the_id_that_it_began_with() -> None:
	pieces = [ToolPiece(0, None, "f", '{"x":'), ToolPiece(0, "late", None, "1}")]
	start, *_deltas, whole = all_of(ToolCalls(streams=True), pieces)
	assert start.id == whole.id != "late"


# Arguments, and whether they are an object.
ODD = [
	('{"a": "}\\"{", "b": [{}, [1]], "c\\\\": "\\ud83d\\udca1"}', True),
	("{}", True),
	(' \n{ "a" : 1 }\n ', True),
	("   ", True),
	("", True),
	('{"a": NaN}', False),
	('{"a": 1', False),
	('{"a": "\n"}', False),
	('"{}"', False),
	("[1]", False),
	("null", False),
	("oops", False),
	("}{", False),
	('{"a"]', False),
]


@pytest.mark.parametrize(("text", "is_object"), ODD)
def test_it_makes_no_difference_where_arguments_are_cut(text: str, is_object: bool) -> None:
	[at_once] = assembled(*cut(text))
	for first in range(len(text) + 1):
		for second in range(first, len(text) + 1):
			assert assembled(*cut(text, first, second)) == [at_once]
	assert (at_once[2] is None) == is_object
	assert at_once[1] == ((text.strip() or "{}") if is_object else text)


JSON = st.recursive(
	st.none() | st.integers() | st.text(max_size=5), lambda inner: st.lists(inner, max_size=3)
)


@settings(max_examples=50)
@given(st.dictionaries(st.text(max_size=5), JSON, min_size=1, max_size=3), st.booleans(), st.data())
def test_any_object_is_whole_at_its_last_character(
	value: dict[str, Any], ascii: bool, data: st.DataObject
) -> None:
	text = json.dumps(value, ensure_ascii=ascii)
	cuts = sorted(data.draw(st.lists(st.integers(0, len(text)), max_size=8)))
	tool_calls = ToolCalls()
	pieces = cut(text, *cuts)
	emitted = [list(tool_calls.add(piece)) for piece in pieces]
	[call] = [one for some in emitted for one in some]
	check_streamed(all_of(ToolCalls(streams=True), pieces))
	assert isinstance(call, ToolCall)
	assert json.loads(call.arguments) == json.loads(
		text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
	)
	assert list(tool_calls.end()) == []


@pytest.mark.parametrize("cuts", range(9))
def test_more_than_an_object_is_no_answer(cuts: int) -> None:
	with pytest.raises(ProtocolError):
		assembled(*cut('{"a": 1}x', cuts))
	assert assembled(*cut('{"a": 1} \n', cuts)) == [("f", '{"a": 1}', None)]


@pytest.mark.parametrize(
	"pieces",
	[
		# No index: by id, and what has none belongs to the last
		[
			(None, "a", "f", '{"x":'),
			(None, None, None, "1}"),
			(None, "b", "g", '{"x":'),
			(None, None, None, "2}"),
		],
		[
			(None, "a", "f", '{"x":'),
			(None, "b", "g", '{"x":'),
			(None, "a", None, "1}"),
			(None, "b", None, "2}"),
		],
		# Neither: by name, which may be repeated
		[(None, None, "f", '{"x":1}'), (None, None, "g", '{"x":2}')],
		[(None, None, "f", '{"x":'), (None, None, "f", "1}"), (None, None, "g", '{"x":2}')],
		# The id is repeated, or made up anew, and the name is
		[(0, "a", "f", '{"x":'), (0, "a", "f", "1}"), (1, "b", "g", '{"x":2}')],
		[(0, "a", "f", '{"x":'), (0, "z", None, "1}"), (1, "b", "g", '{"x":2}')],
		# All have one index, and ids of their own
		[(0, "a", "f", '{"x":1}'), (0, "b", "g", '{"x":2}')],
		[(0, "a", "f", '{"x":'), (0, None, None, "1}"), (0, "b", "g", '{"x":'), (0, None, None, "2}")],
		# All have one id, and no index
		[(None, "a", "f", '{"x":1}'), (None, "a", "g", '{"x":2}')],
		[(None, "a", "f", '{"x":'), (None, "a", None, "1}"), (None, "a", "g", '{"x":2}')],
		# They begin with an empty object
		[(0, "a", "f", "{}"), (0, None, None, '{"x":'), (0, None, None, "1}"), (1, "b", "g", '{"x":2}')],
		[(None, "a", "f", "{}"), (None, "a", "f", '{"x":1}'), (None, "b", "g", '{}{"x":2}')],
		[(0, "a", "f", "{}"), (1, "b", "g", "{ }"), (0, None, None, '{"x":1}'), (1, None, None, '{"x":2}')],
		# The name comes late, the indexes are any
		[
			(7, "a", None, ""),
			(7, None, "f", '{"x":'),
			(3, "b", "g", '{"x":'),
			(7, None, None, "1}"),
			(3, None, None, "2}"),
		],
	],
)
def test_pieces_find_their_calls(pieces: list[tuple[Any, ...]]) -> None:
	calls = assembled(*(ToolPiece(*piece) for piece in pieces))
	assert sorted(calls) == [("f", '{"x":1}', None), ("g", '{"x":2}', None)]


def test_calls_stay_in_their_order_behind_an_empty_object() -> None:
	pieces = [ToolPiece(0, "a", "f", "{}"), ToolPiece(1, "b", "g", '{"x":2}')]
	tool_calls = ToolCalls()
	assert [one for piece in pieces for one in tool_calls.add(piece)] == []
	assert [(one.id, one.arguments) for one in tool_calls.end() if isinstance(one, ToolCall)] == [
		("a", "{}"),
		("b", '{"x":2}'),
	]


@pytest.mark.parametrize("index", [(0, 1, 2), (None, None, None)])
def test_each_call_of_an_answer_has_an_id_of_its_own(index: Any) -> None:
	tool_calls = ToolCalls()
	pieces = [ToolPiece(n, "call_0", "f", f'{{"x":{at}}}') for at, n in enumerate(index)]
	value = [one for piece in pieces for one in tool_calls.add(piece) if isinstance(one, ToolCall)]
	check_streamed(all_of(ToolCalls(streams=True), pieces))
	assert [one.arguments for one in value] == ['{"x":0}', '{"x":1}', '{"x":2}']
	assert value[0].id == "call_0" and len({one.id for one in value}) == 3


def test_half_a_surrogate_waits_for_the_other_in_arguments_too() -> None:
	assert assembled(*cut('{"a": "\ud83d\udca1"}', 8)) == [("f", '{"a": "💡"}', None)]
	assert assembled(*cut('{"a": "\ud83d"}', 8)) == [("f", '{"a": "\ufffd"}', None)]


def test_a_long_argument_costs_its_length() -> None:
	text = json.dumps({"a": "[{\\" * 20_000})
	assert assembled(*cut(text, *range(1, len(text), 3)))[0][2] is None


def test_nesting_without_an_end_is_no_object() -> None:
	deep = '{"a":' * 100_000 + "1" + "}" * 100_000
	assert assembled(*cut(deep))[0][2] == "The model's arguments for f are not a JSON object."


def test_a_call_without_an_id_gets_one() -> None:
	made = {next(ToolCalls().add(ToolPiece(0, None, "f", '{"x":1}'))).id for _ in range(2)}
	assert len(made) == 2 and all(one.startswith("call_") for one in made)


@pytest.mark.parametrize(
	"odd",
	[
		{"index": "0", "function": {"name": "f"}},
		{"index": 0, "id": 5, "function": {"name": "f"}},
		{"index": 0, "function": {"name": ["f"]}},
		{"index": 0, "function": {"name": "f", "arguments": [1]}},
	],
)
def test_a_piece_of_another_shape_is_junk(odd: dict[str, Any]) -> None:
	with pytest.raises(ProtocolError):
		tool_piece(odd)


@pytest.mark.parametrize(
	("entry", "piece"),
	[
		({"index": 0}, (0, None, None, "")),
		({"index": 0, "id": "", "function": None}, (0, None, None, "")),
		({"index": 1, "function": {"name": "", "arguments": None}}, (1, None, None, "")),
		({"id": "a", "function": {"name": "f", "arguments": {"x": "é"}}}, (None, "a", "f", '{"x": "é"}')),
	],
)
def test_what_a_piece_lacks_is_not_in_it(entry: dict[str, Any], piece: tuple[Any, ...]) -> None:
	assert tool_piece(entry) == ToolPiece(*piece)


def test_a_message_is_sent_with_objects_for_arguments() -> None:
	plain = {"role": "assistant", "content": "Hi"}
	assert sendable(plain) is plain
	calls = [
		{"id": "a", "type": "function", "function": {"name": "f", "arguments": text}}
		for text in ("", "{", '{"x":1}')
	]
	sent = sendable({"role": "assistant", "content": None, "tool_calls": calls})
	assert [json.loads(one["function"]["arguments"]) for one in sent["tool_calls"]] == [
		{},
		{"arguments": "{"},
		{"x": 1},
	]


@pytest.mark.parametrize("api", ["openai", "deepseek"])
@pytest.mark.parametrize("odd", ["no list", [5], [{"index": 0, "function": {"name": 5}}]])
def test_calls_of_another_shape_are_an_error_of_the_provider(
	server: ScriptedProvider, api: str, odd: Any
) -> None:
	chunk = {"id": "1", "object": "chat.completion.chunk", "created": 1, "model": "m"}
	choice = {"index": 0, "delta": {"tool_calls": odd}, "finish_reason": None}
	raw = {"raw": f"data: {json.dumps({**chunk, 'choices': [choice]})}\n\n"}
	heard = answer(server, api, [{"text": "a"}, raw, {"text": "b"}])
	assert (heard.failure.code, heard.text) == ("provider_error", "a")


# Through the wire


@pytest.mark.parametrize("api", ["openai", "openai_responses", "anthropic", "gemini", "ollama_chat"])
def test_it_makes_no_difference_at_which_byte_a_call_is_cut(server: ScriptedProvider, api: str) -> None:
	script = [*call(0, '{"path": ', '"ä"}'), {"finish": "tool_calls"}]
	for heard in cut_everywhere(server, api, script):
		end = heard.pop()
		assert [(one.name, json.loads(one.arguments)) for one in heard] == [("read", {"path": "ä"})]
		assert end.finish_reason == "tool_calls" or api in ("gemini", "openai_responses")


@pytest.mark.parametrize("api", IN_PIECES)
def test_arguments_may_come_in_any_two_pieces(server: ScriptedProvider, api: str) -> None:
	text = '{"a": "}\\""}'
	for at in range(len(text) + 1):
		heard = answer(server, api, call(0, text[:at], text[at:]))
		assert [(one.arguments, one.arguments_error) for one in calls(heard)] == [(text, None)]
