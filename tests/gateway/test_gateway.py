"""Who is asked, for how long, and who may stop it."""

import asyncio
import gc
import json
import subprocess
import sys
import threading
import traceback
import tracemalloc
from collections import deque
from collections.abc import AsyncGenerator, Callable, Iterator
from contextlib import suppress
from dataclasses import replace
from typing import Any

import pytest

from ai_assistant.gateway import (
	Attempt,
	Cancel,
	Chunk,
	Completion,
	Fallback,
	Gateway,
	Pacing,
	Price,
	Provider,
	ProviderError,
	Reasoning,
	Text,
	Tick,
	Timeouts,
	Usage,
)
from ai_assistant.gateway.bridge import provider_loop
from tests.support.provider import ReceivedRequest, ScriptedProvider
from tests.support.wire import Step

from .asking import ADAPTERS, KEY, MODELS, PATIENT, Heard, Listener, family, gateway, hear, scripted, silent

EVERY_ADAPTER = pytest.mark.parametrize("api", ADAPTERS)

# "broken" and "slow" are models that fail where "good" answers.
BROKEN: list[Step] = [{"status": 503, "for": "broken"}, {"reasoning": "Hm."}, {"text": "Yes."}]
SLOW: list[Step] = [{"headers_after": "never", "for": "slow"}, {"text": "Yes."}]


def named(server: ScriptedProvider, name: str, model: str = "good", **fields: Any) -> Provider:
	return family(server, "openai", name=name, default_model=model, **fields)


def attempts_of(heard: Heard) -> list[tuple[str, str, str]]:
	attempts = heard.error.attempts if heard.error else heard.completion.attempts
	return [(attempt.provider, attempt.model, attempt.error) for attempt in attempts]


# Who is asked


def test_a_provider_that_fails_is_followed_by_the_next_in_order(server: ScriptedProvider) -> None:
	providers = [named(server, "c", priority=3), named(server, "a", "broken"), named(server, "b", priority=2)]
	providers[1] = replace(providers[1], priority=1)
	heard = hear(gateway(*providers).stream_generate(scripted(BROKEN)))
	failed = Attempt("a", "broken", "provider_unavailable")
	assert heard.chunks[:3] == [Fallback(failed, "b", "good"), Reasoning("Hm."), Text("Yes.")]
	assert heard.completion.attempts == (failed,)
	assert (heard.completion.provider, heard.completion.model) == ("b", "good")


def test_providers_of_the_same_priority_are_asked_by_name(server: ScriptedProvider) -> None:
	providers = [named(server, name, "broken") for name in ("d", "b", "c")] + [
		named(server, "a", "broken", priority=101)
	]
	heard = hear(gateway(*providers).stream_generate(scripted(BROKEN)))
	assert [name for name, _, _ in attempts_of(heard)] == ["b", "c", "d", "a"]
	assert [f.failed.provider + f.provider for f in heard.fallbacks] == ["bc", "cd", "da"]


def test_the_preferred_provider_is_asked_first_and_the_others_after_it(server: ScriptedProvider) -> None:
	providers = [named(server, name, "broken", priority=n) for n, name in enumerate("abc")]
	heard = hear(gateway(*providers).stream_generate(scripted(BROKEN), "c"))
	assert [name for name, _, _ in attempts_of(heard)] == ["c", "a", "b"]


def test_a_preferred_provider_that_there_is_not_changes_nothing(server: ScriptedProvider) -> None:
	heard = hear(gateway(named(server, "a"), named(server, "b")).stream_generate(scripted(BROKEN), "z"))
	assert heard.completion.provider == "a"


