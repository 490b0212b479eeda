"""Tests that a cancelled or closed answer hangs up on the provider and keeps what had arrived."""

import asyncio
import gc
import threading
from collections.abc import AsyncGenerator, Callable, Iterator
from typing import Any

import pytest

from ai_assistant.gateway import (
	Cancel,
	Completion,
	Fallback,
	Gateway,
	Pacing,
	Provider,
	Text,
	Timeouts,
)
from ai_assistant.gateway.bridge import provider_loop
from tests.support.provider import ScriptedProvider
from tests.support.wire import Step

from .asking import ADAPTERS, KEY, MODELS, Heard, Listener, family, gateway, hear, scripted, silent
from .attempts import BROKEN, attempts_of, named

EVERY_ADAPTER = pytest.mark.parametrize("api", ADAPTERS)


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
