"""Tests what the Messages dialect reads of a request."""

from typing import Any

import pytest

from ai_assistant.chat.errors import ChatError

from .parsing import USER, messages, parse

PNG = {"type": "base64", "media_type": "image/png", "data": "iVBORw0KGgo="}
IMAGE = {"type": "image", "source": PNG}
URL = "data:image/png;base64,iVBORw0KGgo="
TOOL = {"name": "clock", "description": "Says the time.", "input_schema": {"properties": {}}}


def test_a_signature_of_another_server_is_left_out() -> None:
	thought = {"type": "thinking", "thinking": "Hm.", "signature": "EqQBCkYIARgCKkD"}
	(_, answer) = messages(("user", "Hi."), ("assistant", [thought, {"type": "text", "text": "Yes."}]))
	assert answer == {"role": "assistant", "content": "Yes."}


def test_results_come_first_and_their_images_after_all_of_them() -> None:
	uses = [{"type": "tool_use", "id": n, "name": "shot", "input": {}} for n in ("a", "b")]
	results = [
		{"type": "text", "text": "Here:"},
		{"type": "tool_result", "tool_use_id": "a", "content": [{"type": "text", "text": "A"}, IMAGE]},
		{"type": "tool_result", "tool_use_id": "b", "content": "No file.", "is_error": True},
	]
	converted = messages(("assistant", uses), ("user", results))
	assert [message["role"] for message in converted] == ["assistant", "tool", "tool", "user", "user"]
	assert [message["content"] for message in converted[1:3]] == ["A", "Error: No file."]
	assert converted[3]["content"][1] == {"type": "image_url", "image_url": {"url": URL}}
	assert converted[4]["content"] == "Here:"


def test_the_mark_of_a_result_stays_with_its_text() -> None:
	mark = {"cache_control": {"type": "ephemeral"}}
	use = {"type": "tool_use", "id": "a", "name": "shot", "input": {}}
	result = {"type": "tool_result", "tool_use_id": "a", "content": "A", **mark}
	converted = messages(("assistant", [use]), ("user", [result]))
	assert converted[1]["content"] == [{"type": "text", "text": "A", **mark}]


@pytest.mark.parametrize(
	("user_id", "task_id"),
	[
		(
			"user_0123456789abcdef_account__session_0a1b2c3d-0000-4000-8000-000000000000",
			"0a1b2c3d-0000-4000-8000-000000000000",
		),
		(
			'{"device_id":"d","session_id":"0a1b2c3d-0000-4000-8000-000000000000"}',
			"0a1b2c3d-0000-4000-8000-000000000000",
		),
		("somebody@example.com", None),
	],
)
def test_the_session_of_claude_code_is_a_task(user_id: str, task_id: str | None) -> None:
	assert parse(metadata={"user_id": user_id}).fields.get("task_id") == task_id


def test_no_more_stop_sequences_are_sent_than_the_chat_api_takes() -> None:
	assert parse(stop_sequences=list("abcdef")).fields["stop"] == list("abcd")
	assert "stop" not in parse().fields


def test_contents_of_any_form_are_read() -> None:
	document = {"type": "document", "source": {"type": "text", "media_type": "text/plain", "data": "Doc."}}
	pdf = {"type": "document", "title": "a.pdf", "source": {**PNG, "media_type": "application/pdf"}}
	marked = {"type": "text", "text": "Long.", "cache_control": {"type": "ephemeral"}}
	assert messages(
		("user", [{"type": "text", "text": "a"}, document]),
		("assistant", [{"type": "server_tool_use", "id": "s", "name": "web_search", "input": {}}]),
		("system", "Mind."),
		("user", [marked, IMAGE]),
		("user", [pdf]),
	) == [
		{"role": "user", "content": "a\n\nDoc."},
		{"role": "system", "content": "Mind."},
		{"role": "user", "content": [marked, {"type": "image_url", "image_url": {"url": URL}}]},
		{
			"role": "user",
			"content": [
				{
					"type": "file",
					"file": {"filename": "a.pdf", "file_data": "data:application/pdf;base64,iVBORw0KGgo="},
				}
			],
		},
	]


def test_what_a_document_says_of_itself_is_read() -> None:
	named = {"type": "document", "title": "Rules", "context": "Of 2026.", "citations": {"enabled": True}}
	text = {**named, "source": {"type": "text", "media_type": "text/plain", "data": "Be kind."}}
	blocks = {**named, "source": {"type": "content", "content": "Be kind."}}
	pdf = {**named, "source": {**PNG, "media_type": "application/pdf"}}
	assert (
		messages(("user", [text]), ("user", [blocks]))
		== [{"role": "user", "content": "Rules\n\nOf 2026.\n\nBe kind."}] * 2
	)
	((context, file),) = [message["content"] for message in messages(("user", [pdf]))]
	assert (context["text"], file["file"]["filename"]) == ("Of 2026.", "Rules")


@pytest.mark.parametrize("content", ["Long.", [{"type": "text", "text": "Long."}], [IMAGE]])
def test_a_mark_beside_the_messages_is_at_their_end(content: Any) -> None:
	marker = {"type": "ephemeral", "ttl": "1h"}
	turns = [USER, {"role": "assistant", "content": "Yes."}, {"role": "user", "content": content}]
	first, _answer, last = parse(messages=turns, cache_control=marker).fields["messages"]
	assert first == USER
	assert [part.get("cache_control") for part in last["content"]] == [marker]