def test_a_model_is_asked_of_the_first_provider_that_allows_it(server: ScriptedProvider) -> None:
	providers = [
		named(server, "a", models=("good",)),
		named(server, "b", models=("good", "rare")),
		named(server, "c", models=("*",)),
	]
	one = gateway(*providers)
	assert hear(one.stream_generate(scripted(BROKEN), model="rare")).completion.provider == "b"
	assert hear(one.stream_generate(scripted(BROKEN), model="any")).completion.provider == "c"
	assert hear(one.stream_generate(scripted(BROKEN), model="good")).completion.provider == "a"
	assert hear(one.stream_generate(scripted(BROKEN), "c", model="rare")).completion.provider == "c"
	# Whether the preferred one allows it has been asked before.
	assert hear(one.stream_generate(scripted(BROKEN), "a", model="rare")).completion.provider == "a"


def test_the_others_are_asked_for_their_own_model(server: ScriptedProvider, marker: str) -> None:
	one = gateway(named(server, "a", priority=1), named(server, "b", "its-own"))
	heard = hear(one.stream_generate(scripted(BROKEN, marker), model="broken"))
	assert attempts_of(heard) == [("a", "broken", "provider_unavailable")]
	assert heard.completion.model == "its-own"
	assert [a.body["model"] for a in server.requests if marker in str(a.body)] == ["broken", "its-own"]


def test_where_all_fail_the_first_ones_error_is_told_with_all_attempts(server: ScriptedProvider) -> None:
	script = [{"status": 401, "for": "broken"}, {"cut": True}]
	one = gateway(named(server, "a", "broken"), named(server, "b"), named(server, "c"))
	heard = hear(one.stream_generate(scripted(script)))
	assert (heard.failure.code, "a" in str(heard.failure)) == ("provider_auth", True)
	assert attempts_of(heard) == [
		("a", "broken", "provider_auth"),
		("b", "good", "provider_unavailable"),
		("c", "good", "provider_unavailable"),
	]
	assert len(heard.fallbacks) == 2


@pytest.mark.parametrize("text", [{"reasoning": "Hm"}, {"text": "Hel"}, {"text": "<think>Hm"}, {"text": "<"}])
def test_after_its_first_chunk_a_failure_is_final(server: ScriptedProvider, text: Step, marker: str) -> None:
	heard = hear(
		gateway(named(server, "a"), named(server, "b")).stream_generate(
			scripted([text, {"cut": True}], marker)
		)
	)
	assert len(heard.deltas) == 1
	assert attempts_of(heard) == [("a", "good", "provider_unavailable")]
	assert heard.fallbacks == []
	assert server.count(marker) == 1


def test_half_a_character_is_a_first_chunk_too(server: ScriptedProvider, marker: str) -> None:
	script = [{"reasoning": "\ud83d"}, {"cut": True}]
	heard = hear(gateway(named(server, "a"), named(server, "b")).stream_generate(scripted(script, marker)))
	assert heard.deltas == [Reasoning("\ufffd")]
	assert attempts_of(heard) == [("a", "good", "provider_unavailable")]
	assert server.count(marker) == 1


def test_a_later_provider_that_fails_after_its_first_chunk_says_so_itself(server: ScriptedProvider) -> None:
	script = [{"status": 401, "for": "broken"}, {"text": "Hel"}, {"cut": True}]
	one = gateway(named(server, "a", "broken"), named(server, "b"), named(server, "c"))
	heard = hear(one.stream_generate(scripted(script)))
	assert heard.text == "Hel"
	assert heard.failure.code == "provider_unavailable" and "b" in str(heard.failure)
	assert attempts_of(heard) == [("a", "broken", "provider_auth"), ("b", "good", "provider_unavailable")]


@EVERY_ADAPTER
@pytest.mark.parametrize("fault", [{"status": 429}, {"status": 500}, {"status": 503}, {"cut": True}], ids=str)
def test_a_provider_that_fails_is_asked_once(api: str, fault: Step, marker: str) -> None:
	# One of its own: a kept connection that ends without a word may be asked on anew (test_connections.py).
	with ScriptedProvider() as server:
		assert hear(gateway(family(server, api)).stream_generate(scripted([fault], marker))).failure
		assert server.count(marker) == 1


