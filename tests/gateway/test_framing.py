"""Tests that it makes no difference how a provider cuts, frames and fills its events."""

import json
import re
from typing import Any

import pytest

from ai_assistant.gateway import ModelInfo, Reasoning, Text
from ai_assistant.gateway.chunks import Provider
from tests.support.provider import ScriptedProvider
from tests.support.wire import Step

from .asking import ADAPTERS, DIRECT, MODELS, Heard, family, gateway, hear, scripted, spoken
from .cutting import at_bytes, cut_everywhere, wire

EVERY_FAMILY = pytest.mark.parametrize("api", MODELS)
EVERY_ADAPTER = pytest.mark.parametrize("api", ADAPTERS)
OPENAI_SHAPED = ("openai", "deepseek", "openrouter")
# What litellm reads from httpx's lines.
OF_LINES = ("litellm/deepseek", "litellm/openrouter")


def answer(server: ScriptedProvider, api: str, script: list[Step], **fields: Any) -> Heard:
	return hear(gateway(family(server, api, **fields)).stream_generate(scripted(script)))


# Shapes that are not in the books


def sse(body: Any) -> Step:
	return {"raw": f"data: {json.dumps(body)}\n\n"}


def delta(finish: str | None = None, **fields: Any) -> dict[str, Any]:
	"""One chunk of an OpenAI-compatible stream."""
	choice = {"index": 0, "delta": fields, "finish_reason": finish}
	return {"id": "1", "object": "chat.completion.chunk", "created": 1, "model": "m", "choices": [choice]}


DONE = {"raw": "data: [DONE]\n\n"}


@pytest.mark.parametrize(
	"odd",
	[
		{**delta(), "choices": []},
		{**delta(), "choices": None},
		{k: v for k, v in delta().items() if k != "choices"},
		{**delta(), "choices": [{"index": 0}]},
		{**delta(), "choices": [{"index": 0, "delta": None, "finish_reason": None}]},
		{**delta(), "usage": None},
		delta(),
		delta(content=None),
		delta(content=""),
		delta(finish="", content=None),
		delta(role="assistant", refusal=None, tool_calls=None),
	],
	ids=json.dumps,
)
@pytest.mark.parametrize("api", ["openai", "litellm/openai"])
def test_a_chunk_that_says_nothing_is_passed_over(
	server: ScriptedProvider, api: str, odd: dict[str, Any]
) -> None:
	heard = answer(server, api, [sse(odd), {"text": "a"}, sse(odd), {"text": "b"}])
	assert heard.text == "ab"
	assert heard.completion.finish_reason == "stop"


@pytest.mark.parametrize("api", [api for api in MODELS if spoken(api) in OPENAI_SHAPED])
def test_usage_that_comes_with_text_is_the_providers_own(server: ScriptedProvider, api: str) -> None:
	def counted(chunk: dict[str, Any], completion: int) -> Step:
		details = {"reasoning_tokens": 5}
		usage = {"prompt_tokens": 30, "completion_tokens": completion, "total_tokens": 30 + completion}
		return sse({**chunk, "usage": {**usage, "completion_tokens_details": details}})

	chunks = [
		counted(delta(content="a"), 7),
		counted(delta(content="b"), 8),
		counted(delta(finish="stop"), 9),
	]
	usage = answer(server, api, [*chunks, DONE]).completion.usage
	assert usage and (usage.prompt_tokens, usage.completion_tokens, usage.total_tokens) == (30, 9, 39)
	assert usage.reasoning_tokens == 5


@pytest.mark.parametrize("api", [api for api in MODELS if spoken(api) in OPENAI_SHAPED])
def test_a_guess_does_not_pass_for_the_providers_count(server: ScriptedProvider, api: str) -> None:
	assert (
		answer(server, api, [sse(delta(content="a")), sse(delta(finish="stop")), DONE]).completion.usage
		is None
	)


@pytest.mark.parametrize("api", [api for api in MODELS if spoken(api) in OPENAI_SHAPED])
@pytest.mark.parametrize("count", [{}, {"prompt_tokens": 3}, {"prompt_tokens": None, "total_tokens": None}])
def test_usage_may_be_incomplete(server: ScriptedProvider, api: str, count: dict[str, Any]) -> None:
	usage = {**delta(), "choices": [], "usage": count}
	heard = answer(server, api, [sse(delta(content="a")), sse(delta(finish="stop")), sse(usage), DONE])
	assert (heard.text, heard.completion.finish_reason) == ("a", "stop")


@pytest.mark.parametrize("api", ["openai", "mistral", "litellm/openai", "litellm/mistral"])
def test_content_may_be_a_list_of_parts(server: ScriptedProvider, api: str) -> None:
	thinking = [{"type": "thinking", "thinking": [{"type": "text", "text": "Hm."}]}]
	parts = [{"type": "text", "text": "Yes"}, {"type": "text", "text": "."}]
	script = [
		sse(delta(content=thinking)),
		sse(delta(content=parts)),
		sse(delta(finish="stop", content="!")),
		DONE,
	]
	one = Provider(api, api, "-", "m1", api_base=server.base("openai"))
	heard = hear(gateway(one).stream_generate(scripted(script)))
	assert (heard.reasoning, heard.text) == ("Hm.", "Yes.!")


