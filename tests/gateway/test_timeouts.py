"""Tests how long the gateway waits for a provider, and how long an answer may be."""

import asyncio
import tracemalloc
from collections import deque
from collections.abc import AsyncGenerator, Iterator
from contextlib import suppress
from typing import Any

import pytest

from ai_assistant.gateway import (
	Chunk,
	Gateway,
	Pacing,
	Provider,
	ProviderError,
	Reasoning,
	Text,
	Tick,
	Timeouts,
)
from ai_assistant.gateway.bridge import provider_loop
from tests.support.provider import ReceivedRequest, ScriptedProvider
from tests.support.wire import Step

from .asking import ADAPTERS, KEY, MODELS, PATIENT, Heard, family, gateway, hear, scripted
from .attempts import attempts_of, named

EVERY_ADAPTER = pytest.mark.parametrize("api", ADAPTERS)
SLOW: list[Step] = [{"headers_after": "never", "for": "slow"}, {"text": "Yes."}]


# For how long


def test_a_provider_that_says_nothing_for_too_long_is_followed_by_the_next(server: ScriptedProvider) -> None:
	limits = Timeouts(first_token_s=1, idle_s=20, total_s=40)
	slow = named(server, "a", "slow")
	heard = hear(gateway(slow, named(server, "b"), timeouts=limits).stream_generate(scripted(SLOW)))
	assert attempts_of(heard) == [("a", "slow", "timeout")]
	assert (heard.text, heard.completion.provider) == ("Yes.", "b")


def test_a_slow_answer_is_not_silent_as_long_as_it_goes_on(server: ScriptedProvider) -> None:
	limits = Timeouts(first_token_s=20, idle_s=1, total_s=40)
	script = [{"repeat": 15, "text": "la ", "every": 0.1}]
	assert (
		hear(gateway(named(server, "a"), timeouts=limits).stream_generate(scripted(script))).text
		== "la " * 15
	)


# How much


@EVERY_ADAPTER
def test_an_answer_without_end_is_cut_at_the_limit_and_hung_up_on(
	server: ScriptedProvider, api: str, marker: str
) -> None:
	script = [{"reasoning": "Hm. "}, {"repeat": 1_000_000, "text": "la ", "every": 0.001}]
	one = Gateway([family(server, api)], PATIENT, max_chars=99)
	heard = hear(one.stream_generate(scripted(script, marker)))
	assert heard.reasoning + heard.text == "Hm. " + ("la " * 32)[:95]
	assert (heard.completion.finish_reason, heard.completion.model) == ("length", MODELS[api])
	assert server.wait_for(marker).hung_up.wait(20)


