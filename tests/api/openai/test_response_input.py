"""Tests what the Responses dialect reads of a request."""

import base64
from typing import Any

import pytest

from ai_assistant.api.openai import responses
from ai_assistant.chat.errors import ChatError
from tests.api.answers import answer_of

from .parsing import USER, messages, parse


def test_the_items_of_an_input_become_messages() -> None:
	image = "data:image/png;base64,iVBORw0KGgo="
	content = [{"type": "input_text", "text": "Look:"}, {"type": "input_image", "image_url": image}]
	assert messages(
		{"type": "message", "role": "developer", "content": "Rules."},
		{"type": "message", "role": "user", "content": content},
		{"type": "web_search_call", "id": "ws_1", "status": "completed"},
		{"type": "message", "role": "assistant", "content": [{"type": "output_text", "text": "A cat."}]},
		{"role": "assistant", "content": "It sleeps."},
		{
			"role": "user",
			"content": [{"type": "input_text", "text": "a"}, {"type": "input_text", "text": "b"}],
		},
	) == [
		{"role": "system", "content": "Rules."},
		{
			"role": "user",
			"content": [
				{"type": "text", "text": "Look:"},
				{"type": "image_url", "image_url": {"url": image, "detail": "auto"}},
			],
		},
		{"role": "assistant", "content": "A cat.\n\nIt sleeps."},
		{"role": "user", "content": "ab"},
	]


@pytest.mark.parametrize(
	"kind",
	[
		*("file_search_call", "mcp_approval_request", "mcp_approval_response", "computer_call_output"),
		*("local_shell_call", "local_shell_call_output", "shell_call", "shell_call_output"),
		*("apply_patch_call", "apply_patch_call_output", "tool_search_call", "tool_search_output"),
	],
)
def test_an_item_of_a_tool_of_openai_is_left_out(kind: str) -> None:
	assert messages({"type": kind, "id": "x_1", "call_id": "c", "output": "secret"}, USER) == [USER]


@pytest.mark.parametrize("effort", ["auto", "default", None])
def test_an_effort_may_be_left_to_the_site(effort: str | None) -> None:
	assert "reasoning_effort" not in parse(input="Hi.", reasoning={"effort": effort}).fields


def test_a_summary_of_another_server_is_left_out() -> None:
	assert messages({"type": "compaction", "id": "cmp_1", "encrypted_content": "gAAAAB"}, USER) == [USER]
	assert messages({"type": "compaction", "id": "cmp_1"}, USER) == [USER]


def test_each_turn_of_the_model_is_a_message_of_its_own() -> None:
	converted = messages(
		USER, *({"role": role, "content": f"{n}"} for n in (1, 2) for role in ("assistant", "user"))
	)
	assert [message["content"] for message in converted] == ["Hi.", "1", "1", "2", "2"]
	calls = [{"type": "function_call", "call_id": n, "name": "shot", "arguments": "{}"} for n in ("a", "b")]
	outputs = [{"type": "function_call_output", "call_id": n, "output": n} for n in ("a", "b")]
	converted = messages(calls[0], outputs[0], calls[1], outputs[1])
	assert [message["role"] for message in converted] == ["assistant", "tool"] * 2
	assert [len(message["tool_calls"]) for message in converted[::2]] == [1, 1]


def test_an_output_follows_its_call_whatever_the_client_sends_between_them() -> None:
	call = {"type": "function_call", "call_id": "a", "name": "shot", "arguments": "{}"}
	output = {"type": "function_call_output", "call_id": "a", "output": "done"}
	note = {"role": "developer", "content": "Be brief."}
	converted = messages(USER, call, note, {**call, "call_id": "b"}, output, {**output, "call_id": "b"})
	assert [message["role"] for message in converted] == [
		*("user", "assistant", "tool"),
		*("system", "assistant", "tool"),
	]
	assert [message.get("tool_call_id") for message in converted[2::3]] == ["a", "b"]
	# An id may come twice: each output belongs to the last call before it.
	converted = messages(call, output, call, USER, output)
	assert [message["role"] for message in converted] == ["assistant", "tool", "assistant", "tool", "user"]


