"""Tests the answers of the Messages dialect, which Anthropic's own client reads."""

import json
from typing import Any

import anthropic
import httpx2
import pytest
from anthropic.types import Message, RawMessageStreamEvent
from hypothesis import given
from pydantic import TypeAdapter

from ai_assistant.api.anthropic import messages as dialect
from ai_assistant.chat.errors import STANDARD_STATUS, ChatError
from ai_assistant.gateway import Chunk, Reasoning, Text, ToolCall
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

EVENT: TypeAdapter[Any] = TypeAdapter(RawMessageStreamEvent)


def stream(chunks: list[Chunk], answer: dict[str, Any] | None = None, **body: Any) -> str:
	return stream_of(dialect, parse(**body), chunks, answer)


def events_of(text: str) -> list[dict[str, Any]]:
	"""The events of a stream, each of which Anthropic's types take."""
	events = named_events(text)
	for event in events:
		if event["type"] not in ("ping", "error"):
			EVENT.validate_python(event)
	return events


def client_of(body: str, content_type: str = "text/event-stream") -> anthropic.Anthropic:
	"""Anthropic's client, to which every request is answered with this body."""
	replied = httpx2.Response(200, headers={"content-type": content_type}, content=body.encode())
	transport = httpx2.MockTransport(lambda request: replied)
	return anthropic.Anthropic(
		api_key="k", base_url="http://site", http_client=httpx2.Client(transport=transport)
	)


def read(text: str) -> Message:
	fields: Any = {"model": "m", "max_tokens": 100, "messages": [USER]}
	with client_of(text).messages.stream(**fields) as streamed:
		return streamed.get_final_message()


def test_anthropics_client_reads_a_stream_of_thinking_text_and_calls() -> None:
	text = stream(ALL, answer_of(ALL, continuation=SEALED))
	kinds = [event["type"] for event in events_of(text)]
	assert kinds[:2] == ["message_start", "ping"] and kinds[-2:] == ["message_delta", "message_stop"]
	final = read(text)
	assert (final.id, final.stop_reason) == (f"msg_{REQUEST_ID}", "tool_use")
	thought, answer_text, first, second, sealed = final.content
	assert (thought.type, thought.thinking) == ("thinking", "What time?") and thought.signature
	assert (answer_text.type, answer_text.text) == ("text", "Let me look.")
	assert (first.type, first.id, first.name, first.input) == ("tool_use", "call_1", "clock", {"zone": "UTC"})
	assert (second.id, second.input) == ("call_2", {"zone": "CET"})
	assert (sealed.type, sealed.data) == ("redacted_thinking", SEALED)
	used = final.usage
	assert (used.input_tokens, used.cache_read_input_tokens, used.cache_creation_input_tokens) == (30, 60, 10)
	assert (used.output_tokens, used.output_tokens_details.thinking_tokens) == (30, 12)


def test_the_pieces_of_a_call_are_written_as_they_come() -> None:
	deltas = [event["delta"] for event in events_of(stream(ALL)) if event["type"] == "content_block_delta"]
	pieces = [delta["partial_json"] for delta in deltas if delta["type"] == "input_json_delta"]
	assert len(pieces) == 4 and "".join(pieces) == '{"zone": "UTC"}{"zone": "CET"}'


def test_every_block_begins_and_ends_once() -> None:
	events = events_of(stream([*ALL, Text("More."), Reasoning("Hm.")], answer_of(ALL, continuation=SEALED)))
	begun = [event["index"] for event in events if event["type"] == "content_block_start"]
	ended = [event["index"] for event in events if event["type"] == "content_block_stop"]
	assert begun == ended == list(range(6))


@given(cut_answers())
def test_an_answer_is_the_same_wherever_it_is_cut(chunks: list[Chunk]) -> None:
	answer = answer_of(chunks)
	text = stream(chunks)
	events_of(text)
	content = read(text).content
	assert "".join(block.text for block in content if block.type == "text") == answer["response"]
	assert "".join(block.thinking for block in content if block.type == "thinking") == answer["reasoning"]
	called = [(block.id, block.input) for block in content if block.type == "tool_use"]
	assert called == [
		(tool_call["id"], json.loads(tool_call["function"]["arguments"]))
		for tool_call in answer["tool_calls"]
	]


def test_what_was_not_streamed_is_written_at_the_end() -> None:
	answer = answer_of(ALL)
	kinds = [block.type for block in read(stream([], answer)).content]
	assert kinds == ["thinking", "text", "tool_use", "tool_use"]
	assert read(stream([Text("Let ")], answer)).content[0].text == "Let "


