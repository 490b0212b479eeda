"""Tests that reasoning continues across tool calls: a provider gets its own back, and no other gets it."""

import json
from base64 import urlsafe_b64decode, urlsafe_b64encode
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ai_assistant.gateway import Provider, ToolCall
from ai_assistant.gateway.continuation import MAX_CHARS, Builder, decode
from ai_assistant.gateway.sse import ProtocolError
from tests.support.provider import ScriptedProvider
from tests.support.wire import Step

from .asking import MODELS, family, gateway, hear, scripted, spoken
from .calling import TOOLS, call
from .test_tool_requests import turn
from .turns import THINKS, answered, first_turn, script

# Who wants something back.
KEEPERS = [api for api in MODELS if spoken(api) not in ("groq", "mistral")]


EVERY_FAMILY = pytest.mark.parametrize("api", MODELS)


EVERY_KEEPER = pytest.mark.parametrize("api", KEEPERS)


OF_CLAUDE = ["claude-sonnet-4-5", "claude-opus-4-6"]


@EVERY_FAMILY
@pytest.mark.parametrize("text", [True, False])
def test_a_provider_gets_its_own_turn_back(server: ScriptedProvider, api: str, text: bool) -> None:
	one = gateway(family(server, api))
	end: list[Step] = [{"reasoning": "So."}, {"text": "Done."}]
	messages = scripted(script(api, first_turn(api, text=text), end))
	first = hear(one.stream_generate(messages, tools=TOOLS, **THINKS))
	assert (first.completion.continuation is not None) == (api in KEEPERS)
	second = hear(one.stream_generate(answered(messages, first), tools=TOOLS, **THINKS))
	assert (second.reasoning, second.text) == ("So.", "Done.")
	assert "reasoning_effort" not in set(second.completion.dropped) - set(first.completion.dropped)
	assert second.completion.continuation is None


@pytest.mark.parametrize("api", ["deepseek", "anthropic", "gemini", "openai_responses", "litellm/openrouter"])
def test_thinking_goes_on_over_several_turns(server: ScriptedProvider, api: str, marker: str) -> None:
	one = gateway(family(server, api))
	turns = [
		first_turn(api, 0),
		[
			{"reasoning": "More."},
			{"sealed": "c2VhbGVkMQ"},
			{**call(0, '{"path": "c"}')[0], "id": "call00009"},
		],
	]
	# The first turn made two calls, so its answers are two.
	steps = script(api, *turns, [{"text": "Done."}])
	messages = scripted([steps[0], steps[1], steps[1], steps[2]], marker)
	for _ in turns:
		heard = hear(one.stream_generate(messages, tools=TOOLS, **THINKS))
		messages = answered(messages, heard)
	assert hear(one.stream_generate(messages, tools=TOOLS, **THINKS)).text == "Done."
	assert "c2VhbGVk0" in server.requests[-1].text or api == "deepseek"


@pytest.mark.parametrize("api", [api for api in KEEPERS if api not in ("ollama_chat",)])
@pytest.mark.parametrize(
	"junk",
	[
		"",
		"x",
		"\xe4",
		"e30=",
		"eyJ2IjoxfQ==",
		"W10=",
		"A" * 2_000_000,
		urlsafe_b64encode(b"[" * 9999).decode(),
	],
)
def test_a_continuation_that_is_none_is_as_if_it_were_not_there(
	server: ScriptedProvider, api: str, junk: str, marker: str
) -> None:
	sent = []
	for fields in ({"continuation": junk}, {}):
		messages = turn(marker, [("abc000001", "{}")], **fields)
		heard = hear(gateway(family(server, api)).stream_generate(messages, tools=TOOLS, **THINKS))
		assert heard.text == "Hello there."
		sent.append(server.requests[-1].body)
	assert sent[0] == sent[1]