def test_a_schema_may_lack_its_type() -> None:
	schema = {"properties": {"zone": {"type": "string"}}}
	(tool,) = parse(tools=[{"type": "function", "name": "clock", "parameters": schema}]).fields["tools"]
	assert tool["function"]["parameters"] == {"type": "object", **schema}


def test_audio_is_a_part_of_a_message() -> None:
	audio = {"type": "input_audio", "input_audio": {"data": "UklGRg==", "format": "wav"}}
	assert messages({"role": "user", "content": [audio]}) == [{"role": "user", "content": [audio]}]


def data_url(kind: str, content: bytes) -> str:
	return f"data:{kind};base64,{base64.b64encode(content).decode()}"


def test_a_file_with_text_is_text_of_the_message_and_a_pdf_is_a_file() -> None:
	asked = {"type": "input_text", "text": "Sum it up."}
	notes = {"type": "input_file", "filename": "notes.csv", "file_data": data_url("text/csv", "é,1".encode())}
	unnamed = {"type": "input_file", "file_data": data_url("application/json", b"{}")}
	read = messages({"role": "user", "content": [asked, notes, unnamed]})
	assert read == [{"role": "user", "content": "Sum it up.\n\nnotes.csv\n\né,1\n\n\n\n{}\n\n"}]
	url = data_url("application/pdf", b"%PDF-1.4")
	pdf = {"type": "input_file", "filename": "a.pdf", "file_data": url}
	assert messages({"role": "user", "content": [pdf]})[0]["content"] == [
		{"type": "file", "file": {"filename": "a.pdf", "file_data": url}}
	]


@pytest.mark.parametrize(
	"file",
	[
		{"file_data": data_url("application/zip", b"PK\x03\x04\x00\xff")},
		{"file_data": data_url("text/plain", b"a\x00b")},
		{"file_data": data_url("text/plain", b"")},
		{"file_data": "data:text/plain,Hi"},
		{"file_id": "file_1"},
	],
)
def test_a_file_that_is_neither_text_nor_a_pdf_is_refused(file: dict[str, Any]) -> None:
	with pytest.raises(ChatError, match="accepts a data URL with a PDF or a UTF-8 text"):
		messages({"role": "user", "content": [{"type": "input_file", **file}]})


def test_the_images_of_a_tool_follow_all_answers() -> None:
	image = {"type": "input_image", "image_url": "https://example.com/a.png"}
	converted = messages(
		*({"type": "function_call", "call_id": n, "name": "shot", "arguments": "{}"} for n in ("a", "b")),
		{
			"type": "function_call_output",
			"call_id": "a",
			"output": [{"type": "input_text", "text": "A"}, image],
		},
		{"type": "function_call_output", "call_id": "b", "output": "B"},
	)
	assert [message["role"] for message in converted] == ["assistant", "tool", "tool", "user"]
	assert [converted[1]["content"], converted[2]["content"]] == ["A", "B"]
	assert converted[3]["content"][1]["image_url"]["url"] == image["image_url"]


def test_instructions_come_first_and_history_before_the_input() -> None:
	history = [{"role": "user", "content": "One."}, {"role": "assistant", "content": "1"}]
	body = {"model": "m", "input": "Two.", "instructions": "Count.", "previous_response_id": "resp_x"}
	parsed = responses.parse(body, {}, history)
	assert parsed.fields["messages"] == [
		{"role": "system", "content": "Count."},
		*history,
		{"role": "user", "content": "Two."},
	]
	assert responses.whole(answer_of([]), parsed, 1)["previous_response_id"] == "resp_x"