def test_families_may_follow_one_another(server: ScriptedProvider) -> None:
	script = [{"status": 503, "for": "x/broken"}, {"reasoning": "Hm."}, {"text": "Yes."}]
	broken = [
		family(server, api, default_model="x/broken", name=f"{n} {api}") for n, api in enumerate(MODELS)
	]
	heard = hear(gateway(*broken, family(server, "gemini", name="last")).stream_generate(scripted(script)))
	assert [attempt[2] for attempt in attempts_of(heard)] == ["provider_unavailable"] * len(MODELS)
	assert (heard.reasoning, heard.text, heard.completion.provider) == ("Hm.", "Yes.", "last")


def test_without_a_provider_nothing_is_configured() -> None:
	assert hear(Gateway([]).stream_generate(scripted([]))).failure.code == "not_configured"
	with pytest.raises(ProviderError, match="No AI provider is configured") as raised:
		list(Gateway([]).stream_generate(scripted([])))
	assert raised.value.attempts == () and not raised.value.retryable


def test_what_a_provider_is_told_beside_the_question_is_in_its_configuration(
	server: ScriptedProvider, marker: str
) -> None:
	extra = {"extra_headers": {"x-team": "seven"}, "max_retries": 9, "api_key": "another"}
	hear(gateway(named(server, "a", extra=extra)).stream_generate(scripted([{"status": 500}], marker)))
	assert server.wait_for(marker).headers["x-team"] == "seven"
	assert server.wait_for(marker).key == KEY
	assert server.count(marker) == 1


def test_a_key_is_in_nothing_that_is_printed(server: ScriptedProvider) -> None:
	one = named(server, "a", extra={"extra_headers": {"x": KEY}})
	assert KEY not in repr(one) + str(one) + repr(gateway(one))


def test_many_may_ask_at_once_and_each_gets_its_own_answer(server: ScriptedProvider) -> None:
	listeners = []
	for n in range(40):
		api = list(MODELS)[n % len(MODELS)]
		script = [{"reasoning": f"{n} "}, {"text": f"{n}-"}, {"gate": "all at once"}, {"text": f"-{n}"}]
		listeners.append(Listener(gateway(family(server, api)).stream_generate(scripted(script))))
	for listener in listeners:
		listener.until(lambda heard: bool(heard.text))
	server.open("all at once")
	heard = [listener.to_the_end() for listener in listeners]
	assert [(h.reasoning, h.text) for h in heard] == [(f"{n} ", f"{n}--{n}") for n in range(40)]


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


# Who may stop it


@pytest.fixture
def no_collector() -> Iterator[None]:
	"""What closes a connection must not be the garbage collector."""
	gc.disable()
	yield
	gc.enable()


def to_be_stopped(heard: Heard) -> bool:
	return bool(heard.deltas)


PHASES: dict[str, tuple[list[Step], Callable[[Heard], bool]]] = {
	"before the headers": ([{"headers_after": "never"}], silent),
	"before the first chunk": ([{"hang": True}], silent),
	"in the middle": (
		[{"reasoning": "Hm"}, {"repeat": 100_000, "text": "la ", "every": 0.01}],
		to_be_stopped,
	),
	"while it is silent": ([{"text": "Hel"}, {"hang": True}], lambda h: to_be_stopped(h) and silent(h)),
}
EVERY_PHASE = pytest.mark.parametrize(("script", "come"), PHASES.values(), ids=PHASES)


