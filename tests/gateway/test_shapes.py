"""Seven families, one vocabulary: whatever shape an answer comes in, and wherever its bytes are cut."""

import asyncio
import json
import re
import sys
from typing import Any

import pytest

from ai_assistant.gateway import Completion, ModelInfo, Price, Reasoning, Text, ToolCall, Usage, adapters
from ai_assistant.gateway.assembly import Assembly
from ai_assistant.gateway.bridge import provider_loop
from ai_assistant.gateway.chunks import Ask, Provider
from tests.support.provider import ScriptedProvider
from tests.support.wire import FAMILIES, Step, encode

from .asking import ADAPTERS, DIRECT, MODELS, Heard, family, gateway, hear, scripted, spoken

EVERY_FAMILY = pytest.mark.parametrize("api", MODELS)
EVERY_ADAPTER = pytest.mark.parametrize("api", ADAPTERS)
# What has no field for its reasoning, or a model behind it that does not use it.
THINKS_IN_TAGS = ("openai", "deepseek", "openrouter", "litellm/openai", "litellm/deepseek", "ollama_chat")
OPENAI_SHAPED = ("openai", "deepseek", "openrouter")
# Whose adapter also reads the one object of a server that does not stream.
AT_ONCE = ("openai", "deepseek", "openrouter", "groq", "mistral", "openai_responses", "gemini", "ollama_chat")
# What litellm reads from httpx's lines.
OF_LINES = ("litellm/deepseek", "litellm/openrouter")


def answer(server: ScriptedProvider, api: str, script: list[Step], **fields: Any) -> Heard:
	return hear(gateway(family(server, api, **fields)).stream_generate(scripted(script)))


@EVERY_FAMILY
def test_reasoning_and_text_arrive_as_they_are_written(server: ScriptedProvider, api: str) -> None:
	script = [{"reasoning": "Let"}, {"reasoning": " me…"}, {"text": "Hé"}, {"text": "llo"}]
	heard = answer(server, api, script)
	assert heard.deltas == [Reasoning("Let"), Reasoning(" me…"), Text("Hé"), Text("llo")]
	assert heard.completion.finish_reason == "stop"
	assert (heard.completion.provider, heard.completion.model) == (api, MODELS[api])


@EVERY_FAMILY
def test_an_answer_without_reasoning_has_none(server: ScriptedProvider, api: str) -> None:
	heard = answer(server, api, [{"text": " a\n"}, {"text": "\n b "}])
	assert heard.deltas == [Text(" a\n"), Text("\n b ")]


@EVERY_FAMILY
def test_reasoning_and_text_may_take_turns(server: ScriptedProvider, api: str) -> None:
	heard = answer(server, api, [{"reasoning": "a"}, {"text": "b"}, {"reasoning": "c"}, {"text": "d"}])
	assert (heard.reasoning.replace("\n\n", ""), heard.text) == ("ac", "bd")


@EVERY_FAMILY
def test_tokens_are_the_providers_own_count(server: ScriptedProvider, api: str) -> None:
	usage = {"prompt": 1200, "completion": 340, "reasoning": 56}
	heard = answer(server, api, [{"reasoning": "a"}, {"text": "b"}, {"finish": "stop", "usage": usage}])
	counted = heard.completion.usage
	assert isinstance(counted, Usage)
	# Anthropic says at the beginning of a stream what the prompt took.
	prompt = 11 if spoken(api) == "anthropic" else 1200
	assert (counted.prompt_tokens, counted.completion_tokens) == (prompt, 340)
	assert counted.total_tokens == prompt + 340
	if spoken(api) not in ("anthropic", "ollama_chat"):  # whose APIs do not count reasoning on its own
		assert counted.reasoning_tokens == 56


def test_the_cost_comes_from_the_price_list_and_is_unknown_without_one(server: ScriptedProvider) -> None:
	known, unknown = (
		answer(server, api, [{"text": "a"}]).completion.usage for api in ("gemini", "openrouter")
	)
	assert known and known.cost_usd and known.cost_usd > 0
	assert unknown and unknown.cost_usd is None


