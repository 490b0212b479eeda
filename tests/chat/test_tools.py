"""Tests a client's tools: valid ones stay unchanged, wrong ones are refused by name."""

import json
import tracemalloc
from typing import Any

import pytest

from ai_assistant.chat.errors import ChatError
from ai_assistant.chat.tools import MAX_CHARS, MAX_DEPTH, MAX_TOOLS, MAX_VALUES, choice_of, tools_of

SCHEMA = {
	"type": "object",
	"properties": {"city": {"type": "string", "description": "A city 💡"}, "days": {"$ref": "#/$defs/days"}},
	"required": ["city"],
	"additionalProperties": False,
	"$defs": {"days": {"type": "integer", "minimum": 1}},
}


def tool(name: Any = "weather", parameters: Any = SCHEMA, **more: Any) -> dict[str, Any]:
	return {"type": "function", "function": {"name": name, "parameters": parameters, **more}}


def nested(depth: int) -> dict[str, Any]:
	return {"type": "object", "properties": {"a": nested(depth - 1)}} if depth else {"type": "object"}


@pytest.mark.parametrize(
	"tools",
	[
		[tool()],
		[tool(description="Says how the weather will be.", strict=True), tool("other-One_2", strict=False)],
		[tool(parameters={"type": "object", "properties": {"$ref": {"type": "string"}}})],
		[tool(parameters=nested(13))],
		[
			# A tuple, as the drafts before 2020-12 have it.
			tool(
				parameters={
					"$schema": "http://json-schema.org/draft-07/schema#",
					"type": "object",
					"properties": {"at": {"type": "array", "items": [{"type": "number"}]}},
				}
			)
		],
		[tool(f"tool_{n}") for n in range(MAX_TOOLS)],
		[tool("x" * 128)],
	],
)
def test_what_is_valid_stays_as_it_was_sent(tools: list[dict[str, Any]]) -> None:
	assert tools_of(tools) == tools
	assert tools_of(json.dumps(tools)) == tools


def test_a_tool_without_parameters_takes_none() -> None:
	none = {"type": "object", "properties": {}}
	for parameters in (
		{"name": "clock"},
		{"name": "clock", "parameters": {}, "description": None, "colour": "red"},
		{"name": "clock", "parameters": {"type": "object"}},
	):
		assert tools_of([{"type": "function", "function": parameters}]) == [tool("clock", none)]
	assert tools_of(None) is None


def test_lone_surrogates_are_replaced() -> None:
	empty = {"type": "object", "properties": {}}
	converted = tools_of([tool(parameters={**empty, "description": "\ud83d"}, description="\ud83d")])
	assert converted == [tool(parameters={**empty, "description": "\ufffd"}, description="\ufffd")]


def schema(**values: Any) -> list[Any]:
	return [tool(parameters={"type": "object", **values})]