@pytest.mark.parametrize("api", [*DIRECT, "litellm/openai", "litellm/deepseek"])
@pytest.mark.parametrize("odd", [["a"], {"a": 1}, 5])
def test_reasoning_that_is_no_text_is_an_error_of_the_provider(
	server: ScriptedProvider, api: str, odd: Any
) -> None:
	heard = answer(server, api, [{"text": "a"}, sse(delta(reasoning_content=odd)), {"text": "b"}])
	assert (heard.failure.code, heard.text) == ("provider_error", "a")


@EVERY_ADAPTER
def test_text_may_talk_about_the_protocol(server: ScriptedProvider, api: str) -> None:
	texts = ["data: [DONE]\n\n", "[DONE]", "None", "data: {}", "event: x", ": comment", '{"error": 1}']
	heard = answer(server, api, [{"text": piece} for piece in texts])
	assert [chunk.text for chunk in heard.deltas] == texts
	assert heard.completion.finish_reason == "stop"


@EVERY_ADAPTER
def test_a_hundred_thousand_characters_may_come_at_once(server: ScriptedProvider, api: str) -> None:
	thought, text = "é" * 100_000, "0123456789" * 10_000
	# The script is the prompt, and escaped it is longer than some windows.
	details = {MODELS[api]: ModelInfo(context_window=1_000_000)}
	heard = answer(server, api, [{"reasoning": thought}, {"text": text}], details=details)
	assert (heard.reasoning, heard.text) == (thought, text)


@EVERY_ADAPTER
def test_many_chunks_may_come_without_a_pause(server: ScriptedProvider, api: str) -> None:
	# More than the bridge holds, and than litellm takes of the same.
	heard = answer(server, api, [{"repeat": 300, "text": "0123456789"}])
	assert heard.text == "0123456789" * 300
	assert len(heard.deltas) == 300


# Bytes


@EVERY_FAMILY
def test_it_makes_no_difference_at_which_byte_a_stream_is_cut(server: ScriptedProvider, api: str) -> None:
	halves = [{"text": "é\ud83d"}, {"text": "\udca1."}, {"finish": "stop"}]
	thinking = [{"reasoning": "Über 💡"}]
	if spoken(api) in ("openai", "ollama_chat"):
		thinking = [{"text": "<thi"}, {"text": "nk>Über 💡</thin"}, {"text": "k>"}]
	for heard in cut_everywhere(server, api, thinking + halves):
		end = heard.pop()
		assert "".join(c.text for c in heard if isinstance(c, Reasoning)) == "Über 💡"
		assert "".join(c.text for c in heard if isinstance(c, Text)) == "é💡."
		assert end.finish_reason == "stop"
		assert end.usage and end.usage.completion_tokens == 7


SPOKEN = [{"reasoning": "a"}, {"text": "b"}, {"text": "c"}, {"finish": "stop"}]


def spoken_as(server: ScriptedProvider, api: str, stream: bytes) -> None:
	heard = answer(server, api, at_bytes(stream))
	assert (heard.reasoning, heard.text, heard.completion.finish_reason) == ("a", "bc", "stop")


@EVERY_ADAPTER
def test_lines_may_end_in_crlf(server: ScriptedProvider, api: str) -> None:
	spoken_as(server, api, wire(api, SPOKEN).replace(b"\n", b"\r\n"))


@EVERY_ADAPTER
def test_a_space_after_the_colon_may_be_missing(server: ScriptedProvider, api: str) -> None:
	spoken_as(server, api, re.sub(rb"(?m)^(data|event): ", rb"\1:", wire(api, SPOKEN)))


@pytest.mark.parametrize("api", [api for api in MODELS if api != "ollama_chat"])
def test_comments_and_other_fields_are_passed_over(server: ScriptedProvider, api: str) -> None:
	stream = wire(api, SPOKEN).replace(b"data:", b"id: 7\nretry: 100\n: {\nfuture\nfuture: {\ndata:")
	comments = b": ping\n\n:\n\n"
	spoken_as(server, api, comments + stream.replace(b"\n\n", b"\n\n" + comments))


@pytest.mark.parametrize("api", [api for api in MODELS if api != "ollama_chat"])
def test_an_event_may_have_several_data_lines(server: ScriptedProvider, api: str) -> None:
	stream = wire(api, SPOKEN)
	assert b'", "' in stream
	spoken_as(server, api, stream.replace(b'", "', b'",\ndata: "'))


@EVERY_ADAPTER
@pytest.mark.parametrize("end", ["\u2028", "\u2029", "\u0085"])
def test_the_line_ends_of_unicode_are_no_line_ends(server: ScriptedProvider, api: str, end: str) -> None:
	heard = answer(
		server, api, at_bytes(wire(api, [{"text": f"a{end} b"}, {"text": "c"}, {"finish": "stop"}]))
	)
	# httpx takes them for some: where litellm reads its lines, the character itself is gone by then.
	assert heard.text == ("a\n bc" if api in OF_LINES else f"a{end} bc")
	assert heard.completion.finish_reason == "stop"


@EVERY_ADAPTER
def test_blank_lines_do_no_harm(server: ScriptedProvider, api: str) -> None:
	blank = b"\n\n"
	spoken_as(server, api, blank + wire(api, SPOKEN).replace(b"}\n", b"}\n" + blank) + blank)


@pytest.mark.parametrize("api", ["openai", "deepseek", "litellm/deepseek"])
def test_the_end_may_be_said_by_done_alone(server: ScriptedProvider, api: str) -> None:
	heard = answer(server, api, [sse(delta(content="a")), DONE])
	assert (heard.text, heard.completion.finish_reason) == ("a", "stop")