@pytest.mark.parametrize("api", ADAPTERS)
@pytest.mark.parametrize("model", ["its own", "*"])
def test_a_price_of_the_sites_own_wins_over_the_list(server: ScriptedProvider, api: str, model: str) -> None:
	prices = {MODELS[api] if model == "its own" else "*": Price(input=2_000_000, output=3_000_000)}
	usage = answer(server, api, [{"text": "a"}], prices=prices).completion.usage
	assert usage and not usage.estimated
	assert usage.cost_usd == 2 * usage.prompt_tokens + 3 * usage.completion_tokens > 0


@pytest.mark.parametrize("api", ADAPTERS)
def test_counts_that_are_none_are_not_added_up(server: ScriptedProvider, api: str) -> None:
	script = [{"text": "a"}, {"finish": "stop", "usage": {"completion": -5, "reasoning": 0}}]
	counted = answer(server, api, script).completion.usage
	assert counted and min(counted.completion_tokens, counted.total_tokens, counted.prompt_tokens) >= 0


@EVERY_FAMILY
def test_an_answer_cut_at_max_tokens_ends_with_length(server: ScriptedProvider, api: str) -> None:
	heard = answer(server, api, [{"text": "Half an"}, {"finish": "length"}])
	assert (heard.text, heard.completion.finish_reason) == ("Half an", "length")


@pytest.mark.parametrize(
	("api", "reason"),
	[
		("anthropic", "model_context_window_exceeded"),
		("deepseek", "insufficient_system_resource"),
		("openai", "network_error"),
	],
)
def test_an_answer_that_ran_out_of_something_else_does_not_pass_for_whole(
	server: ScriptedProvider, api: str, reason: str
) -> None:
	heard = answer(server, api, [{"text": "Half an"}, {"finish": reason}])
	assert (heard.text, heard.completion.finish_reason) == ("Half an", "length")


@EVERY_FAMILY
def test_an_end_nobody_has_heard_of_is_an_end(server: ScriptedProvider, api: str) -> None:
	heard = answer(server, api, [{"text": "Yes."}, {"finish": "because"}])
	assert (heard.text, heard.completion.finish_reason) == ("Yes.", "stop")


@pytest.mark.parametrize("api", AT_ONCE)
def test_one_whole_object_says_the_same_as_a_stream(server: ScriptedProvider, api: str) -> None:
	call = {"call": 0, "id": "call00000", "name": "clock", "arguments": '{"zone": "UTC"}'}
	script = [{"reasoning": "Let me… 💡"}, {"text": "Héllo"}, {"text": " there."}, call]
	tool = {"type": "function", "function": {"name": "clock"}}
	one = gateway(family(server, api))
	streamed, at_once = (
		hear(one.stream_generate(scripted(steps), tools=[tool]))
		for steps in (script, [{"at_once": True}, *script])
	)
	assert len(at_once.deltas) == 2
	assert (at_once.reasoning, at_once.text) == (streamed.reasoning, streamed.text)
	assert at_once.completion.finish_reason == streamed.completion.finish_reason == "tool_calls"
	calls = [
		[(chunk.name, json.loads(chunk.arguments)) for chunk in heard.chunks if isinstance(chunk, ToolCall)]
		for heard in (streamed, at_once)
	]
	assert calls == [[("clock", {"zone": "UTC"})]] * 2
	assert at_once.completion.usage == streamed.completion.usage


@pytest.mark.parametrize("api", AT_ONCE)
def test_one_whole_object_may_be_cut_at_max_tokens(server: ScriptedProvider, api: str) -> None:
	heard = answer(server, api, [{"at_once": True}, {"text": "Half an"}, {"finish": "length"}])
	assert (heard.text, heard.completion.finish_reason) == ("Half an", "length")


