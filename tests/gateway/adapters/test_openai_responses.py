"""Tests what only the Responses API has: its requests, its counts and its events."""

import json
from typing import Any

import pytest

from ai_assistant.gateway import Provider, ToolCall
from ai_assistant.gateway.adapters.openai_responses import parameters
from ai_assistant.gateway.chunks import Ask
from ai_assistant.gateway.models import entry
from tests.gateway.asking import KEY, Heard, family, gateway, hear, scripted
from tests.gateway.calling import calls
from tests.support.provider import ScriptedProvider
from tests.support.wire import FAMILIES

QUESTION = [{"role": "user", "content": "Hi"}]
TOOL = {"type": "function", "function": {"name": "read", "parameters": {"type": "object"}}}
COUNTED = {"input_tokens": 10, "output_tokens": 5, "total_tokens": 15}


def body_of(ask: Ask) -> dict[str, Any]:
	provider = Provider("p", "openai_responses", KEY, ask.model)
	return parameters(provider, ask, entry("openai_responses", ask.model))[0]


def answer(server: ScriptedProvider, *events: dict[str, Any]) -> Heard:
	raw = "".join(f"event: {event.get('type')}\ndata: {json.dumps(event)}\n\n" for event in events)
	one = gateway(family(server, "openai_responses"))
	return hear(one.stream_generate(scripted([{"raw": raw}]), tools=[TOOL]))


def message_item(text: str, index: int = 0) -> dict[str, Any]:
	return {"type": "response.output_text.delta", "output_index": index, "content_index": 0, "delta": text}


def thought(text: str, index: int = 0, part: int = 0) -> dict[str, Any]:
	place = {"output_index": index, "content_index": part}
	return {"type": "response.reasoning_text.delta", **place, "delta": text}


def item(event: str, index: int, **fields: Any) -> dict[str, Any]:
	return {"type": f"response.output_item.{event}", "output_index": index, "item": fields}


def read(arguments: str, identity: str = "call_1") -> dict[str, Any]:
	return {"type": "function_call", "call_id": identity, "name": "read", "arguments": arguments}


def ended(status: str = "completed", **fields: Any) -> dict[str, Any]:
	response = {"object": "response", "status": status, "usage": COUNTED, **fields}
	return {"type": f"response.{status}", "response": response}


@pytest.mark.parametrize("model", ["gpt-5", "nobody-knows"])
def test_every_model_is_streamed(server: ScriptedProvider, model: str, marker: str) -> None:
	one = gateway(family(server, "openai_responses", default_model=model))
	messages = scripted([{"text": "Yes."}], marker)
	assert hear(one.stream_generate(messages)).text == "Yes."
	assert server.wait_for(marker).body["stream"] is True


def test_a_chunk_of_a_model_that_nobody_knows_comes_at_once(server: ScriptedProvider, marker: str) -> None:
	one = gateway(family(server, "openai_responses", default_model="nobody-knows"))
	stream = one.stream_generate(scripted([{"text": "a"}, {"gate": marker}, {"text": "b"}]))
	assert next(stream).text == "a"  # type: ignore[union-attr]
	server.open(marker)
	assert hear(stream).text == "b"


def test_reasoning_that_comes_raw_is_reasoning_and_its_parts_are_paragraphs(server: ScriptedProvider) -> None:
	heard = answer(
		server,
		thought("Hm"),
		thought("m."),
		thought("And", part=1),
		thought("so.", 2),
		message_item("Yes.", 3),
		ended(),
	)
	assert (heard.reasoning, heard.text) == ("Hmm.\n\nAnd\n\nso.", "Yes.")
	# The provider does not count it. The estimate is a quarter of its bytes, at most the counted tokens.
	usage = heard.completion.usage
	assert usage and usage.reasoning_tokens == 3


def test_effort_may_be_asked_for_beside_tools(server: ScriptedProvider) -> None:
	# Chat completions refuses it of this model.
	ask = Ask(QUESTION, "gpt-5.4", reasoning_effort="high", tools=[TOOL])
	assert body_of(ask)["reasoning"] == {"effort": "high", "summary": "auto"}
	assert body_of(ask)["include"] == ["reasoning.encrypted_content"]


def test_a_limit_below_the_apis_least_is_raised_to_it() -> None:
	assert body_of(Ask(QUESTION, "gpt-5", max_tokens=1))["max_output_tokens"] == 16
	assert body_of(Ask(QUESTION, "gpt-5", max_tokens=77))["max_output_tokens"] == 77
	assert "max_output_tokens" not in body_of(Ask(QUESTION, "gpt-5"))


def test_tokens_of_the_cache_are_part_of_the_prompt_and_have_their_own_price(
	server: ScriptedProvider,
) -> None:
	counted = {
		"input_tokens": 1000,
		"input_tokens_details": {"cached_tokens": 900},
		"output_tokens": 50,
		"output_tokens_details": {"reasoning_tokens": 40},
	}
	usage = answer(server, message_item("Yes."), ended(usage=counted)).completion.usage
	assert usage and (usage.prompt_tokens, usage.completion_tokens, usage.reasoning_tokens) == (1000, 50, 40)
	assert usage.total_tokens == 1050
	# In US dollars a million: 1.25 for input, 0.125 to read it from the cache, 10 for output.
	assert usage.cost_usd == pytest.approx((100 * 1.25 + 900 * 0.125 + 50 * 10) / 1e6)


