"""Tests that errors name the fields as the client sent them, and not as the site converts them."""

from typing import Any

import pytest

from ai_assistant.api.paths import Paths, Source
from tests.support.site import Site
from tests.support.v1 import ask

USER = {"role": "user", "content": "Hi."}
CALL = {"type": "function_call", "call_id": "c1", "name": "clock", "arguments": "{}"}
USES = [{"type": "text", "text": "Look."}, {"type": "tool_use", "id": "c1", "name": "clock", "input": {}}]
RESULT = {"type": "tool_result", "tool_use_id": "c1", "content": "noon"}
FTP, BASE64 = "ftp://x/y.png", {"type": "base64", "media_type": "image/png", "data": "?"}
LOOK = {"type": "text", "text": "Look:"}
SCHEMA = {"type": "object", "properties": {"x": {"type": "robot"}}}
CLOCK = {"type": "function", "name": "clock"}
BROKEN = {"type": "function", "name": "a", "parameters": SCHEMA}
WEB = {"type": "web_search_20250305", "name": "web_search"}


def image(url: str) -> dict[str, Any]:
	return {
		"role": "user",
		"content": [{"type": "input_text", "text": "?"}, {"type": "input_image", "image_url": url}],
	}


def allowed(name: str, mode: str = "auto") -> dict[str, Any]:
	"""A `tool_choice` of the Responses API that allows one tool."""
	return {"type": "allowed_tools", "mode": mode, "tools": [{"type": "function", "name": name}]}


def in_namespace(*tools: dict[str, Any]) -> dict[str, Any]:
	return {"type": "namespace", "name": "n", "tools": list(tools)}


def chat_tool(tool: dict[str, Any]) -> dict[str, Any]:
	"""A tool of the Responses API as Chat Completions has it."""
	return {"type": "function", "function": {name: tool[name] for name in tool if name != "type"}}


RESPONSES: list[tuple[dict[str, Any], str]] = [
	({"input": [USER, CALL, USER]}, "input[1] needs"),
	({"input": [USER, USER, CALL], "instructions": "Be brief."}, "input[2] needs"),
	(
		{"input": [USER, {"type": "function_call_output", "call_id": "c2", "output": "x"}]},
		"input[1].call_id accepts",
	),
	({"input": [USER, {**CALL, "name": "a b"}]}, "input[1].name accepts"),
	({"input": [USER, {**CALL, "call_id": "a b"}]}, "input[1].call_id accepts"),
	({"input": [image(FTP)]}, "input[0].content[1].image_url accepts"),
	({"input": [USER] * 11}, "input accepts at most 10 messages"),
	({"input": "Hi.", "max_output_tokens": -1}, "max_output_tokens accepts"),
	({"input": "Hi.", "reasoning": {"effort": "much"}}, "reasoning.effort accepts"),
	({"input": "Hi.", "text": {"verbosity": "much"}}, "text.verbosity accepts"),
	(
		{
			"input": "Hi.",
			"text": {"format": {"type": "json_schema", "name": "a b", "schema": {"type": "object"}}},
		},
		"text.format.name accepts",
	),
	(
		{"input": "Hi.", "tools": [{"type": "web_search"}, {"type": "function", "name": "a b"}]},
		"tools[1].name accepts",
	),
	(
		{"input": "Hi.", "tools": [{"type": "function", "name": "a", "parameters": SCHEMA}]},
		"tools[0].parameters accepts",
	),
	({"input": "Hi.", "tools": [CLOCK, BROKEN], "tool_choice": allowed("a")}, "tools[1].parameters accepts"),
	(
		{"input": "Hi.", "tools": [CLOCK, in_namespace(CLOCK, BROKEN)], "tool_choice": allowed("n__a")},
		"tools[1].tools[1].parameters accepts",
	),
	(
		{"input": "Hi.", "tools": [CLOCK], "tool_choice": allowed("clock", "much")},
		"tool_choice.mode accepts one of: none, auto, required.",
	),
	(
		{"input": [USER, {"type": "additional_tools", "tools": [CLOCK, BROKEN]}], "tools": [WEB]},
		"input[1].tools[1].parameters accepts",
	),
	(
		{"input": [{"type": "additional_tools", "tools": [in_namespace(CLOCK, BROKEN)]}, USER]},
		"input[0].tools[0].tools[1].parameters accepts",
	),
	(
		{"input": [{"type": "additional_tools", "tools": [3]}, USER]},
		"input[0].tools[0] accepts",
	),
]
CHAT: list[tuple[dict[str, Any], str]] = [
	({"max_completion_tokens": -1}, "max_completion_tokens accepts"),
	({"max_tokens": -1}, "max_tokens accepts"),
	({"reasoning": {"effort": "much"}}, "reasoning.effort accepts"),
	({"reasoning_effort": "much"}, "reasoning_effort accepts"),
	({"metadata": {"mode": "much"}}, "metadata.mode accepts"),
	(
		{"tools": [WEB, chat_tool(CLOCK), chat_tool(BROKEN)]},
		"tools[2].function.parameters accepts",
	),
	(
		{
			"tools": [chat_tool(CLOCK), chat_tool(BROKEN)],
			"tool_choice": {"type": "allowed_tools", "allowed_tools": {"tools": [chat_tool({"name": "a"})]}},
		},
		"tools[1].function.parameters accepts",
	),
	(
		{
			"tools": [chat_tool(CLOCK)],
			"tool_choice": {
				"type": "allowed_tools",
				"allowed_tools": {"mode": "much", "tools": [chat_tool(CLOCK)]},
			},
		},
		"tool_choice.allowed_tools.mode accepts one of: none, auto, required.",
	),
]
MESSAGES: list[tuple[dict[str, Any], str]] = [
	(
		{"messages": [USER, {"role": "assistant", "content": USES}, USER], "system": "S."},
		"messages[1].content[1] needs",
	),
	(
		{"messages": [{"role": "user", "content": [LOOK, RESULT]}]},
		"messages[0].content[1].tool_use_id accepts",
	),
	(
		{
			"messages": [USER, {"role": "user", "content": [LOOK, {"type": "image", "source": BASE64}]}],
			"system": "S.",
		},
		"messages[1].content[1].source is no valid base64",
	),
	({"messages": [USER], "stop_sequences": [""]}, "stop_sequences accepts"),
	({"messages": [USER], "max_tokens": -1}, "max_tokens accepts"),
	(
		{"messages": [USER], "thinking": {"type": "adaptive"}, "output_config": {"effort": "much"}},
		"output_config.effort accepts",
	),
	(
		{
			"messages": [USER],
			"output_config": {"format": {"type": "json_schema", "schema": {"type": "array"}}},
		},
		"output_config.format.schema accepts",
	),
	(
		{"messages": [USER], "tools": [WEB, {"name": "a", "input_schema": SCHEMA}]},
		"tools[1].input_schema accepts",
	),
]


