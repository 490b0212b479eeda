"""The Responses dialect: what it reads of a request, and that OpenAI's own client reads what it writes."""

import json
from typing import Any

import httpx
import openai
import pytest
from hypothesis import given
from openai.types.responses import Response, ResponseStreamEvent
from pydantic import TypeAdapter

from ai_assistant.api.dialect import COMMENT
from ai_assistant.api.openai import responses
from ai_assistant.chat.errors import ChatError
from ai_assistant.gateway import Chunk, Reasoning, Text, ToolCall, ToolCallStart
from tests.api.answers import (
	ALL,
	REQUEST_ID,
	SEALED,
	answer_of,
	call,
	cut_answers,
	failed,
	named_events,
	stream_of,
)

EVENT: TypeAdapter[Any] = TypeAdapter(ResponseStreamEvent)
USER = {"role": "user", "content": "Hi."}


def parse(**body: Any) -> Any:
	return responses.parse({"model": "m", "input": "Hi.", **body}, {})


def messages(*items: Any) -> list[dict[str, Any]]:
	converted: list[dict[str, Any]] = parse(input=list(items)).fields["messages"]
	return converted


def stream(chunks: list[Chunk], answer: dict[str, Any] | None = None, **body: Any) -> str:
	return stream_of(responses, parse(**body), chunks, answer)


def events_of(text: str) -> list[dict[str, Any]]:
	"""The events of a stream, each of which OpenAI's types take."""
	events = named_events(text)
	for event in events:
		EVENT.validate_python(event)
	assert [event["sequence_number"] for event in events] == list(range(len(events)))
	return events


def client_of(body: str, content_type: str = "text/event-stream") -> openai.OpenAI:
	"""OpenAI's client, to which every request is answered with this body."""
	replied = httpx.Response(200, headers={"content-type": content_type}, content=body.encode())
	transport = httpx.MockTransport(lambda request: replied)
	return openai.OpenAI(
		api_key="k", base_url="http://site/v1", http_client=httpx.Client(transport=transport)
	)


def test_openais_client_reads_a_stream_of_reasoning_text_and_calls() -> None:
	text = stream(ALL, answer_of(ALL, continuation=SEALED))
	events_of(text)
	with client_of(text).responses.stream(model="m", input="Hi.") as streamed:
		types = [event.type for event in streamed]
		final = streamed.get_final_response()
	assert types[:2] == ["response.created", "response.in_progress"] and types[-1] == "response.completed"
	assert final.id == f"resp_{REQUEST_ID}" and final.status == "completed" and final.error is None
	thought, message, first, second, sealed = final.output
	assert (thought.type, thought.summary[0].text) == ("reasoning", "What time?")
	assert final.output_text == "Let me look." and message.type == "message"
	assert (first.type, first.call_id, first.name, first.arguments) == (
		"function_call",
		"call_1",
		"clock",
		'{"zone": "UTC"}',
	)
	assert (second.call_id, second.arguments) == ("call_2", '{"zone": "CET"}')
	assert (sealed.type, sealed.summary, sealed.encrypted_content) == ("reasoning", [], SEALED)
	assert len({item.id for item in final.output}) == 5
	used = final.usage
	assert used and (used.input_tokens, used.output_tokens, used.total_tokens) == (100, 30, 130)
	assert (used.input_tokens_details.cached_tokens, used.input_tokens_details.cache_write_tokens) == (60, 10)
	assert used.output_tokens_details.reasoning_tokens == 12


def test_the_pieces_of_a_call_are_written_as_they_come() -> None:
	events = events_of(stream(ALL))
	deltas = [event["delta"] for event in events if event["type"] == "response.function_call_arguments.delta"]
	assert len(deltas) == 4 and "".join(deltas) == '{"zone": "UTC"}{"zone": "CET"}'


def test_every_item_and_part_begins_and_ends_once() -> None:
	events = events_of(stream([*ALL, Text("More."), Reasoning("Hm.")]))
	for begins, ends in (
		("response.output_item.added", "response.output_item.done"),
		("response.content_part.added", "response.content_part.done"),
		("response.reasoning_summary_part.added", "response.reasoning_summary_part.done"),
	):
		begun = [event["output_index"] for event in events if event["type"] == begins]
		assert begun and begun == sorted(event["output_index"] for event in events if event["type"] == ends)
	done = [event["item"] for event in events if event["type"] == "response.output_item.done"]
	assert events[-1]["response"]["output"] == done


