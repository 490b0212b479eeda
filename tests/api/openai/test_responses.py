"""Tests the answers of the Responses dialect, which OpenAI's own client reads."""

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

from .parsing import USER, messages, parse

EVENT: TypeAdapter[Any] = TypeAdapter(ResponseStreamEvent)


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


def test_messages_that_are_too_long_are_refused_in_openais_words() -> None:
	# Clients that do not read the code recognise these words: pi 0.73.1, langchain-openai 1.7.4 and LiteLLM 1.110.2.
	failure = {"code": "context_too_long", "message": "Send less."}
	_status, body = responses.error(failure)
	ended = responses.whole(answer_of([], status="failed", error=failure), parse(), 1)
	for error in (body["error"], ended["error"]):
		assert error["code"] == "context_length_exceeded"
		assert error["message"].endswith(": Send less.")
		for words in ("exceeds the context window", "prompt is too long"):
			assert words in error["message"]


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
