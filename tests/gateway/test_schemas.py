"""Tools for an API without references: a copy in the place of each, and no more than a bound of them."""

import tracemalloc
from typing import Any

import pytest

from ai_assistant.gateway.schemas import MAX_DEPTH, MAX_SIZE, Inliner, TooLarge
from tests.support.provider import ScriptedProvider

from .asking import family, gateway, hear, scripted


def doubling(levels: int, under: str = "$defs") -> dict[str, Any]:
	"""A schema whose definitions each refer to the next one twice."""
	made: dict[str, Any] = {f"a{levels}": {"type": "string"}}
	for n in range(levels):
		twice = {name: {"$ref": f"#/{under}/a{n + 1}"} for name in "pq"}
		made[f"a{n}"] = {"type": "object", "properties": twice}
	return {"type": "object", "properties": {"x": {"$ref": f"#/{under}/a0"}}, under: made}


def tool(parameters: dict[str, Any], name: str = "f") -> dict[str, Any]:
	return {"type": "function", "function": {"name": name, "parameters": parameters}}


STRING = {"type": "string"}


@pytest.mark.parametrize(
	("schema", "expected"),
	[
		({"type": "object"}, {"type": "object"}),
		({"a": {"$ref": "#/$defs/s"}, "$defs": {"s": STRING}}, {"a": STRING}),
		({"a": {"$ref": "#/definitions/s"}, "definitions": {"s": STRING}}, {"a": STRING}),
		({"a": [{"$ref": "#/$defs/s"}], "$defs": {"s": {"$ref": "#/$defs/t"}, "t": STRING}}, {"a": [STRING]}),
		# What stands beside a reference is true as well.
		(
			{"a": {"$ref": "#/b", "description": "A"}, "b": STRING},
			{"a": {**STRING, "description": "A"}, "b": STRING},
		),
		({"a": {"$ref": "#/b%20~1~0/1"}, "b /~": [{}, STRING]}, {"a": STRING, "b /~": [{}, STRING]}),
		# What contains itself ends.
		({"type": "object", "a": {"$ref": "#"}}, {"type": "object", "a": {"type": "object"}}),
		(
			{"a": {"$ref": "#/$defs/t"}, "$defs": {"t": {"type": "array", "items": {"$ref": "#/$defs/t"}}}},
			{"a": {"type": "array", "items": {"type": "array"}}},
		),
		({"a": {"$ref": "#/$defs/s"}, "$defs": {"s": {"$ref": "#/$defs/s"}}}, {"a": {}}),
		# What is not there, and names that are no words of a schema.
		({"a": {"$ref": "#/$defs/none"}}, {"a": {}}),
		({"a": {"$ref": "#anchor"}}, {"a": {}}),
		({"a": {"$ref": "#/" + "9" * 5000}}, {"a": {}}),
		(
			{"properties": {"$ref": STRING, "definitions": STRING}},
			{"properties": {"$ref": STRING, "definitions": STRING}},
		),
	],
)
def test_a_reference_becomes_what_it_refers_to(schema: dict[str, Any], expected: dict[str, Any]) -> None:
	assert Inliner().inlined(schema) == expected


def test_copies_are_counted_before_they_are_made() -> None:
	assert "$ref" not in str(Inliner().inlined(doubling(9)))
	mutual = {f"a{n}": {"anyOf": [{"$ref": f"#/$defs/a{m}"} for m in range(12)]} for n in range(12)}
	long = {"$defs": {"a": {"description": "x" * (MAX_SIZE // 10)}}, "anyOf": [{"$ref": "#/$defs/a"}] * 11}
	deep: dict[str, Any] = {f"a{n}": {"items": {"$ref": f"#/$defs/a{n + 1}"}} for n in range(MAX_DEPTH)}
	for schema in (
		doubling(18),
		doubling(100),
		{"$defs": mutual, "items": {"$ref": "#/$defs/a0"}},
		long,
		{"$defs": deep, "items": {"$ref": "#/$defs/a0"}},
		{"anyOf": [{"$ref": "#/$defs/" + "x" * (MAX_SIZE // 10)}] * 11},
	):
		tracemalloc.start()
		try:
			with pytest.raises(TooLarge):
				Inliner().inlined(schema)
			assert tracemalloc.get_traced_memory()[1] < 20_000_000
		finally:
			tracemalloc.stop()


def test_all_tools_of_a_question_are_counted_together() -> None:
	inliner = Inliner()
	with pytest.raises(TooLarge):
		for _ in range(100):
			inliner.inlined(doubling(9))


@pytest.mark.parametrize(
	("api", "under"),
	[("litellm/gemini", "$defs"), ("litellm/gemini", "definitions"), ("litellm/anthropic", "definitions")],
)
def test_who_takes_no_references_is_not_asked_with_too_many(
	server: ScriptedProvider, api: str, under: str, marker: str
) -> None:
	first, other = family(server, api, priority=1), family(server, "openai", name="other")
	tools = [tool(doubling(18, under))]
	failure = hear(gateway(first).stream_generate(scripted([], marker), tools=tools)).failure
	assert (failure.code, failure.kind) == ("invalid_request", "large_tools")
	assert str(failure).endswith(
		f"of {api} accepts no references in tools, and the tools are too large without them; send smaller ones."
	)
	# One that takes them gets them as they are.
	assert hear(gateway(first, other).stream_generate(scripted([], marker), tools=tools)).fallbacks
	assert server.wait_for(marker).body["tools"] == tools
	assert server.count(marker) == 1


def test_gemini_gets_what_a_reference_refers_to(server: ScriptedProvider, marker: str) -> None:
	hear(
		gateway(family(server, "litellm/gemini")).stream_generate(
			scripted([], marker), tools=[tool(doubling(1))]
		)
	)
	[declared] = server.wait_for(marker).body["tools"][0]["function_declarations"]
	assert set(declared["parameters"]["properties"]["x"]["properties"]) == {"p", "q"}


@pytest.mark.parametrize("api", ["anthropic", "litellm/anthropic"])
def test_claude_keeps_its_references(server: ScriptedProvider, api: str, marker: str) -> None:
	schema = doubling(18)
	hear(gateway(family(server, api)).stream_generate(scripted([], marker), tools=[tool(schema)]))
	[sent] = server.wait_for(marker).body["tools"]
	assert sent["input_schema"]["$defs"] == schema["$defs"]