@given(cut_answers())
def test_an_answer_is_the_same_wherever_it_is_cut(chunks: list[Chunk]) -> None:
	answer = answer_of(chunks)
	events = events_of(stream(chunks))

	def joined(kind: str) -> str:
		return "".join(event["delta"] for event in events if event["type"] == kind)

	assert joined("response.output_text.delta") == answer["response"]
	assert joined("response.reasoning_summary_text.delta") == answer["reasoning"]
	output = events[-1]["response"]["output"]
	texts = [part["text"] for item in output if item["type"] == "message" for part in item["content"]]
	assert "".join(texts) == answer["response"]
	called = [(item["call_id"], item["arguments"]) for item in output if item["type"] == "function_call"]
	assert called == [
		(tool_call["id"], tool_call["function"]["arguments"]) for tool_call in answer["tool_calls"]
	]


def test_what_was_not_streamed_is_written_at_the_end() -> None:
	answer = answer_of(ALL, continuation=SEALED)
	whole = events_of(stream([], answer))[-1]["response"]
	assert [item["type"] for item in whole["output"]] == [
		"reasoning",
		"message",
		"function_call",
		"function_call",
		"reasoning",
	]
	rest = events_of(stream([Text("Let ")], answer))
	deltas = [event["delta"] for event in rest if event["type"] == "response.output_text.delta"]
	assert deltas == ["Let ", "me look."]


def test_a_stream_that_ends_in_its_reasoning_seals_that_item() -> None:
	chunks: list[Chunk] = [Reasoning("Hm.")]
	(item,) = events_of(stream(chunks, answer_of(chunks, continuation=SEALED)))[-1]["response"]["output"]
	assert (item["summary"][0]["text"], item["encrypted_content"]) == ("Hm.", SEALED)


@pytest.mark.parametrize(
	("code", "kind", "status", "name"),
	[
		("provider_error", "response.failed", "failed", "server_error"),
		("context_too_long", "response.failed", "failed", "context_length_exceeded"),
		("budget_exceeded", "response.failed", "failed", "insufficient_quota"),
		("rate_limited", "response.failed", "failed", "rate_limit_exceeded"),
		("content_filtered", "response.incomplete", "incomplete", None),
		("cancelled", "response.incomplete", "cancelled", None),
	],
)
def test_a_failure_ends_the_stream_in_its_own_form(
	code: str, kind: str, status: str, name: str | None
) -> None:
	chunks: list[Chunk] = [Text("Half"), ToolCallStart("call_1", "clock")]
	text = stream(chunks, answer_of(chunks, **failed(code)))
	last = json.loads(text.strip().split("\n\n")[-1].split("data: ", 1)[1])
	assert (last["type"], last["response"]["status"]) == (kind, status)
	assert (last["response"]["error"] or {}).get("code") == name
	message, called = last["response"]["output"]
	assert (message["content"][0]["text"], called["status"]) == ("Half", "incomplete")
	# OpenAI's client reads it to its end and raises nothing.
	*_, final = client_of(text).responses.create(model="m", input="Hi.", stream=True)
	assert final.type == kind


def test_an_error_before_any_answer_is_written_too() -> None:
	text = stream([], {"status": "failed", "error": {"code": "internal_error", "message": "Oh."}})
	assert events_of(text)[-1]["response"]["error"] == {"code": "server_error", "message": "Oh."}


def test_an_answer_that_ran_out_of_tokens_is_incomplete() -> None:
	answer = answer_of([Text("Half")], finish_reason="length")
	ended = events_of(stream([Text("Half")], answer))[-1]
	assert ended["type"] == "response.incomplete"
	assert ended["response"]["incomplete_details"] == {"reason": "max_output_tokens"}
	assert responses.whole(answer, parse(), 1)["status"] == "incomplete"


def test_a_response_in_the_background_is_queued_first() -> None:
	kinds = [event["type"] for event in events_of(stream([Text("Hi.")], background=True))]
	assert kinds[:3] == ["response.created", "response.queued", "response.in_progress"]


def test_a_whole_response_is_what_openais_client_reads() -> None:
	body = responses.whole(answer_of(ALL, continuation=SEALED), parse(), 1_700_000_000)
	read = client_of(json.dumps(body), "application/json").responses.create(model="m", input="Hi.")
	Response.model_validate(body)
	assert read.output_text == "Let me look." and read.status == "completed"
	assert [item.type for item in read.output] == ["reasoning", "message", "function_call", "function_call"]
	assert read.output[0].encrypted_content == SEALED and body["completed_at"] == 1_700_000_002
	assert json.loads(json.dumps(body)) == body