def test_a_stream_that_ends_in_its_thinking_signs_that_block() -> None:
	chunks: list[Chunk] = [Reasoning("Hm.")]
	(block,) = read(stream(chunks, answer_of(chunks, continuation=SEALED))).content
	assert (block.type, block.thinking, block.signature) == ("thinking", "Hm.", SEALED)


def test_thinking_that_is_not_to_be_shown_is_signed_alone() -> None:
	hidden = {"thinking": {"type": "adaptive", "display": "omitted"}}
	thought, text = read(stream([Reasoning("Hm."), Text("Yes.")], **hidden)).content
	assert (thought.thinking, text.text) == ("", "Yes.") and thought.signature
	whole = dialect.whole(answer_of([Reasoning("Hm.")]), parse(**hidden), 1)
	assert whole["content"] == [{"type": "thinking", "thinking": "", "signature": REQUEST_ID}]


def test_arguments_that_are_no_json_reach_the_client_in_an_object() -> None:
	chunk = ToolCall(
		"call_1", "clock", "{nope", "The model's arguments for clock ended before they were whole."
	)
	assert read(stream([chunk])).content[0].input == {"arguments": "{nope"}
	answer = answer_of([chunk])
	assert dialect.whole(answer, parse(), 1)["content"][0]["input"] == {"arguments": "{nope"}


@pytest.mark.parametrize("arguments", ['{"n":NaN}', '{"n":-Infinity}', '{"n":1e999}', "[1]"])
def test_arguments_with_a_number_that_json_cannot_say_break_no_body(arguments: str) -> None:
	answer = answer_of([ToolCall("call_1", "clock", arguments)])
	assert dialect.whole(answer, parse(), 1)["content"][0]["input"] == {"arguments": arguments}


@pytest.mark.parametrize(
	("code", "kind"),
	[
		("provider_error", "api_error"),
		("busy", "overloaded_error"),
		("rate_limited", "rate_limit_error"),
		("budget_exceeded", "billing_error"),
		("cancelled", "invalid_request_error"),
	],
)
def test_a_failure_is_an_event_that_anthropics_client_raises(code: str, kind: str) -> None:
	chunks: list[Chunk] = [Text("Half")]
	text = stream(chunks, answer_of(chunks, **failed(code)))
	last = events_of(text)[-1]
	assert last == {"type": "error", "error": {"type": kind, "message": "It failed."}}
	with pytest.raises(anthropic.APIStatusError, match="It failed"):
		read(text)


def test_what_a_provider_filtered_is_a_refusal() -> None:
	chunks: list[Chunk] = [Text("Half")]
	final = read(stream(chunks, answer_of(chunks, **failed("content_filtered", "Filtered."))))
	assert (
		final.stop_reason == "refusal"
		and final.stop_details
		and final.stop_details.explanation == "Filtered."
	)


def test_an_error_before_any_answer_is_written_too() -> None:
	text = stream([], {"status": "failed", "error": {"code": "internal_error", "message": "Oh."}})
	assert events_of(text)[-1]["error"] == {"type": "api_error", "message": "Oh."}


@pytest.mark.parametrize(
	("code", "status", "kind"),
	[
		("invalid_request", 400, "invalid_request_error"),
		("unauthenticated", 401, "authentication_error"),
		("budget_exceeded", 402, "billing_error"),
		("not_permitted", 403, "permission_error"),
		("unknown_model", 404, "not_found_error"),
		("too_large", 413, "request_too_large"),
		("rate_limited", 429, "rate_limit_error"),
		("internal_error", 500, "api_error"),
		("provider_error", 502, "api_error"),
		("timeout", 504, "timeout_error"),
		("busy", 529, "overloaded_error"),
		("provider_unavailable", 529, "overloaded_error"),
	],
)
def test_each_error_has_anthropics_status_and_type(code: str, status: int, kind: str) -> None:
	body = {"type": "error", "error": {"type": kind, "message": "No."}}
	assert dialect.error({"code": code, "message": "No."}) == (status, body)


def test_every_error_of_the_contract_has_a_status() -> None:
	for code in STANDARD_STATUS:
		status, body = dialect.error({"code": code, "message": "No."})
		assert 400 <= status < 600 and body["error"]["type"].endswith(("_error", "too_large"))


