"""Tests the tool calls of an answer: whole, once, in their order, with every family."""

import json
from typing import Any

import pytest

from ai_assistant.gateway import (
	Cancel,
	Gateway,
	Pacing,
	Reasoning,
	Text,
	Timeouts,
	ToolCall,
	ToolCallDelta,
	ToolCallStart,
)
from ai_assistant.gateway.tool_calls import MAX_CALLS
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
	scripted,
	spoken,
)
from .calling import IN_PIECES, TOOLS, WHOLE, answer, call, calls, check_streamed, pieces_of

EVERY_FAMILY = pytest.mark.parametrize("api", MODELS)
EVERY_ADAPTER = pytest.mark.parametrize("api", ADAPTERS)


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


@pytest.mark.parametrize("api", ["openai", "anthropic", "openai_responses"])
@pytest.mark.parametrize("streams", [False, True])
@pytest.mark.parametrize("end", [{"cut": True}, {"error": "overloaded"}, {"finish": "length"}])
def test_a_call_that_is_cut_before_its_arguments_is_broken(
	server: ScriptedProvider, api: str, end: Step, streams: bool
) -> None:
	heard = answer(server, api, [*call(0, ""), end], stream_tool_calls=streams)
	[cut] = calls(heard)
	assert cut.arguments == ""
	assert cut.arguments_error == "The model's arguments for read ended before they were whole."
	if streams:
		check_streamed(heard.chunks)


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