@pytest.mark.parametrize(("status", "named"), [("queued", "queued"), ("running", "in_progress")])
def test_a_request_that_has_not_ended_has_its_status(status: str, named: str) -> None:
	answer = answer_of([], status=status, finish_reason=None, usage=None, timing=None)
	body = responses.whole(answer, parse(), 1)
	Response.model_validate(body)
	assert (body["status"], body["usage"], body["output"], body["completed_at"]) == (named, None, [], None)


def test_a_response_repeats_its_request() -> None:
	tool = {"type": "function", "name": "clock", "parameters": {"type": "object"}}
	fields = {
		"instructions": "Be brief.",
		"metadata": {"a": "b"},
		"tools": [tool],
		"reasoning": {"effort": "low"},
		"store": False,
		"temperature": 0.5,
	}
	body = responses.whole(answer_of([]), parse(**fields), 1)
	assert body["tools"] == [{**tool, "description": None, "strict": False}]
	assert body["reasoning"] == {"effort": "low", "summary": None}
	assert {name: body[name] for name in ("instructions", "metadata", "store", "temperature")} == {
		name: fields[name] for name in ("instructions", "metadata", "store", "temperature")
	}


def test_silence_is_a_comment() -> None:
	assert responses.Writer(parse(), REQUEST_ID, "m", 1).ping() == COMMENT


def test_an_answer_comes_back_as_the_message_that_it_was() -> None:
	"""The items of a response, sent back as OpenAI's own clients do, continue the thinking."""
	output = responses.whole(answer_of(ALL, continuation=SEALED), parse(), 1)["output"]
	streamed = events_of(stream(ALL, answer_of(ALL, continuation=SEALED)))[-1]["response"]["output"]
	for items in (output, streamed):
		answers = [
			{"type": "function_call_output", "call_id": item["call_id"], "output": "noon"}
			for item in items
			if item["type"] == "function_call"
		]
		assert messages(USER, *items, *answers) == [
			USER,
			{
				"role": "assistant",
				"content": "Let me look.",
				"tool_calls": answer_of(ALL)["tool_calls"],
				"continuation": SEALED,
			},
			{"role": "tool", "tool_call_id": "call_1", "content": "noon"},
			{"role": "tool", "tool_call_id": "call_2", "content": "noon"},
		]


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
		user="u",
	)
	assert (parsed.stream, parsed.background, parsed.store) == (True, True, True)
	assert parsed.dropped == ("tools.web_search", "truncation")
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
		({"input": [{"type": "item_reference", "id": "msg_1"}]}, "input[0].id accepts"),
		({"previous_response_id": "resp_1"}, "previous_response_id cannot"),
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


def test_calls_that_are_written_at_once_are_kept_apart() -> None:
	one, two = call('{"a": 1}', "c1", pieces=2), call('{"b": 2}', "c2", pieces=2)
	mixed = [one[0], two[0], one[1], two[1], one[2], two[2], two[-1], one[-1]]
	chunks = [chunk for chunk in mixed if not isinstance(chunk, ToolCall)] + [one[-1], two[-1]]
	output = events_of(stream(chunks))[-1]["response"]["output"]
	assert [(item["call_id"], item["arguments"]) for item in output] == [
		("c1", '{"a": 1}'),
		("c2", '{"b": 2}'),
	]


@pytest.mark.parametrize(
	"fields",
	[
		{"metadata": {"note": "x" * responses.MAX_REPEATED}},
		{"tools": [{"type": "web_search", "note": "x" * responses.MAX_REPEATED}]},
		{"user": "x" * responses.MAX_REPEATED},
	],
)
def test_what_a_response_repeats_is_limited(fields: dict[str, Any]) -> None:
	with pytest.raises(ChatError, match="beside input and instructions accept at most 500000 characters"):
		responses.parse({"input": "hi", **fields}, {})


def test_long_instructions_do_not_count_as_what_is_repeated() -> None:
	parsed = responses.parse({"input": "hi", "instructions": '"' * responses.MAX_REPEATED}, {})
	assert parsed.fields["messages"][0]["role"] == "system"