def test_the_fields_have_the_names_of_the_chat_api() -> None:
	parsed = parse(
		max_output_tokens=50,
		temperature=0.5,
		reasoning={"effort": "high", "summary": "auto"},
		tools=[
			{"type": "function", "name": "clock", "parameters": None, "strict": True},
			{"type": "web_search"},
		],
		tool_choice={"type": "function", "name": "clock"},
		text={
			"format": {"type": "json_schema", "name": "n", "schema": {"type": "object"}},
			"verbosity": "low",
		},
		metadata={"task_id": "t", "request_id": "r" * 8},
		stream=True,
		background=True,
		store=True,
		include=["reasoning.encrypted_content"],
		truncation="auto",
		frequency_penalty=0,
		a_field_of_tomorrow=1,
		stream_options={"include_obfuscation": False},
		user="u",
	)
	assert (parsed.stream, parsed.background, parsed.store) == (True, True, True)
	assert parsed.dropped == ("tools.web_search", "truncation", "a_field_of_tomorrow")
	fields = dict(parsed.fields)
	(tool,) = fields.pop("tools")
	assert (tool["type"], tool["function"]["name"], tool["function"]["strict"]) == ("function", "clock", True)
	assert fields.pop("tool_choice") == {"type": "function", "function": {"name": "clock"}}
	schema = {"name": "n", "schema": {"type": "object"}}
	assert fields.pop("response_format") == {"type": "json_schema", "json_schema": schema}
	assert fields.pop("messages") == [USER]
	assert fields == {
		"model": "m",
		"temperature": 0.5,
		"max_tokens": 50,
		"reasoning_effort": "high",
		"verbosity": "low",
		"task_id": "t",
		"request_id": "r" * 8,
	}


@pytest.mark.parametrize(
	("key", "task_id"), [("conversation 7", "conversation 7"), ("x" * 200, None), (7, None)]
)
def test_the_key_of_a_cache_is_a_task(key: Any, task_id: str | None) -> None:
	assert parse(prompt_cache_key=key).fields.get("task_id") == task_id
	assert parse(prompt_cache_key=key, metadata={"task_id": "t"}).fields["task_id"] == "t"


def test_a_choice_among_allowed_tools_leaves_the_others_out() -> None:
	tools = [{"type": "function", "name": name} for name in ("a", "b", "c")]
	allowed = {
		"type": "allowed_tools",
		"mode": "required",
		"tools": [{"type": "function", "name": name} for name in ("a", "c")],
	}
	fields = parse(tools=tools, tool_choice=allowed).fields
	assert [tool["function"]["name"] for tool in fields["tools"]] == ["a", "c"]
	assert fields["tool_choice"] == "required"
	# A choice needs tools.
	assert "tool_choice" not in parse(tools=[{"type": "web_search"}], tool_choice="required").fields


@pytest.mark.parametrize(
	("body", "named"),
	[
		({"input": None}, "input accepts"),
		({"input": [1]}, "input[0] accepts"),
		({"input": [{"type": "robot"}]}, "input[0].type accepts"),
		({"input": [{"role": "robot", "content": "x"}]}, "input[0].role accepts"),
		({"input": [{"role": "user", "content": [{"type": "video"}]}]}, "input[0].content[0].type accepts"),
		({"input": [{"role": "user", "content": [{"type": "input_image", "file_id": "f"}]}]}, "image_url"),
		({"input": [{"type": "function_call", "call_id": "c", "arguments": "{}"}]}, "input[0].name accepts"),
		({"conversation": "conv_1"}, "conversation is not kept"),
		({"tools": [3]}, "tools[0] accepts"),
		({"tools": False}, "tools accepts a list"),
		({"text": {"format": {"type": "xml"}}}, "text.format.type accepts"),
		({"instructions": 3}, "instructions accepts"),
		({"stream": "maybe"}, "stream accepts"),
		({"metadata": []}, "metadata accepts"),
	],
)
def test_a_request_that_cannot_be_read_is_refused_by_the_name_of_its_field(
	body: dict[str, Any], named: str
) -> None:
	with pytest.raises(ChatError) as refused:
		parse(**body)
	assert refused.value.code == "invalid_request" and named in str(refused.value)