@EVERY_KEEPER
def test_a_continuation_of_another_provider_is_not_sent(
	server: ScriptedProvider, api: str, marker: str
) -> None:
	messages = scripted([{"turn": first_turn(api)}, {"turn": [{"text": "Done."}]}], marker)
	first = hear(gateway(family(server, api)).stream_generate(messages, tools=TOOLS, **THINKS))
	for fields in ({"name": "other"}, {"default_model": "another"}):
		other = gateway(family(server, api, **fields))
		assert hear(other.stream_generate(answered(messages, first), tools=TOOLS)).text == "Done."
		assert "sealed" not in json.dumps(server.requests[-1].body).replace('\\"sealed', "")
		assert '"Hm, files 0' not in json.dumps(server.requests[-1].body)


@pytest.mark.parametrize("api", ["anthropic", "openai_responses", "openrouter"])
def test_one_that_was_tampered_with_is_refused_as_the_provider_does(
	server: ScriptedProvider, api: str
) -> None:
	one = gateway(family(server, api))
	messages = scripted(script(api, first_turn(api), [{"text": "Done."}]))
	first = hear(one.stream_generate(messages, tools=TOOLS, **THINKS))
	held = urlsafe_b64decode(first.completion.continuation or "").replace(b"c2VhbGVk0", b"c2VhbGVkX")
	forged = urlsafe_b64encode(held).decode()
	heard = hear(one.stream_generate(answered(messages, first, continuation=forged), tools=TOOLS, **THINKS))
	assert (heard.failure.code, heard.failure.kind) == ("provider_error", "refused")


FIELDS = (
	"thinking_blocks",
	"reasoning_content",
	"reasoning_details",
	"items",
	"google_signatures",
	"signatures",
	"thought_signatures",
)


ODD: list[Any] = [
	None,
	5,
	"x",
	["x", 5, None, []],
	[{"type": "thinking", "thinking": 5, "signature": ["s"]}],
	[{"type": ["thinking"]}],
	[{"type": "image", "source": {"type": "url", "url": "http://127.0.0.1"}}],
	[{"type": "reasoning", "summary": 5, "encrypted_content": {}}],
	[{"type": "reasoning.text", "text": {}, "tool": 1}],
	[["a", 5], ["a"], [{}, "b"]],
	{"a": {"b": []}},
]


@EVERY_KEEPER
@pytest.mark.parametrize("odd", ODD)
def test_what_a_client_makes_up_is_no_defect(
	server: ScriptedProvider, api: str, odd: Any, marker: str
) -> None:
	provider = family(server, api)
	own = provider.api.removeprefix("litellm/")
	held = {"v": 1, "of": [provider.name, own, MODELS[api]], "fields": dict.fromkeys(FIELDS, odd)}
	forged = urlsafe_b64encode(json.dumps(held).encode()).decode()
	messages = turn(marker, [("abc000001", "{}")], continuation=forged)
	heard = hear(gateway(provider).stream_generate(messages, tools=TOOLS, **THINKS))
	assert heard.text == "Hello there."
	assert "127.0.0.1" not in server.wait_for(marker).text


PROVIDER = Provider("p", "anthropic", "k", "m")


@given(st.text() | st.binary().map(lambda held: urlsafe_b64encode(held).decode()) | st.none() | st.integers())
def test_reading_one_raises_nothing(text: Any) -> None:
	assert decode(PROVIDER, "m", text) == {}


def test_what_is_kept_comes_back_to_the_one_who_gave_it() -> None:
	builder = Builder()
	builder.add("reasoning_content", "a", "ä")
	builder.add("thinking_blocks", {"type": "thinking"})
	text = builder.encoded(PROVIDER, "m")
	assert decode(PROVIDER, "m", text) == {
		"reasoning_content": "aä",
		"thinking_blocks": [{"type": "thinking"}],
	}
	assert decode(PROVIDER, "n", text) == {}
	assert decode(Provider("q", "anthropic", "k", "m"), "m", text) == {}