@pytest.mark.usefixtures("no_collector")
@EVERY_ADAPTER
@EVERY_PHASE
def test_a_cancel_hangs_up_and_completes(
	server: ScriptedProvider, api: str, script: list[Step], come: Callable[[Heard], bool], marker: str
) -> None:
	cancel = Cancel()
	one = gateway(family(server, api), family(server, api, name="other"))
	listener = Listener(
		one.stream_generate(scripted(script, marker), cancel=cancel, pacing=Pacing(lambda: 0.01))
	)
	at_the_provider = server.wait_for(marker)
	listener.until(come)
	assert not at_the_provider.hung_up.is_set()
	cancel()
	heard = listener.to_the_end()
	assert heard.completion == Completion("cancelled", api, MODELS[api])
	assert at_the_provider.hung_up.wait(20)
	assert server.count(marker) == 1


@pytest.mark.usefixtures("no_collector")
@EVERY_ADAPTER
@EVERY_PHASE
def test_closing_the_generator_hangs_up(
	server: ScriptedProvider, api: str, script: list[Step], come: Callable[[Heard], bool], marker: str
) -> None:
	stream = gateway(family(server, api)).stream_generate(
		scripted(script, marker), pacing=Pacing(lambda: 0.01)
	)
	heard = Heard()
	while not come(heard):
		heard.chunks.append(next(stream))
	at_the_provider = server.wait_for(marker)
	assert not at_the_provider.hung_up.is_set()
	stream.close()
	assert at_the_provider.hung_up.wait(20)


@pytest.mark.usefixtures("no_collector")
@EVERY_ADAPTER
def test_closing_hangs_up_on_a_provider_that_is_too_fast(
	server: ScriptedProvider, api: str, marker: str
) -> None:
	script = [{"repeat": 1_000_000, "text": "0123456789"}]
	stream = gateway(family(server, api)).stream_generate(scripted(script, marker))
	assert next(stream) == Text("0123456789")
	stream.close()
	assert server.wait_for(marker).hung_up.wait(20)


def test_who_cancels_before_it_begins_asks_nobody(
	server: ScriptedProvider, marker: str, monkeypatch: pytest.MonkeyPatch
) -> None:
	with monkeypatch.context() as patched:
		patched.setattr("ai_assistant.gateway.adapters.answer", None)
		asked_to_stop = Cancel()
		asked_to_stop()
		hear(gateway(named(server, "a")).stream_generate(scripted([]), cancel=asked_to_stop)).completion
	cancel = Cancel()
	cancel()
	heard = hear(gateway(named(server, "a")).stream_generate(scripted([], marker), cancel=cancel))
	assert heard.chunks == [Completion("cancelled", "a", "good")]
	# Whatever the loop still had to do about it has been done when it has answered this.
	hear(gateway(named(server, "a")).stream_generate(scripted([])))
	assert server.count(marker) == 0


def test_what_came_before_a_cancel_is_given(monkeypatch: pytest.MonkeyPatch) -> None:
	first_is_read, all_has_come = asyncio.Event(), threading.Event()

	async def answer(*_: Any) -> AsyncGenerator[Text, None]:
		yield Text("a")
		await first_is_read.wait()
		yield Text("b")
		yield Text("c")
		all_has_come.set()
		await asyncio.Event().wait()

	monkeypatch.setattr("ai_assistant.gateway.adapters.answer", answer)
	cancel = Cancel()
	stream = Gateway([Provider("a", "openai", KEY, "m")]).stream_generate(scripted([]), cancel=cancel)
	assert next(stream) == Text("a")
	provider_loop().call_soon_threadsafe(first_is_read.set)
	assert all_has_come.wait(20)
	cancel()
	assert list(stream) == [Text("b"), Text("c"), Completion("cancelled", "a", "m")]


def test_what_was_held_back_comes_before_the_end_of_a_cancelled_answer(server: ScriptedProvider) -> None:
	cancel = Cancel()
	script = [{"reasoning": "Hm\ud83d"}, {"text": "a\ud83d"}, {"gate": "now"}, {"hang": True}]
	listener = Listener(gateway(named(server, "a")).stream_generate(scripted(script), cancel=cancel))
	listener.until(lambda heard: heard.text == "a")
	cancel()
	heard = listener.to_the_end()
	assert (heard.reasoning, heard.text) == ("Hm\ufffd", "a\ufffd")
	assert heard.completion.finish_reason == "cancelled"


