"""Seven families, one vocabulary: whatever shape an answer comes in, and wherever its bytes are cut."""

import json
from typing import Any

import pytest

from ai_assistant.gateway import Price, Reasoning, Text, ToolCall, Usage
from tests.support.provider import ScriptedProvider
from tests.support.wire import FAMILIES, Step

from .asking import ADAPTERS, MODELS, Heard, family, gateway, hear, scripted, spoken

EVERY_FAMILY = pytest.mark.parametrize("api", MODELS)
# What has no field for its reasoning, or a model behind it that does not use it.
THINKS_IN_TAGS = ("openai", "deepseek", "openrouter", "litellm/openai", "litellm/deepseek", "ollama_chat")
# Whose adapter also reads the one object of a server that does not stream.
AT_ONCE = ("openai", "deepseek", "openrouter", "groq", "mistral", "openai_responses", "gemini", "ollama_chat")


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
