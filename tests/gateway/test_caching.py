"""Prompt caching: where Anthropic's markers stand, and that a request begins as the one before it did."""

import json
from itertools import pairwise
from typing import Any

import pytest

from ai_assistant.gateway import Provider
from ai_assistant.gateway.adapters.anthropic import parameters
from ai_assistant.gateway.chunks import Ask
from ai_assistant.gateway.models import entry
from tests.support.provider import ScriptedProvider

from .asking import KEY, MODELS, family, gateway, hear, scripted
from .calling import TOOLS, call
from .turns import answered

MODEL = "claude-sonnet-4-5"
LONG = "word " * 1500
TOOL = {"type": "function", "function": {"name": "read", "parameters": {"type": "object"}}}
SHORT, HOUR = {"type": "ephemeral"}, {"type": "ephemeral", "ttl": "1h"}


def call_of(n: int) -> dict[str, Any]:
	return {"id": f"c{n}", "type": "function", "function": {"name": "read", "arguments": "{}"}}


def round_of(n: int) -> list[dict[str, Any]]:
	return [
		{"role": "assistant", "content": None, "tool_calls": [call_of(n)]},
		{"role": "tool", "tool_call_id": f"c{n}", "content": f"file {n}"},
	]


def text_turn(role: str, text: str) -> dict[str, Any]:
	return {"role": role, "content": text}


def body_of(
	messages: list[dict[str, Any]], cache: str = "5m", model: str = MODEL, **fields: Any
) -> dict[str, Any]:
	ask = Ask(messages, model, **{"tools": [TOOL], **fields})
	provider = Provider("p", "anthropic", KEY, model, prompt_cache=cache)
	return parameters(provider, ask, entry("anthropic", model))[0]


def marked(body: dict[str, Any]) -> list[tuple[str, Any]]:
	"""The places of the markers, and the markers."""
	markers = [("tools", tool["cache_control"]) for tool in body.get("tools", ()) if "cache_control" in tool]
	markers += [
		("system", block["cache_control"]) for block in body.get("system", ()) if "cache_control" in block
	]
	for n, message in enumerate(body["messages"]):
		for block in message["content"]:
			if "cache_control" in block:
				markers.append((f"{n} {block['type']}", block["cache_control"]))
	return markers


def test_the_system_prompt_the_history_and_the_last_message_are_marked() -> None:
	history = [text_turn("user", LONG), text_turn("assistant", "Yes.")]
	body = body_of([text_turn("system", "Be brief."), *history, text_turn("user", "And?"), *round_of(1)])
	assert marked(body) == [("system", SHORT), ("1 text", SHORT), ("4 tool_result", SHORT)]


def test_without_a_system_prompt_the_tools_are_marked() -> None:
	assert marked(body_of([text_turn("user", LONG)])) == [("tools", SHORT), ("0 text", SHORT)]
	assert marked(body_of([text_turn("user", LONG)], tools=None)) == [("0 text", SHORT)]


def test_a_long_history_has_an_anchor_and_never_more_than_four_markers() -> None:
	rounds = [message for n in range(25) for message in round_of(n)]
	history = [text_turn("user", LONG), text_turn("assistant", "Yes.")]
	body = body_of([text_turn("system", "Be brief."), *history, text_turn("user", "And?"), *rounds])
	assert [place for place, _ in marked(body)] == ["system", "1 text", "44 tool_result", "52 tool_result"]
	for n in range(1, 50):
		messages = [text_turn("system", "Be brief."), text_turn("user", LONG), *rounds[: 2 * (n % 25)]]
		assert len(marked(body_of(messages))) <= 4


def test_an_anchor_stays_while_the_history_grows() -> None:
	rounds = [message for n in range(25) for message in round_of(n)]
	anchors = {marked(body_of([text_turn("user", LONG), *rounds[: 2 * n]]))[1][0] for n in range(8, 15)}
	assert anchors == {"14 tool_result"}


def test_for_an_hour_the_stable_part_is_kept_and_the_rest_for_minutes() -> None:
	messages = [text_turn("system", "Be brief."), text_turn("user", LONG)]
	assert marked(body_of(messages, "1h")) == [("system", HOUR), ("0 text", SHORT)]
	assert marked(body_of(messages, "off")) == []


def test_a_short_prompt_is_not_marked() -> None:
	assert marked(body_of([text_turn("system", "Be brief."), text_turn("user", "Hi")])) == []
	# Its minimum is 2,048 tokens.
	assert marked(body_of([text_turn("user", "x" * 5000)], model="claude-opus-4-7")) == []
	assert marked(body_of([text_turn("user", "x" * 9000)], model="claude-opus-4-7")) != []


def test_thoughts_and_empty_texts_are_not_marked() -> None:
	messages = [
		text_turn("user", LONG),
		text_turn("assistant", "Yes."),
		{"role": "user", "content": [{"type": "text", "text": " "}]},
	]
	assert marked(body_of([*messages, text_turn("user", "And?")])) == [
		("tools", SHORT),
		("1 text", SHORT),
		("2 text", SHORT),
	]


