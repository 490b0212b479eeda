"""Tools whose input is text: the arguments of their calls, and what each provider is offered."""

import json
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ai_assistant.gateway import freeform
from ai_assistant.gateway.chunks import Ask
from tests.gateway.asking import Heard, family, gateway, hear, scripted
from tests.support.provider import ScriptedProvider

PATCH = '*** Begin Patch\n+"ä" \\ 💭\t\x00\n*** End Patch'
GRAMMAR = {"type": "grammar", "syntax": "lark", "definition": "start: /.+/"}
FUNCTION = {"name": "patch", "description": "Edits files.", "parameters": freeform.PARAMETERS}
TOOL = {"type": "function", "function": FUNCTION, "custom": {"format": GRAMMAR}}
NO_SURROGATES = st.text(st.characters(exclude_categories=["Cs"]))


@given(NO_SURROGATES, st.booleans(), st.lists(st.integers(0, 200)))
def test_the_input_is_read_wherever_its_arguments_are_cut(text: str, ascii: bool, cuts: list[int]) -> None:
	arguments = json.dumps({"input": text}, ensure_ascii=ascii)
	places = [0, *sorted(cut for cut in cuts if cut < len(arguments)), len(arguments)]
	reader = freeform.InputReader()
	read = "".join(reader.feed(arguments[begin:end]) for begin, end in pairwise(places))
	assert (read, reader.rest(arguments)) == (text, (text, ""))


@pytest.mark.parametrize("arguments", ["*** Begin", '{"patch": "x"}', '{"input": 1}', "", '["input"]'])
def test_arguments_without_an_input_are_the_input(arguments: str) -> None:
	reader = freeform.InputReader()
	assert reader.feed(arguments) + reader.rest(arguments)[1] == arguments
	assert freeform.input_of(arguments) == arguments


@given(NO_SURROGATES)
def test_the_arguments_of_an_input_are_the_input_again(text: str) -> None:
	assert freeform.input_of(freeform.arguments_of(text)) == text


def offered(api: str, model: str, **more: Any) -> dict[str, Any]:
	tools = freeform.for_provider(api, Ask([], model, tools=[{**TOOL, **more}])).tools
	assert tools
	return tools[0]


def test_a_provider_without_such_tools_is_offered_a_function_that_says_the_format() -> None:
	for api, model in (("openai", "gpt-5"), ("anthropic", "claude"), ("openai_responses", "gpt-4.1")):
		tool = offered(api, model)
		assert set(tool) == {"type", "function"} and tool["function"]["parameters"] == freeform.PARAMETERS
		assert "Edits files." in tool["function"]["description"]
		assert GRAMMAR["definition"] in tool["function"]["description"]
	assert offered("openai", "gpt-5", custom={})["function"]["description"] == "Edits files."
	assert offered("openai_responses", "gpt-5") == TOOL


def item(event: str, **fields: Any) -> dict[str, Any]:
	call = {"type": "custom_tool_call", "id": "ctc_1", "call_id": "call_1", "name": "patch", "input": ""}
	return {"type": f"response.output_item.{event}", "output_index": 0, "item": {**call, **fields}}


def delta(text: str) -> dict[str, Any]:
	return {"type": "response.custom_tool_call_input.delta", "output_index": 0, "delta": text}


ENDED = {"type": "response.completed", "response": {"status": "completed"}}
WHOLE = {**ENDED["response"], "output": [item("", input=PATCH)["item"]]}  # type: ignore[dict-item]


@pytest.mark.parametrize(
	"events",
	[
		[item("added"), delta(PATCH[:9]), delta(PATCH[9:]), item("done", input=PATCH), ENDED],
		[item("added"), item("done", input=PATCH), ENDED],
		[item("done", input=PATCH), {**ENDED, "response": WHOLE}],
		[{**ENDED, "response": WHOLE}],
		[item("added"), delta(PATCH), {**ENDED, "response": WHOLE}],
	],
)
def test_responses_gets_the_tool_and_its_call_back_as_they_are_there(
	server: ScriptedProvider, marker: str, events: list[dict[str, Any]]
) -> None:
	raw = "".join(f"event: {event['type']}\ndata: {json.dumps(event)}\n\n" for event in events)
	one = gateway(family(server, "openai_responses", default_model="gpt-5"))
	messages = scripted([{"raw": raw}, {"note": marker}], marker)
	heard = hear(one.stream_generate(messages, tools=[TOOL]))
	assert [freeform.input_of(call.arguments) for call in calls(heard)] == [PATCH]
	assert server.wait_for(marker).body["tools"] == [
		{"type": "custom", "name": "patch", "description": "Edits files.", "format": GRAMMAR}
	]
	function = {"name": "patch", "arguments": freeform.arguments_of(PATCH)}
	call = {"id": "call_1", "type": "function", "function": function}
	again = [
		*scripted([{"text": "Done."}], f"again-{marker}"),
		{"role": "assistant", "content": "", "tool_calls": [call]},
		{"role": "tool", "tool_call_id": "call_1", "content": "ok"},
	]
	assert hear(one.stream_generate(again, tools=[TOOL])).text == "Done."
	assert server.wait_for(f"again-{marker}").body["input"][-2:] == [
		{"type": "custom_tool_call", "call_id": "call_1", "name": "patch", "input": PATCH},
		{"type": "custom_tool_call_output", "call_id": "call_1", "output": "ok"},
	]


def calls(heard: Heard) -> list[Any]:
	return [chunk for chunk in heard.chunks if type(chunk).__name__ == "ToolCall"]