@EVERY_FAMILY
def test_an_emoji_cut_between_its_surrogates_comes_whole(server: ScriptedProvider, api: str) -> None:
	script = [{"reasoning": "a\ud83d"}, {"reasoning": "\udca1b"}, {"text": "c\ud83d"}, {"text": "\udca1d"}]
	heard = answer(server, api, script)
	assert (heard.reasoning, heard.text) == ("a💡b", "c💡d")


@EVERY_FAMILY
def test_half_an_emoji_that_stays_alone_is_replaced(server: ScriptedProvider, api: str) -> None:
	heard = answer(server, api, [{"reasoning": "\udca1a\ud83d"}, {"text": "b\ud83d"}])
	assert (heard.reasoning, heard.text) == ("\ufffda\ufffd", "b\ufffd")


@pytest.mark.parametrize("api", THINKS_IN_TAGS)
def test_tags_cut_across_chunks_are_thinking(server: ScriptedProvider, api: str) -> None:
	pieces = ["\n<th", "ink>\nI thi", "nk </", "b", "</thi", "nk>\n", "\n", "Yes <", "3"]
	heard = answer(server, api, [{"text": piece} for piece in pieces])
	assert (heard.reasoning, heard.text) == ("I think </b", "Yes <3")


@pytest.mark.parametrize("api", THINKS_IN_TAGS)
def test_tags_later_in_an_answer_are_part_of_it(server: ScriptedProvider, api: str) -> None:
	text = "Write `<think>` like this:\n<think>\nx\n</think>\n"
	heard = answer(server, api, [{"text": "<think>Hm.</think>"}, {"text": text}])
	assert (heard.reasoning, heard.text) == ("Hm.", text)


@EVERY_FAMILY
def test_where_reasoning_has_a_field_tags_are_text(server: ScriptedProvider, api: str) -> None:
	heard = answer(server, api, [{"reasoning": "Hm."}, {"text": "<think>"}, {"text": "x</think>y"}])
	assert (heard.reasoning, heard.text) == ("Hm.", "<think>x</think>y")


@EVERY_FAMILY
def test_nothing_is_said_twice(server: ScriptedProvider, api: str) -> None:
	# Anthropic's thinking is also in litellm's thinking_blocks, OpenRouter's in its reasoning_details.
	heard = answer(server, api, [{"reasoning": "one two"}, {"text": "three four"}])
	assert (heard.reasoning, heard.text) == ("one two", "three four")


@EVERY_FAMILY
def test_the_parameters_of_a_chat_reach_the_provider(server: ScriptedProvider, api: str, marker: str) -> None:
	messages = [
		{"role": "system", "content": f"Be brief. {marker}"},
		{"role": "user", "content": "Hi"},
		{"role": "assistant", "content": [{"type": "text", "text": "Hello."}]},
		{"role": "user", "content": [{"type": "text", "text": "Who"}, {"type": "text", "text": " are you?"}]},
	]
	heard = hear(gateway(family(server, api)).stream_generate(messages, max_tokens=77))
	assert heard.text == "Hello there."
	told = server.wait_for(marker)
	for words in ("Be brief.", "Hi", "Hello.", "Who", " are you?", "77", MODELS[api]):
		assert words in told.text + told.path


# Responses


def test_parts_are_called_after_who_said_them(server: ScriptedProvider, marker: str) -> None:
	part = {"type": "text", "text": "Hi"}
	messages = [{"role": role, "content": [part]} for role in ("system", "user", "assistant")]
	messages.append({"role": "user", "content": marker})
	hear(gateway(family(server, "openai_responses")).stream_generate(messages))
	sent = server.wait_for(marker).body["input"]
	assert [message["content"][0]["type"] for message in sent[:3]] == [
		"input_text",
		"input_text",
		"output_text",
	]
	assert sent[3]["content"] == marker


def event(kind: str, **fields: Any) -> Step:
	body = json.dumps({"type": kind, "sequence_number": 1, **fields})
	return {"raw": f"event: {kind}\ndata: {body}\n\n"}


def summary(text: str, item: int, part: int) -> list[Step]:
	place = {"item_id": f"rs_{item}", "output_index": item, "summary_index": part}
	opened = {"type": "summary_text", "text": ""}
	return [
		event("response.reasoning_summary_part.added", **place, part=opened),
		event("response.reasoning_summary_text.delta", **place, delta=text),
	]