def test_a_tag_that_has_not_ended_comes_before_the_end_of_a_cancelled_answer(
	server: ScriptedProvider,
) -> None:
	cancel = Cancel()
	script = [{"text": "<think>a</thi"}, {"hang": True}]
	listener = Listener(gateway(named(server, "a")).stream_generate(scripted(script), cancel=cancel))
	listener.until(lambda heard: heard.reasoning == "a")
	cancel()
	assert listener.to_the_end().reasoning == "a</thi"


def test_a_tag_that_has_not_ended_comes_before_a_timeout(server: ScriptedProvider) -> None:
	limits = Timeouts(first_token_s=1, idle_s=20, total_s=40)
	heard = hear(
		gateway(named(server, "a"), timeouts=limits).stream_generate(
			scripted([{"text": " <thi"}, {"hang": True}])
		)
	)
	assert (heard.text, heard.failure.code) == (" <thi", "timeout")


def test_a_cancel_after_a_fallback_keeps_the_attempts(server: ScriptedProvider) -> None:
	cancel = Cancel()
	script = [{"status": 503, "for": "broken"}, {"text": "Hel"}, {"hang": True}]
	one = gateway(named(server, "a", "broken"), named(server, "b"), named(server, "c"))
	listener = Listener(one.stream_generate(scripted(script), cancel=cancel))
	listener.until(lambda heard: heard.text == "Hel")
	cancel()
	heard = listener.to_the_end()
	assert heard.completion.finish_reason == "cancelled"
	assert attempts_of(heard) == [("a", "broken", "provider_unavailable")]


def test_who_cancels_during_a_fallback_asks_nobody_else(server: ScriptedProvider, marker: str) -> None:
	cancel = Cancel()
	one = gateway(named(server, "a", "broken"), named(server, "b"))
	chunks = []
	for chunk in one.stream_generate(scripted(BROKEN, marker), cancel=cancel):
		chunks.append(chunk)
		if isinstance(chunk, Fallback):
			cancel()
	assert isinstance(chunks[-1], Completion) and chunks[-1].finish_reason == "cancelled"
	assert [type(chunk) for chunk in chunks] == [Fallback, Completion]
	hear(gateway(named(server, "a")).stream_generate(scripted([])))
	assert server.count(marker) == 1


def test_a_stream_that_is_never_begun_asks_nobody(server: ScriptedProvider, marker: str) -> None:
	stream = gateway(named(server, "a")).stream_generate(scripted([], marker))
	stream.close()
	hear(gateway(named(server, "a")).stream_generate(scripted([])))
	assert server.count(marker) == 0


@EVERY_ADAPTER
def test_nothing_but_the_questions_is_sent_and_on_one_connection(
	api: str, monkeypatch: pytest.MonkeyPatch
) -> None:
	with ScriptedProvider() as fresh:
		# Where litellm would look for an Ollama of its own accord.
		monkeypatch.setenv("OLLAMA_API_BASE", fresh.base("ollama_chat"))
		one = gateway(family(fresh, api))
		for _ in range(3):
			hear(
				one.stream_generate(
					scripted([{"reasoning": "Hm."}, {"text": "Yes."}]), reasoning_effort="low"
				)
			)
		assert len(fresh.requests) == 3
		assert len({request.peer for request in fresh.requests}) == 1


IN_A_PROCESS_OF_ITS_OWN = """
import sys
from ai_assistant.gateway import Gateway, Provider
for api, base in zip(("openai", "openai_responses"), sys.argv[1:3]):
	one = Gateway([Provider(api, api, "-", "llama-3.1-8b", api_base=base)])
	answer = one.stream_generate([{"role": "user", "content": sys.argv[3] if api == "openai" else "Hi"}])
	print("".join(chunk.text for chunk in answer if hasattr(chunk, "text")))
"""