@pytest.mark.parametrize("where", ["output_config", "output_format"])
def test_a_format_may_have_its_name_of_the_beta(where: str) -> None:
	form = {"type": "json_schema", "schema": {"type": "object"}}
	sent = {where: {"format": form} if where == "output_config" else form}
	assert parse(**sent).fields["response_format"]["json_schema"]["schema"] == {"type": "object"}


def test_the_system_is_a_string_or_blocks() -> None:
	assert parse(system="Be brief.").fields["messages"][0] == {"role": "system", "content": "Be brief."}
	blocks = [{"type": "text", "text": "Be brief."}, {"type": "text", "text": "Be kind."}]
	assert parse(system=blocks).fields["messages"][0]["content"] == "Be brief.\n\nBe kind."
	blocks[1]["cache_control"] = {"type": "ephemeral"}  # type: ignore[assignment]
	assert parse(system=blocks).fields["messages"][0]["content"] == blocks


def test_the_fields_have_the_names_of_the_chat_api() -> None:
	parsed = parse(
		temperature=0.5,
		top_p=0.9,
		top_k=5,
		stop_sequences=["END"],
		stream=True,
		tools=[TOOL, {"type": "web_search_20250305", "name": "web_search"}],
		tool_choice={"type": "any", "disable_parallel_tool_use": True},
		thinking={"type": "enabled", "budget_tokens": 2048},
		metadata={"user_id": "u", "task_id": "t"},
		inference_geo="eu",
		speed="standard",
		mcp_servers=[],
	)
	assert parsed.stream and not parsed.background and not parsed.store
	assert parsed.dropped == ("tools.web_search_20250305", "top_k", "inference_geo")
	fields = dict(parsed.fields)
	parameters = {"type": "object", "properties": {}}
	named = {"name": "clock", "description": "Says the time.", "parameters": parameters}
	assert fields.pop("tools") == [{"type": "function", "function": named}]
	assert fields.pop("messages") == [USER]
	assert fields == {
		"model": "m",
		"temperature": 0.5,
		"top_p": 0.9,
		"max_tokens": 100,
		"stop": ["END"],
		"reasoning_effort": "medium",
		"tool_choice": "required",
		"parallel_tool_calls": False,
		"task_id": "t",
	}


@pytest.mark.parametrize(
	("body", "effort"),
	[
		({"thinking": {"type": "disabled"}}, "none"),
		({"thinking": {"type": "enabled", "budget_tokens": 1024}}, "low"),
		({"thinking": {"type": "enabled", "budget_tokens": 4999}}, "high"),
		({"thinking": {"type": "enabled", "budget_tokens": 31999}}, "max"),
		({"thinking": {"type": "enabled", "budget_tokens": 5}}, "low"),
		({"thinking": {"type": "adaptive"}}, "high"),
		({"thinking": {"type": "adaptive"}, "output_config": {"effort": "low"}}, "low"),
		({"output_config": {"effort": "low"}}, None),
	],
)
def test_a_thinking_is_an_effort(body: dict[str, Any], effort: str | None) -> None:
	assert parse(**body).fields.get("reasoning_effort") == effort


@pytest.mark.parametrize(
	("value", "choice"),
	[
		({"type": "auto"}, "auto"),
		({"type": "none"}, "none"),
		({"type": "tool", "name": "clock"}, {"type": "function", "function": {"name": "clock"}}),
	],
)
def test_each_choice_of_a_tool_is_the_chat_apis(value: dict[str, Any], choice: Any) -> None:
	assert parse(tools=[TOOL], tool_choice=value).fields["tool_choice"] == choice


@pytest.mark.parametrize(
	("body", "named"),
	[
		({"messages": None}, "messages accepts"),
		({"messages": [{"role": "robot", "content": "x"}]}, "messages[0].role accepts"),
		({"messages": [{"role": "user", "content": 3}]}, "messages[0].content accepts"),
		(
			{"messages": [{"role": "user", "content": [{"type": "video"}]}]},
			"messages[0].content[0].type accepts",
		),
		(
			{"messages": [{"role": "user", "content": [{"type": "text"}]}]},
			"messages[0].content[0].text accepts",
		),
		({"messages": [{"role": "assistant", "content": [IMAGE]}]}, "messages[0].content[0].type accepts"),
		(
			{
				"messages": [
					{"role": "user", "content": [{**IMAGE, "source": {"type": "file", "file_id": "f"}}]}
				]
			},
			"messages[0].content[0].source.type accepts",
		),
		(
			{
				"messages": [
					{
						"role": "user",
						"content": [
							{
								"type": "document",
								"source": {"type": "url", "url": "https://example.com/a.pdf"},
							}
						],
					}
				]
			},
			"messages[0].content[0].source.type accepts one of: base64, text, content",
		),
		({"system": 3}, "system accepts"),
		({"tools": [3]}, "tools[0] accepts"),
		({"tools": False}, "tools accepts a list"),
		({"tools": [TOOL], "tool_choice": {"type": "some"}}, "tool_choice.type accepts"),
		({"tools": [TOOL], "tool_choice": "auto"}, "tool_choice.type accepts"),
		({"thinking": {"type": "enabled"}}, "thinking.budget_tokens accepts"),
		({"thinking": {"type": "deep"}}, "thinking.type accepts"),
		({"output_config": {"format": {"type": "xml"}}}, "output_config.format.type accepts"),
		({"stream": 7}, "stream accepts"),
	],
)
def test_a_request_that_cannot_be_read_is_refused_by_the_name_of_its_field(
	body: dict[str, Any], named: str
) -> None:
	with pytest.raises(ChatError) as refused:
		parse(**body)
	assert refused.value.code == "invalid_request" and named in str(refused.value)