def test_a_conversation_that_is_too_long_is_said_in_the_words_that_claude_code_reads() -> None:
	_status, body = dialect.error({"code": "context_too_long", "message": "Send less."})
	assert body["error"]["message"] == "prompt is too long: Send less."


def test_a_whole_message_is_what_anthropics_client_reads() -> None:
	body = dialect.whole(answer_of(ALL, continuation=SEALED), parse(), 1)
	Message.model_validate(body)
	fields: Any = {"model": "m", "max_tokens": 100, "messages": [USER]}
	final = client_of(json.dumps(body), "application/json").messages.create(**fields)
	thought, text, first, second = final.content
	assert (thought.thinking, thought.signature) == ("What time?", SEALED)
	assert (text.text, first.input, second.input) == ("Let me look.", {"zone": "UTC"}, {"zone": "CET"})
	assert (final.stop_reason, final.usage.output_tokens) == ("tool_use", 30)


@pytest.mark.parametrize(("reason", "named"), [("stop", "end_turn"), ("length", "max_tokens")])
def test_each_end_has_anthropics_name(reason: str, named: str) -> None:
	answer = answer_of([Text("Yes.")], finish_reason=reason)
	assert dialect.whole(answer, parse(), 1)["stop_reason"] == named
	assert read(stream([Text("Yes.")], answer)).stop_reason == named


def test_a_stop_sequence_is_the_reason_and_is_named() -> None:
	answer = answer_of([Text("Yes.")], stop_sequence="END")
	whole = dialect.whole(answer, parse(), 1)
	assert (whole["stop_reason"], whole["stop_sequence"]) == ("stop_sequence", "END")
	final = read(stream([Text("Yes.")], answer))
	assert (final.stop_reason, final.stop_sequence) == ("stop_sequence", "END")


def test_a_request_for_no_tokens_gets_an_empty_message() -> None:
	parsed = parse(max_tokens=0)
	assert parsed.fields["max_tokens"] == 1
	body = dialect.whole(answer_of(ALL, continuation=SEALED), parsed, 1)
	Message.model_validate(body)
	assert (body["content"], body["stop_reason"]) == ([], "max_tokens")


@pytest.mark.parametrize(
	"more",
	[
		{"stream": True},
		{"output_config": {"format": {"type": "json_schema", "schema": {"type": "object"}}}},
		{"tools": [{"name": "clock", "input_schema": {}}], "tool_choice": {"type": "any"}},
	],
)
def test_a_request_for_no_tokens_is_refused_as_at_anthropic(more: dict[str, Any]) -> None:
	with pytest.raises(ChatError, match="max_tokens accepts 0 only without stream"):
		parse(max_tokens=0, **more)


def test_the_first_event_has_an_estimate_of_the_prompt() -> None:
	long = [{"role": "user", "content": "word " * 800}]
	start = events_of(stream([], messages=long))[0]["message"]
	assert 1000 <= start["usage"]["input_tokens"] < 1100


def test_an_answer_comes_back_as_the_message_that_it_was() -> None:
	"""The blocks of a message, sent back as Anthropic's own client does, continue the thinking."""
	answer = answer_of(ALL, continuation=SEALED)
	compact = [*call('{"zone":"UTC"}'), *call('{"zone":"CET"}', "call_2")]
	for content in (
		dialect.whole(answer, parse(), 1)["content"],
		[block.to_dict() for block in read(stream(ALL, answer)).content],
	):
		results = [
			{"type": "tool_result", "tool_use_id": block["id"], "content": "noon"}
			for block in content
			if block["type"] == "tool_use"
		]
		converted = messages(("user", "Hi."), ("assistant", content), ("user", results))
		assert converted == [
			USER,
			{
				"role": "assistant",
				"content": "Let me look.",
				"tool_calls": answer_of(compact)["tool_calls"],
				"continuation": SEALED,
			},
			{"role": "tool", "tool_call_id": "call_1", "content": "noon"},
			{"role": "tool", "tool_call_id": "call_2", "content": "noon"},
		]


def test_calls_that_are_written_at_once_are_kept_apart() -> None:
	one, two = call('{"a": 1}', "c1", pieces=2), call('{"b": 2}', "c2", pieces=2)
	chunks = [one[0], two[0], one[1], two[1], one[2], two[2], one[-1], two[-1]]
	assert [(block.id, block.input) for block in read(stream(chunks)).content] == [
		("c1", {"a": 1}),
		("c2", {"b": 2}),
	]