def test_the_parts_of_a_summary_are_paragraphs(server: ScriptedProvider) -> None:
	parts = [*summary("First.", 0, 0), *summary("Second.", 0, 1), *summary("Third.", 1, 0)]
	heard = answer(server, "openai_responses", [{"text": ""}, *parts, {"text": "Yes."}, {"finish": "stop"}])
	assert (heard.reasoning, heard.text) == ("First.\n\nSecond.\n\nThird.", "Yes.")


def test_the_parts_of_a_whole_summary_are_paragraphs(server: ScriptedProvider) -> None:
	response = FAMILIES["openai_responses"]("gpt-5").whole([{"text": "Yes."}])
	summaries = [
		{
			"id": f"rs_{n}",
			"type": "reasoning",
			"summary": [{"type": "summary_text", "text": t} for t in texts],
		}
		for n, texts in enumerate([["First.", "Second."], ["Third."]])
	]
	response["output"] = [*summaries, *response["output"]]
	heard = answer(server, "openai_responses", [{"raw": json.dumps(response)}])
	assert (heard.reasoning, heard.text) == ("First.\n\nSecond.\n\nThird.", "Yes.")


def test_a_refusal_is_the_answer(server: ScriptedProvider) -> None:
	place = {"item_id": "msg_1", "output_index": 0, "content_index": 0}
	refused = event("response.refusal.delta", **place, delta="I cannot.")
	assert answer(server, "openai_responses", [{"text": ""}, refused, {"finish": "stop"}]).text == "I cannot."
	response = FAMILIES["openai_responses"]("gpt-5").whole([{"text": "-"}])
	response["output"][0]["content"] = [{"type": "refusal", "refusal": "I cannot."}]
	assert answer(server, "openai_responses", [{"raw": json.dumps(response)}]).text == "I cannot."


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


def wire(api: str, script: list[Step]) -> bytes:
	"""The stream of a script as bytes, its characters in UTF-8; only halves of a character stay escaped."""
	stream = b"".join(encode(FAMILIES[spoken(api)](MODELS[api]), script))
	return re.sub(rb"\\u(?!d[89a-f])([0-9a-f]{4})", lambda escaped: chr(int(escaped[1], 16)).encode(), stream)


def at_bytes(stream: bytes, *cuts: int) -> list[Step]:
	"""A script that writes these bytes, with a pause at each cut."""
	parts = [stream[a:b].decode("latin-1") for a, b in zip((0, *cuts), (*cuts, len(stream)), strict=True)]
	return [step for part in parts for step in ({"sleep": 0.001}, {"raw": part})][1:]


def cut_everywhere(server: ScriptedProvider, api: str, script: list[Step]) -> list[list[Any]]:
	"""What is heard of a stream cut in seven, often enough that there is a cut at each of its bytes.

	At each fifth byte where the reading is somebody else's, or is tried with another family already.
	"""
	stream = wire(api, script)
	provider = family(server, api)

	async def one(first: int) -> list[Any]:
		cuts = [cut for n in range(6) if 0 < (cut := first + n * apart) < len(stream)]
		ask = Ask(scripted(at_bytes(stream, *cuts)), MODELS[api])
		async with room:
			assembly, heard = Assembly(sys.maxsize, uses_tools=True), []
			async for chunk in adapters.answer(provider, ask):
				if isinstance(chunk, Completion):
					return [*heard, *assembly.end(), chunk]
				heard += assembly.add(chunk)
		raise AssertionError("no Completion")

	async def all_of_them() -> list[list[Any]]:
		return await asyncio.gather(
			*(one(first) for first in range(0, apart, 1 if api in ("openai", "deepseek") else 5))
		)

	room = asyncio.Semaphore(24)
	apart = -(-len(stream) // 6)
	return asyncio.run_coroutine_threadsafe(all_of_them(), provider_loop()).result()


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
