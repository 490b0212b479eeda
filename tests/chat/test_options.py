"""The optional fields of a request: what is accepted, and what a refusal says."""

from typing import Any

import pytest

from ai_assistant.chat.errors import ChatError
from ai_assistant.chat.request import validate

from .test_request import HELLO, SETTINGS

SCHEMA = {"type": "object", "properties": {"city": {"type": "string"}}}


def option(name: str, value: Any) -> Any:
	return getattr(validate({"messages": HELLO, name: value}, SETTINGS), name)


@pytest.mark.parametrize(
	("name", "value", "checked"),
	[
		("response_format", {"type": "text"}, None),
		("response_format", '{"type": "json_object"}', {"type": "json_object"}),
		(
			"response_format",
			{"type": "json_schema", "json_schema": {"name": "a", "schema": SCHEMA, "strict": True}},
			{"type": "json_schema", "json_schema": {"name": "a", "schema": SCHEMA, "strict": True}},
		),
		("stop", "END", ["END"]),
		("service_tier", "fast", "fast"),
		("stop", ["a", "\ud800"], ["a", "\ufffd"]),
		("stop", [], None),
		("top_p", "0.5", 0.5),
		("seed", -7, -7),
		("parallel_tool_calls", "false", False),
		("presence_penalty", -2, -2.0),
		("frequency_penalty", 2, 2.0),
		("service_tier", "flex", "flex"),
		("verbosity", "low", "low"),
		("metadata", {"run": "7"}, {"run": "7"}),
		("metadata", {}, None),
		("stream_tool_calls", "true", True),
	],
)
def test_a_field_is_part_of_the_question(name: str, value: Any, checked: Any) -> None:
	assert option(name, value) == checked


@pytest.mark.parametrize(
	("name", "value", "sentence"),
	[
		("response_format", "json", "response_format accepts an object."),
		("response_format", {"type": "xml"}, "response_format.type accepts one of: text, json_object"),
		("response_format", {"type": "json_schema"}, "response_format.json_schema accepts an object"),
		(
			"response_format",
			{"type": "json_schema", "json_schema": {"name": "a b", "schema": SCHEMA}},
			"response_format.json_schema.name accepts 1 to 128 characters",
		),
		(
			"response_format",
			{"type": "json_schema", "json_schema": {"name": "a"}},
			"response_format.json_schema.schema accepts a JSON Schema",
		),
		(
			"response_format",
			{"type": "json_schema", "json_schema": {"schema": {"type": "object", "$ref": "http://x"}}},
			"response_format.json_schema.schema accepts references within itself alone",
		),
		("stop", ["a"] * 5, "stop accepts a string, or a list of at most 4 strings"),
		("stop", [""], "stop accepts a string, or a list of at most 4 strings"),
		("stop", 1, "stop accepts a string, or a list of at most 4 strings"),
		("top_p", 1.1, "top_p accepts a number from 0 to 1."),
		("seed", 1.5, "seed accepts a whole number"),
		("parallel_tool_calls", "maybe", "parallel_tool_calls accepts true or false."),
		("presence_penalty", 3, "presence_penalty accepts a number from -2 to 2."),
		("frequency_penalty", "x", "frequency_penalty accepts a number from -2 to 2."),
		("service_tier", "gold", "service_tier accepts one of: auto, default"),
		("verbosity", 1, "verbosity accepts one of: low, medium, high."),
		("metadata", {"a": 1}, "metadata accepts an object of at most 16 strings"),
		("metadata", {str(n): "" for n in range(17)}, "metadata accepts an object of at most 16 strings"),
		("stream_tool_calls", 2, "stream_tool_calls accepts true or false."),
	],
)
def test_a_refusal_names_the_field_and_what_it_accepts(name: str, value: Any, sentence: str) -> None:
	with pytest.raises(ChatError) as refused:
		option(name, value)
	assert str(refused.value).startswith(sentence)


def test_without_them_the_fingerprint_is_what_it_was() -> None:
	fields = {"messages": HELLO, "request_id": "12345678"}
	plain = validate(fields, SETTINGS).fingerprint
	assert validate({**fields, "stream_tool_calls": True, "colour": "red"}, SETTINGS).fingerprint == plain
	assert validate({**fields, "seed": 1}, SETTINGS).fingerprint != plain


def test_unknown_fields_are_named_and_nothing_else_of_them() -> None:
	sent = {"colour": "red", "logit_bias": {}, "left_out": None, "a\nb": 1, "x" * 65: 1}
	assert validate({"messages": HELLO, **sent}, SETTINGS).unknown == ("colour", "logit_bias")