@pytest.mark.parametrize(
	("api", "kind"),
	[(api, kind) for api in ADAPTERS if api != "litellm/deepseek" for kind in ("reasoning", "text")]
	# A call of Gemini's or Ollama's comes in one piece, which is bounded as a line is.
	+ [(api, "call") for api in ("openai", "litellm/openai", "openai_responses", "anthropic")],
)
def test_a_long_answer_leaves_memory_flat(
	server: ScriptedProvider, api: str, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
	class Forgetful(ReceivedRequest):
		def __init__(self, *args: Any) -> None:
			super().__init__(*args)
			self.written = deque(maxlen=0)  # type: ignore[assignment]

	monkeypatch.setattr("tests.support.provider.ReceivedRequest", Forgetful)
	monkeypatch.setattr("ai_assistant.gateway.bridge.HIGH_WATER", 8)
	monkeypatch.setattr("ai_assistant.gateway.continuation.MAX_CHARS", 50_000)
	# Calls without tools in the request are dropped. They would be the whole text at the end of the answer.
	size = 40_000
	begin = {"call": 0, "id": "call_1", "name": "clock", "arguments": "{"} if kind == "call" else {}
	piece = {"call": 0, "arguments": "x" * size} if kind == "call" else {kind: "x" * size}
	end = {"cut": True} if api == "openai_responses" else {"text": "end"}

	def peak(pieces: int) -> int:
		before, _ = tracemalloc.get_traced_memory()
		tracemalloc.reset_peak()
		stream = gateway(family(server, api)).stream_generate(
			scripted([begin, {**piece, "repeat": pieces}, end])
		)
		with suppress(ProviderError):
			text = sum(len(chunk.text) for chunk in stream if isinstance(chunk, Reasoning | Text))
			assert text == (0 if kind == "call" else pieces * size) + 3
		return tracemalloc.get_traced_memory()[1] - before

	peak(10)
	tracemalloc.start()
	try:
		# Of 8 MB; in the buffers of sockets there are some.
		assert peak(200) < 4_800_000
	finally:
		tracemalloc.stop()


@pytest.mark.parametrize(("thought", "counted"), [("Hm. " * 30, 30), ("Hm. " * 300, 99)])
def test_reasoning_that_nobody_counts_apart_is_estimated_and_never_more_than_was_counted(
	server: ScriptedProvider, thought: str, counted: int
) -> None:
	script = [{"reasoning": thought}, {"finish": "stop", "usage": {"completion": 99, "reasoning": 0}}]
	usage = hear(gateway(family(server, "ollama_chat")).stream_generate(scripted(script))).completion.usage
	assert usage and (usage.completion_tokens, usage.reasoning_tokens, usage.estimated) == (
		99,
		counted,
		False,
	)


@pytest.mark.parametrize(("limit", "reason"), [(7, "stop"), (6, "length"), (4, "length"), (3, "length")])
def test_the_limit_is_of_reasoning_and_text_together_and_exact(
	server: ScriptedProvider, limit: int, reason: str
) -> None:
	one = Gateway([named(server, "a")], PATIENT, max_chars=limit)
	question = scripted([{"reasoning": "Hm. "}, {"text": "Yes"}])
	heard = hear(one.stream_generate(question))
	outcome = heard.reasoning, heard.text, heard.completion.finish_reason
	assert outcome == ("Hm. "[:limit], "Yes"[: max(0, limit - 4)], reason)


@pytest.mark.parametrize(
	("text", "kind"),
	[
		([{"reasoning": "Hm"}], "thinking_idle"),
		([{"text": "<think>Hm"}], "thinking_idle"),
		([{"reasoning": "Hm"}, {"text": "So"}], "idle"),
		([{"text": "<think>Hm</think>So"}], "idle"),
		([{"text": "So"}, {"reasoning": "Hm"}], "thinking_idle"),
	],
)
def test_a_silence_has_the_limit_of_what_was_going_on(
	server: ScriptedProvider, text: list[Step], kind: str
) -> None:
	# Where the other one counts it is the total that ends it.
	limits = Timeouts(first_token_s=20, total_s=3, **{"thinking_idle_s": 20, "idle_s": 20, f"{kind}_s": 0.3})
	heard = hear(
		gateway(named(server, "a"), timeouts=limits).stream_generate(scripted([*text, {"hang": True}]))
	)
	assert heard.failure.kind == kind


def test_keeping_the_connection_alive_is_not_saying_something(server: ScriptedProvider) -> None:
	limits = Timeouts(first_token_s=0.5, idle_s=20, total_s=40)
	alive = [step for _ in range(400) for step in ({"raw": ": still here\n\n"}, {"sleep": 0.05})]
	heard = hear(
		gateway(named(server, "a"), timeouts=limits).stream_generate(scripted([{"text": ""}, *alive]))
	)
	assert heard.failure.kind == "first_token"


def test_the_total_is_of_all_attempts_together_and_ends_them(server: ScriptedProvider, marker: str) -> None:
	limits = Timeouts(first_token_s=1, idle_s=20, total_s=1.8)
	one = gateway(*(named(server, name, "slow") for name in "abc"), timeouts=limits)
	heard = hear(one.stream_generate(scripted(SLOW, marker)))
	assert (heard.failure.kind, heard.failure.code) == ("total", "timeout")
	assert str(heard.failure) == "The answer of b took longer than 1.8 seconds in all."
	assert attempts_of(heard) == [("a", "slow", "timeout"), ("b", "slow", "timeout")]
	assert server.count(marker) == 2


def test_the_total_ends_an_answer_that_goes_on_and_on(server: ScriptedProvider, marker: str) -> None:
	limits = Timeouts(first_token_s=20, idle_s=20, total_s=1.5)
	script = [{"repeat": 10_000, "text": "la ", "every": 0.02}]
	one = gateway(named(server, "a"), named(server, "b"), timeouts=limits)
	heard = hear(one.stream_generate(scripted(script, marker)))
	assert heard.failure.kind == "total"
	assert heard.text.startswith("la la ") and set(heard.text) == set("la ")
	assert server.wait_for(marker).hung_up.wait(20)
	assert server.count(marker) == 1


def test_the_total_ends_an_answer_that_comes_faster_than_it_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
	async def endless(*_: Any) -> AsyncGenerator[Text, None]:
		while True:
			yield Text("a")

	monkeypatch.setattr("ai_assistant.gateway.adapters.answer", endless)
	limits = Timeouts(first_token_s=20, idle_s=20, total_s=0.5)
	one = Gateway([Provider("a", "openai", KEY, "m")], limits, max_chars=50_000)

	def read_slowly() -> Iterator[Chunk]:
		for chunk in one.stream_generate(scripted([])):
			yield chunk
			# By then the provider has had its turn: there always is more.
			asyncio.run_coroutine_threadsafe(asyncio.sleep(0), provider_loop()).result()

	heard = hear(read_slowly())
	assert heard.failure.kind == "total"
	assert heard.text


def test_a_caller_with_patience_gets_its_turn_when_nothing_comes(server: ScriptedProvider) -> None:
	script = [{"text": "a"}, {"gate": "enough silence"}, {"text": "b"}]
	stream = gateway(named(server, "a")).stream_generate(scripted(script), pacing=Pacing(lambda: 0.01))
	heard = Heard()
	for chunk in stream:
		heard.chunks.append(chunk)
		if heard.chunks.count(Tick()) == 3:
			server.open("enough silence")
	assert heard.text == "ab" and heard.completion.finish_reason == "stop"
	assert heard.chunks.count(Tick()) >= 3


def test_patience_is_asked_for_each_time(server: ScriptedProvider) -> None:
	waits = [0.01, 0.02, 0.03]
	stream = gateway(named(server, "a")).stream_generate(
		scripted([{"headers_after": "never"}]), pacing=Pacing(lambda: waits.pop())
	)
	assert [next(stream), next(stream)] == [Tick(), Tick()]
	assert waits == [0.01]
	stream.close()