def test_no_tokenizer_is_fetched_for_tokens_that_were_not_counted_and_nothing_is_printed() -> None:
	chunk = {"choices": [{"index": 0, "delta": {"content": "Yes."}, "finish_reason": "stop"}]}
	uncounted = json.dumps([{"raw": f"data: {json.dumps(chunk)}\n\n"}])
	with ScriptedProvider() as fresh:
		bases = [fresh.base("openai"), fresh.base("openai_responses")]
		run = subprocess.run(
			[sys.executable, "-c", IN_A_PROCESS_OF_ITS_OWN, *bases, uncounted],
			capture_output=True,
			text=True,
			env={"HF_ENDPOINT": bases[0], "HF_HOME": "/nowhere", "PATH": "/nowhere"},
		)
		assert (run.returncode, run.stdout.split("\n"), run.stderr) == (
			0,
			["Yes.", "Let me think.Hello there.", ""],
			"",
		)
		assert len(fresh.requests) == 2


def test_a_defect_of_an_adapter_is_a_sentence_without_the_providers_words(
	server: ScriptedProvider, monkeypatch: pytest.MonkeyPatch
) -> None:
	def defect(error: Exception, *_: Any) -> ProviderError:
		raise RuntimeError(f"cannot map: {error}")

	monkeypatch.setattr("ai_assistant.gateway.http._provider_error", defect)
	steps: list[Step] = [{"text": "So far"}, {"error": "the provider's words"}]
	heard = hear(gateway(named(server, "a")).stream_generate(scripted(steps)))
	assert heard.error and heard.error.code == "provider_error"
	assert heard.chunks == [Text("So far")]
	trace = "".join(traceback.format_exception(heard.error))
	assert "the provider's words" not in trace and "cannot map" not in trace


def test_what_nobody_has_counted_is_estimated_from_bytes_at_what_the_model_costs() -> None:
	priced = Provider("a", "openai", KEY, "m", prices={"m": Price(1_000_000, 2_000_000)}, priority=1)
	plain = Provider("b", "anthropic", KEY, "claude-sonnet-4-5", priority=2)
	both = Gateway([plain, priced])
	assert both.estimate("a", "m", 9, 4, 1) == Usage(3, 2, 1, 5, 7.0, estimated=True)
	# The provider that answered is unknown, so the first one that was asked is named.
	assert both.estimate(None, None, 9, 4, 1).cost_usd == 7.0
	listed = both.estimate("b", "claude-sonnet-4-5", 400_000, 0, 40_000).cost_usd
	assert listed and 0.1 < listed < 2
	assert both.estimate("b", "never heard of", 4, 4, 4).cost_usd is None
	assert Gateway([]).estimate("a", "m", 0, 0, 0) == Usage(0, 0, 0, 0, None, estimated=True)


@pytest.mark.parametrize("api", ["openai", "openai_responses", "litellm/openai"])
def test_the_list_knows_a_model_through_whichever_adapter_it_is_asked(api: str) -> None:
	estimate = Gateway([Provider("a", api, KEY, "gpt-4o")]).estimate("a", "gpt-4o", 4_000_000, 0, 4_000_000)
	assert estimate.cost_usd and estimate.cost_usd > 1


# The cost of a chunk


class Conversation(list[Any]):
	looked_through = 0

	def __iter__(self) -> Iterator[Any]:
		self.looked_through += 1
		return super().__iter__()


@EVERY_ADAPTER
def test_no_chunk_has_the_conversation_looked_through(server: ScriptedProvider, api: str) -> None:
	def times_for(pieces: int) -> int:
		conversation = Conversation(scripted([{"repeat": pieces, "text": "x", "every": 0}]))
		heard = hear(gateway(family(server, api)).stream_generate(conversation))
		assert heard.text == "x" * pieces
		return conversation.looked_through

	assert times_for(200) == times_for(2)