@pytest.mark.parametrize(
	("path", "body", "begins"),
	[
		*(("/responses", *case) for case in RESPONSES),
		*(("/chat/completions", {"messages": [USER], **body}, begins) for body, begins in CHAT),
		*(("/messages", {"max_tokens": 9, **body}, begins) for body, begins in MESSAGES),
		(
			"/messages/count_tokens",
			{"messages": [USER], "tools": [WEB, {"name": "a b"}]},
			"tools[1].name accepts",
		),
	],
)
def test_an_error_names_the_field_that_the_client_sent(
	site: Site, path: str, body: dict[str, Any], begins: str
) -> None:
	refused = ask(site, path, {"model": "scripted", **body})
	assert refused.status_code == 400
	assert refused.json()["error"]["message"].startswith(begins)


def test_a_call_of_an_earlier_response_that_lacks_its_output_is_named_by_the_response(site: Site) -> None:
	call = '[{"call": 0, "id": "c1", "name": "clock", "arguments": "{}"}]'
	tools = [{"type": "function", "name": "clock"}]
	first = ask(site, "/responses", {"model": "scripted", "input": call, "tools": tools}).json()
	body = {"model": "scripted", "previous_response_id": first["id"], "input": "Well?", "tools": tools}
	refused = ask(site, "/responses", body).json()
	assert refused["error"]["message"].startswith("previous_response_id.tool_calls[0] needs")


def test_a_field_is_named_wherever_a_language_puts_it() -> None:
	names = {"stop": "stop_sequences", "messages": "input"}
	paths = Paths(names, messages=[Source("input[0]"), Source("input[2]")])
	assert paths.renamed("يقبل messages[1].role إحدى القيم") == "يقبل input[2].role إحدى القيم"
	assert paths.renamed("messages accepte au plus 9 messages.") == "input accepte au plus 9 messages."
	assert paths.renamed("messages[2].role is another.") == "messages[2].role is another."