def test_a_clients_own_markers_win_the_last_four_of_them() -> None:
	parts = [{"type": "text", "text": f"{LONG} {n}", "cache_control": HOUR} for n in range(3)]
	answer = {"role": "tool", "tool_call_id": "c1", "content": [{**parts[0], "text": "file"}]}
	tool = {**TOOL, "cache_control": SHORT}
	turn = [{"role": "user", "content": parts}, round_of(1)[0], answer]
	assert marked(body_of(turn, tools=[tool])) == [
		*[("0 text", HOUR)] * 3,
		("2 tool_result", HOUR),
	]
	# One alone keeps ours away too.
	assert marked(body_of([text_turn("user", LONG)], tools=[tool])) == [("tools", SHORT)]


@pytest.mark.parametrize("api", MODELS)
def test_who_takes_no_markers_is_sent_none(server: ScriptedProvider, api: str, marker: str) -> None:
	part = {"type": "text", "text": json.dumps([{"text": "Yes."}]), "cache_control": SHORT}
	messages = [text_turn("system", marker), {"role": "user", "content": [part]}]
	one = gateway(family(server, api))
	assert hear(one.stream_generate(messages, tools=[{**TOOL, "cache_control": SHORT}])).text == "Yes."
	sent = server.wait_for(marker).text.count('"cache_control"')
	# litellm decides itself what it makes of a marker on a tool.
	takes = {
		"anthropic": (2,),
		"openrouter": (2,),
		"litellm/openrouter": (0, 1, 2),
		"litellm/anthropic": (1, 2),
	}
	assert sent in takes.get(api, (0,))
	assert "cache_control" in part


def test_without_markers_a_system_prompt_and_a_tools_answer_are_one_text(
	server: ScriptedProvider, marker: str
) -> None:
	parts = [{"type": "text", "text": text, "cache_control": SHORT} for text in (marker, "More.")]
	answer = {"role": "tool", "tool_call_id": "c1", "content": parts[:1]}
	turn = [{"role": "system", "content": parts}, text_turn("user", "Hi."), round_of(1)[0], answer]
	hear(gateway(family(server, "openai")).stream_generate(turn, tools=[TOOL]))
	system, *_others, result = server.wait_for(marker).body["messages"]
	assert (system["content"], result["content"]) == (f"{marker}\n\nMore.", marker)


# What begins alike

LISTS = ("messages", "contents", "input")


def unmarked(node: Any) -> Any:
	if isinstance(node, dict):
		return {name: unmarked(value) for name, value in node.items() if name != "cache_control"}
	return [unmarked(entry) for entry in node] if isinstance(node, list) else node


@pytest.mark.parametrize("api", MODELS)
def test_each_request_of_a_task_begins_as_the_one_before(
	server: ScriptedProvider, api: str, marker: str
) -> None:
	rounds = 4
	turns = [
		{
			"turn": [
				{"reasoning": f"Hm {n}."},
				{"sealed": f"c2Vh{n}"},
				{"text": f"I look {n}."},
				*call(0, '{"path": "a"}'),
			]
		}
		for n in range(rounds)
	]
	messages = scripted([*turns, {"turn": [{"text": "Done."}]}], f"{marker} {LONG}")
	one = gateway(family(server, api))
	fields = {"tools": TOOLS, "reasoning_effort": "low", "max_tokens": 4000, "cache_key": "k"}
	for _ in range(rounds):
		messages = answered(messages, hear(one.stream_generate(messages, **fields)))
	assert hear(one.stream_generate(messages, **fields)).text == "Done."
	bodies = [unmarked(request.body) for request in server.requests if marker in request.text]
	assert len(bodies) == rounds + 1
	for before, after in pairwise(bodies):
		assert list(before) == list(after)
		for name in before:
			first, second = (json.dumps(body[name]) for body in (before, after))
			if name in LISTS:
				first = first.removesuffix("]")
				assert second.startswith(first) and len(second) > len(first)
			else:
				assert first == second


@pytest.mark.parametrize(
	("api", "model", "fields", "sent"),
	[
		("openai", "gpt-5", {}, "k"),
		("openai_responses", "gpt-5", {}, "k"),
		("openai", "gpt-5", {"prompt_cache": "off"}, None),
		# A server that may not know the field.
		("openai", "smollm2", {}, None),
		("groq", "openai/gpt-oss-20b", {}, None),
	],
)
def test_the_requests_of_a_task_have_one_cache_key(
	server: ScriptedProvider, api: str, model: str, fields: dict[str, Any], sent: str | None, marker: str
) -> None:
	one = gateway(family(server, api, default_model=model, **fields))
	hear(one.stream_generate(scripted([{"text": "Yes."}], marker), cache_key="k"))
	assert server.wait_for(marker).body.get("prompt_cache_key") == sent