def test_nothing_kept_is_no_continuation_and_too_much_is_none() -> None:
	assert Builder().encoded(PROVIDER, "m") is None
	builder = Builder()
	for _ in range(2):
		builder.add("reasoning_content", "x" * (MAX_CHARS // 2))
	assert builder.encoded(PROVIDER, "m") is None


def test_pieces_of_details_are_joined_in_their_row() -> None:
	builder = Builder()
	text = {"type": "reasoning.text", "index": 0}
	builder.add("reasoning_details", {**text, "text": "a"}, {**text, "text": "b"}, {**text, "signature": "s"})
	builder.add("reasoning_details", {"type": "reasoning.encrypted", "data": "d", "id": None, "index": 1})
	assert decode(PROVIDER, "m", builder.encoded(PROVIDER, "m"))["reasoning_details"] == [
		{**text, "text": "ab", "signature": "s"},
		{"type": "reasoning.encrypted", "data": "d", "index": 1},
	]
	builder.add("reasoning_details", "odd")
	with pytest.raises(ProtocolError):
		builder.encoded(PROVIDER, "m")


# Claude, who thinks on only where it gets its thoughts


@pytest.mark.parametrize("model", OF_CLAUDE)
def test_claude_does_not_think_on_without_its_thoughts(
	server: ScriptedProvider, model: str, marker: str
) -> None:
	one = gateway(family(server, "anthropic", default_model=model))
	heard = hear(
		one.stream_generate(turn(marker, [("toolu_1", "{}")]), tools=TOOLS, temperature=0.5, **THINKS)
	)
	assert heard.text == "Hello there."
	body = server.wait_for(marker).body
	# One that adapts does not insist.
	manual = model == "claude-sonnet-4-5"
	assert heard.completion.dropped == (("reasoning_effort",) if manual else ("temperature",))
	assert ("thinking" in body) != manual


def test_claude_thinks_again_once_the_turn_is_over(server: ScriptedProvider, marker: str) -> None:
	messages = [*turn(marker, [("toolu_1", "{}")]), {"role": "assistant", "content": "So."}]
	messages.append({"role": "user", "content": "And?"})
	one = gateway(family(server, "anthropic"))
	assert hear(one.stream_generate(messages, tools=TOOLS, **THINKS)).completion.dropped == ()
	assert server.wait_for(marker).body["thinking"]["type"] == "enabled"


@pytest.mark.parametrize("model", OF_CLAUDE)
@pytest.mark.parametrize("choice", ["required", {"type": "function", "function": {"name": "read"}}])
def test_claude_does_not_think_where_a_call_is_forced(
	server: ScriptedProvider, model: str, choice: Any, marker: str
) -> None:
	one = gateway(family(server, "anthropic", default_model=model))
	heard = hear(one.stream_generate(scripted([], marker), tools=TOOLS, tool_choice=choice, **THINKS))
	assert heard.completion.dropped == ("reasoning_effort",)
	assert "thinking" not in server.wait_for(marker).body


def test_claude_gets_no_thoughts_back_where_it_may_not_think(server: ScriptedProvider, marker: str) -> None:
	one = gateway(family(server, "anthropic"))
	messages = scripted([{"turn": first_turn("anthropic")}, {"turn": [{"text": "Done."}]}], marker)
	first = hear(one.stream_generate(messages, tools=TOOLS, **THINKS))
	assert hear(one.stream_generate(answered(messages, first), tools=TOOLS)).text == "Done."
	assert '"redacted_thinking"' not in server.requests[-1].text


# The others


@pytest.mark.parametrize("api", ["openai", "groq"])
@pytest.mark.parametrize("vendor", ["google", "vertex"])
@pytest.mark.parametrize("streams", [True, False])
def test_googles_signatures_come_back_with_their_calls(
	server: ScriptedProvider, api: str, vendor: str, streams: bool, marker: str
) -> None:
	def made(identity: str, signature: str) -> dict[str, Any]:
		function = {"name": "read", "arguments": '{"path": "a"}'}
		extra = {vendor: {"thought_signature": signature}}
		return {"id": identity, "type": "function", "function": function, "extra_content": extra}

	# An id may be missing, and the second call has no signature.
	told = [made("", "c2lnMQ"), {**made("call_2", ""), "extra_content": None}, made("call_3", "c2lnMw")]
	one = gateway(family(server, api))
	messages = scripted([{"turn": [as_openai(told, streams)]}, {"turn": [{"text": "Done."}]}], marker)
	first = hear(one.stream_generate(messages, tools=TOOLS))
	assert hear(one.stream_generate(answered(messages, first), tools=TOOLS)).text == "Done."
	sent = server.requests[-1].body["messages"][-4]["tool_calls"]
	assert [call.get("extra_content") for call in sent] == [
		{vendor: {"thought_signature": "c2lnMQ"}},
		None,
		{vendor: {"thought_signature": "c2lnMw"}},
	]


def as_openai(calls: list[dict[str, Any]], streams: bool) -> Step:
	"""An answer of these calls, as bytes."""
	told = {"tool_calls": [{"index": n, **one} for n, one in enumerate(calls)], "content": None}
	choice = {"index": 0, "delta" if streams else "message": told, "finish_reason": "tool_calls"}
	body = json.dumps({"object": "chat.completion.chunk", "choices": [choice]})
	return {"raw": f"data: {body}\n\ndata: [DONE]\n\n" if streams else body}


@pytest.mark.parametrize("api", ["openai", "litellm/openai", "moonshot", "zai", "dashscope"])
def test_reasoning_comes_back_to_those_whose_models_go_on_with_it(
	server: ScriptedProvider, api: str, marker: str
) -> None:
	base = server.base("openai")
	one = gateway(Provider("p", api, "k", "nobody-knows", api_base=base))
	messages = scripted(
		[{"turn": [{"reasoning": "Hm."}, *call(0, "{}")]}, {"turn": [{"text": "Done."}]}], marker
	)
	first = hear(one.stream_generate(messages, tools=TOOLS))
	assert hear(one.stream_generate(answered(messages, first), tools=TOOLS)).text == "Done."
	assert server.requests[-1].body["messages"][2]["reasoning_content"] == "Hm."


@pytest.mark.parametrize("api", ["deepseek", "litellm/deepseek"])
def test_deepseek_gets_a_space_for_reasoning_that_is_gone(
	server: ScriptedProvider, api: str, marker: str
) -> None:
	hear(gateway(family(server, api)).stream_generate(turn(marker, [("a", "{}")]), tools=TOOLS, **THINKS))
	assert server.wait_for(marker).body["messages"][2]["reasoning_content"] == " "


@pytest.mark.parametrize(("model", "asks"), [("gpt-5", True), ("gpt-4o", False), ("nobody-knows", False)])
def test_responses_is_asked_for_its_sealed_reasoning_where_there_is_any(
	server: ScriptedProvider, model: str, asks: bool, marker: str
) -> None:
	one = gateway(family(server, "openai_responses", default_model=model))
	hear(one.stream_generate(scripted([], marker), tools=TOOLS))
	sent = server.wait_for(marker).body
	assert sent.get("include") == (["reasoning.encrypted_content"] if asks else None)
	assert sent["store"] is False


def test_geminis_signature_is_not_in_the_calls_id(server: ScriptedProvider) -> None:
	heard = hear(
		gateway(family(server, "gemini")).stream_generate(scripted(first_turn("gemini")), tools=TOOLS)
	)
	assert all("thought" not in one.id for one in heard.chunks if isinstance(one, ToolCall))


def test_a_signature_on_geminis_text_comes_back_on_it(server: ScriptedProvider, marker: str) -> None:
	parts = [{"text": "I look."}], [{"text": "", "thoughtSignature": "c2ln"}]
	raw = "".join(
		f"data: {json.dumps({'candidates': [{'content': {'parts': part, 'role': 'model'}, 'index': 0}]})}\n\n"
		for part in parts
	)
	steps: list[Step] = [{"raw": raw}, *call(0, '{"path": "a"}'), {"finish": "stop"}]
	one = gateway(family(server, "gemini"))
	messages = scripted([{"turn": steps}, {"turn": [{"text": "Done."}]}], marker)
	first = hear(one.stream_generate(messages, tools=TOOLS, **THINKS))
	assert hear(one.stream_generate(answered(messages, first), tools=TOOLS, **THINKS)).text == "Done."
	assert {"text": "I look.", "thoughtSignature": "c2ln"} in server.requests[-1].body["contents"][1]["parts"]