def test_a_prompt_is_no_shorter_than_what_was_read_from_the_cache(server: ScriptedProvider) -> None:
	counted = {"input_tokens": 20, "input_tokens_details": {"cached_tokens": 900}, "output_tokens": 5}
	usage = answer(server, message_item("Yes."), ended(usage=counted)).completion.usage
	assert usage and (usage.prompt_tokens, usage.total_tokens) == (920, 925)


def test_what_the_provider_runs_itself_is_not_given_as_a_call(server: ScriptedProvider) -> None:
	mcp = {"type": "mcp_call", "id": "mcp_1", "name": "read", "arguments": "", "server_label": "x"}
	custom = {"type": "custom_tool_call", "call_id": "call_9", "name": "read", "input": ""}
	heard = answer(
		server,
		{"type": "response.created", "response": {"status": "in_progress", "usage": None}},
		item("added", 0, type="web_search_call", id="ws_1", status="in_progress"),
		{"type": "response.web_search_call.searching", "output_index": 0, "item_id": "ws_1"},
		item("done", 0, type="web_search_call", id="ws_1", action={"type": "search", "query": "x"}),
		item("added", 1, **mcp),
		{"type": "response.mcp_call_arguments.delta", "output_index": 1, "delta": '{"a": 1}'},
		item("done", 1, **{**mcp, "arguments": '{"a": 1}', "output": "found"}),
		item("added", 2, **custom),
		{"type": "response.function_call_arguments.delta", "output_index": 2, "delta": '{"a": 1}'},
		item("done", 2, **custom),
		{"type": "response.something_new", "output_index": 3, "delta": {"future": 1}},
		message_item("Found.", 4),
		{"type": "response.output_text.annotation.added", "annotation": {"url": "https://example.com"}},
		{"type": "response.output_text.done", "output_index": 4, "text": "Found."},
		ended(output=[mcp, {"type": "message", "content": [{"type": "output_text", "text": "Found."}]}]),
	)
	assert (heard.text, heard.completion.finish_reason, calls(heard)) == ("Found.", "stop", [])


@pytest.mark.parametrize(
	"events",
	[
		# With its deltas, which all that follows repeats
		[
			item("added", 1, **read("")),
			{"type": "response.function_call_arguments.delta", "output_index": 1, "delta": '{"path": "ä"}'},
			{
				"type": "response.function_call_arguments.done",
				"output_index": 1,
				"arguments": '{"path": "ä"}',
			},
			item("done", 1, **read('{"path": "ä"}')),
			ended(output=[read('{"path": "ä"}')]),
		],
		# Without them
		[item("added", 1, **read("")), item("done", 1, **read('{"path": "ä"}')), ended()],
		[item("done", 1, **read('{"path": "ä"}')), ended()],
		# At the end alone
		[item("added", 1, **read("")), ended(output=[read('{"path": "ä"}')])],
		[ended(output=[read('{"path": "ä"}')])],
		# Numbered otherwise at its end, as by servers that count anew
		[
			item("added", 1, **read("")),
			{"type": "response.function_call_arguments.delta", "output_index": 1, "delta": '{"path": "ä"}'},
			item("done", 0, **read('{"path": "ä"}')),
			ended(output=[read('{"path": "ä"}')]),
		],
	],
)
def test_a_call_is_given_once_wherever_its_arguments_are(
	server: ScriptedProvider, events: list[dict[str, Any]]
) -> None:
	heard = answer(server, *events)
	assert calls(heard) == [ToolCall("call_1", "read", '{"path": "ä"}')]
	assert heard.completion.finish_reason == "tool_calls"


def test_an_answer_that_comes_whole_is_one(server: ScriptedProvider) -> None:
	"""Of a server that does not stream, or says nothing before the end."""
	whole = FAMILIES["openai_responses"]("gpt-5").whole([{"reasoning": "Hm."}, {"text": "Yes."}])
	for event in (whole, {"type": "response.completed", "response": whole}):
		heard = answer(server, event)
		assert (heard.reasoning, heard.text, heard.completion.finish_reason) == ("Hm.", "Yes.", "stop")


@pytest.mark.parametrize("reason", ["max_output_tokens", "something_new", None])
def test_an_answer_that_is_incomplete_does_not_pass_for_whole(
	server: ScriptedProvider, reason: str | None
) -> None:
	details = {"reason": reason} if reason else None
	heard = answer(server, message_item("Half an"), ended("incomplete", incomplete_details=details))
	assert (heard.text, heard.completion.finish_reason) == ("Half an", "length")


@pytest.mark.parametrize(
	("error", "kind"),
	[
		({"code": "server_error", "message": "No."}, "unavailable"),
		({"code": "rate_limit_exceeded", "message": "Slowly."}, "rate_limited"),
		({"code": "invalid_prompt", "message": "as violating our usage policy"}, "filtered"),
		(None, "reported"),
	],
)
def test_an_answer_may_fail_in_the_end(server: ScriptedProvider, error: Any, kind: str) -> None:
	heard = answer(server, message_item("Hel"), ended("failed", error=error))
	assert (heard.failure.kind, heard.text) == (kind, "Hel")


@pytest.mark.parametrize("base", ["", "/", "/responses"])
def test_the_address_may_be_given_in_every_form(server: ScriptedProvider, base: str, marker: str) -> None:
	address = server.base("openai_responses") + base
	provider = family(server, "openai_responses", api_base=address, extra={"organization": "org-1"})
	assert hear(gateway(provider).stream_generate(scripted([{"text": "Yes."}], marker))).text == "Yes."
	request = server.wait_for(marker)
	assert request.path == "/openai_responses/v1/responses"
	assert request.headers["openai-organization"] == "org-1"
	assert "organization" not in request.body