PARAMETERS = "tools[0].function.parameters accepts"
BAD: list[tuple[str, Any, str]] = [
	("an object", {"type": "function"}, "tools accepts a list of at least one"),
	("a number", 3, "tools accepts a list of at least one"),
	("an empty list", [], "tools accepts a list of at least one"),
	("broken JSON", '[{"type"', "tools accepts a list of"),
	("JSON of another kind", '"auto"', "tools accepts a list of at least one"),
	("JSON that is deeply nested", "[" * 100_000, "tools accepts"),
	("JSON too long", " " * (MAX_CHARS + 1), "tools accepts at most 200000 characters of JSON"),
	(
		"too many",
		[tool(f"tool_{n}") for n in range(MAX_TOOLS + 1)],
		f"tools accepts at most {MAX_TOOLS} tools",
	),
	("a tool that is no object", ["weather"], "tools[0] accepts an object"),
	("a tool of another type", [{**tool(), "type": "web_search"}], "tools[0] accepts an object"),
	(
		"a tool as Anthropic has it",
		[{"name": "x", "input_schema": {"type": "object"}}],
		"tools[0] accepts an object",
	),
	("a function that is none", [tool(), {"type": "function", "function": "x"}], "tools[1].function accepts"),
	("no name", [tool(None)], "tools[0].function.name accepts 1 to 128 characters"),
	("an empty name", [tool("")], "tools[0].function.name accepts 1 to 128 characters"),
	("a name with a dot", [tool("a.b")], "tools[0].function.name accepts 1 to 128 characters"),
	("a name with a line break", [tool("a\n")], "tools[0].function.name accepts 1 to 128 characters"),
	("a name with an accent", [tool("é")], "tools[0].function.name accepts 1 to 128 characters"),
	("a name too long", [tool("x" * 129)], "tools[0].function.name accepts 1 to 128 characters"),
	("a name twice", [tool(), tool()], "tools[1].function.name accepts a name that no other tool has"),
	("a description of no text", [tool(description=["x"])], "tools[0].function.description accepts a string"),
	("a strict of no truth", [tool(strict="yes")], "tools[0].function.strict accepts true or false"),
	("parameters that are no object", [tool(parameters=["city"])], PARAMETERS),
	("parameters of another type", [tool(parameters={"type": "string"})], PARAMETERS),
	("parameters of no type", [tool(parameters={"properties": {}})], PARAMETERS),
	("parameters as JSON", [tool(parameters='{"type": "object"}')], PARAMETERS),
	("a type that is none", schema(properties={"a": {"type": "strin"}}), "at properties/a/type it is none"),
	("required as a string", schema(required="city"), "at required it is none"),
	("properties as a list", schema(properties=["city"]), "at properties it is none"),
	("an enum of nothing", schema(properties={"a": {"enum": 3}}), "at properties/a/enum it is none"),
	(
		"a fault behind a strange name",
		schema(properties={"a\nb": {"type": 3}}),
		"at properties/a?b/type it is none",
	),
	(
		"a draft that is none",
		schema(**{"$schema": ["x"]}),
		f"{PARAMETERS} a JSON Schema; at $schema it is none",
	),
	(
		"a remote reference",
		schema(properties={"a": {"$ref": "https://example.com/s.json"}}),
		"references within itself",
	),
	("a reference to a file", schema(**{"$ref": "file:///etc/passwd"}), "references within itself"),
	(
		"a dynamic reference",
		schema(allOf=[{"items": {"$dynamicRef": "other#x"}}]),
		"references within itself",
	),
	("a number that is none", schema(minProperties=float("nan")), "no number that JSON cannot say"),
	("too deep", [tool(parameters=nested(MAX_DEPTH))], f"to a depth of {MAX_DEPTH}"),
	("too many values", schema(enum=[1] * MAX_VALUES), f"tools accepts at most {MAX_VALUES} values in all"),
	("too many characters", [tool(description="x" * MAX_CHARS)], "tools accepts at most 200000 characters"),
	("keys too long", schema(properties={"x" * MAX_CHARS: {}}), "tools accepts at most 200000 characters"),
]


@pytest.mark.parametrize(("tools", "text"), [pytest.param(t, s, id=i) for i, t, s in BAD])
def test_what_is_not_is_refused_by_name(tools: Any, text: str) -> None:
	with pytest.raises(ChatError) as refused:
		tools_of(tools)
	sentence = str(refused.value)
	assert text in sentence and refused.value.code == "invalid_request"
	assert sentence.startswith("tools") and sentence.endswith(".") and "\n" not in sentence


NAMED = {"type": "function", "function": {"name": "weather"}}


@pytest.mark.parametrize("choice", ["none", "auto", "required", NAMED, None])
def test_a_choice_is_taken(choice: Any) -> None:
	assert choice_of(choice, [tool()]) == choice


def test_a_choice_may_be_json() -> None:
	assert choice_of(json.dumps({**NAMED, "colour": "red"}), [tool()]) == NAMED


@pytest.mark.parametrize(
	"choice",
	[
		"any",
		"weather",
		"{",
		"3",
		"[" * 100_000,
		{},
		[],
		3,
		True,
		{"type": "function"},
		{"type": "function", "function": "weather"},
		{"type": "function", "function": {"name": "clock"}},
		{"type": "function", "function": {"name": ["weather"]}},
		{"type": "tool", "function": {"name": "weather"}},
		{"type": "function", "name": "weather"},
	],
)
def test_a_choice_of_what_is_not_there_is_refused(choice: Any) -> None:
	with pytest.raises(
		ChatError, match=r"^tool_choice accepts one of: none, auto, required, or an object .*\.$"
	):
		choice_of(choice, [tool()])


def test_tools_are_not_kept_for_being_remembered() -> None:
	tools_of([tool()])
	tracemalloc.start()
	try:
		for n in range(40):
			tools_of([tool(parameters={"type": "object", "description": f"{n}" + "x" * 100_000})])
		assert tracemalloc.get_traced_memory()[0] < 1_000_000
	finally:
		tracemalloc.stop()
