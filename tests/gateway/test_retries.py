"""Tests a question that is asked again: with another key, and after all providers have failed."""

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest

from ai_assistant.gateway import (
	Cancel,
	Chunk,
	Completion,
	Gateway,
	Key,
	Pacing,
	Provider,
	ProviderError,
	Timeouts,
)
from ai_assistant.gateway import health as gateway_health
from ai_assistant.gateway.health import Health, LocalState
from tests.support.provider import ScriptedProvider

from .asking import hear, scripted

LIMITS = Timeouts(first_token_s=20, idle_s=20, total_s=40)


@pytest.fixture(scope="module")
def server() -> Iterator[ScriptedProvider]:
	with ScriptedProvider() as running:
		yield running


def provider(server: ScriptedProvider, name: str = "a", **fields: Any) -> Provider:
	return Provider(name, "openai", "sk-none", "m", api_base=server.base("openai"), **fields)


def fails_first(times: int, status: int = 503) -> list[dict[str, Any]]:
	"""A script that the provider refuses so many times, and then answers."""
	return [{"status": status, "times_refused": times}, {"text": "Hello."}]


def test_a_provider_that_fails_for_a_moment_is_asked_again(server: ScriptedProvider) -> None:
	heard = hear(
		Gateway([provider(server)], LIMITS).stream_generate(scripted(fails_first(2), "retry-moment"))
	)
	assert heard.text == "Hello." and server.count("retry-moment") == 3
	assert [attempt.error for attempt in heard.completion.attempts] == ["provider_unavailable"] * 2


def test_a_provider_is_asked_three_times_at_most(server: ScriptedProvider) -> None:
	heard = hear(
		Gateway([provider(server)], LIMITS).stream_generate(scripted([{"status": 503}], "retry-most"))
	)
	assert heard.failure.code == "provider_unavailable" and server.count("retry-most") == 3


@pytest.mark.parametrize("status", [400, 401, 402, 404])
def test_what_cannot_succeed_is_asked_once(server: ScriptedProvider, status: int) -> None:
	marker = f"retry-never-{status}"
	hear(Gateway([provider(server)], LIMITS).stream_generate(scripted([{"status": status}], marker)))
	assert server.count(marker) == 1


def test_a_long_advice_to_wait_is_told_and_not_waited_for(server: ScriptedProvider) -> None:
	script = [{"status": 429, "headers": {"retry-after": "60"}}]
	heard = hear(Gateway([provider(server)], LIMITS).stream_generate(scripted(script, "retry-later")))
	assert (heard.failure.retry_after, server.count("retry-later")) == (60, 1)


def test_nothing_is_asked_again_after_the_first_chunk(server: ScriptedProvider) -> None:
	script = [{"text": "Half"}, {"cut": True}]
	hear(Gateway([provider(server)], LIMITS).stream_generate(scripted(script, "retry-half")))
	assert server.count("retry-half") == 1


def test_another_provider_is_asked_before_the_first_one_again(server: ScriptedProvider) -> None:
	providers = [provider(server, "a", priority=1), provider(server, "b", priority=2)]
	heard = hear(Gateway(providers, LIMITS).stream_generate(scripted(fails_first(1), "retry-other")))
	assert (heard.completion.provider, server.count("retry-other")) == ("b", 2)


def test_another_key_is_asked_first_and_named(server: ScriptedProvider) -> None:
	keys = (Key("blue", "sk-blue"), Key("red", "sk-red"))
	health, script = Health(LocalState()), fails_first(1, 429)
	first = hear(
		Gateway([provider(server, keys=keys)], LIMITS, health=health).stream_generate(
			scripted(script, "retry-key")
		)
	)
	(attempt,) = first.completion.attempts
	assert attempt.as_dict() == {"provider": "a", "model": "m", "error": "rate_limited", "key": attempt.key}
	assert attempt.key in ("blue", "red")
	assert (
		next(request.key for request in server.requests if "retry-key" in request.text) == f"sk-{attempt.key}"
	)
	# The key rests: the next question goes to the other one at once.
	again = hear(
		Gateway([provider(server, keys=keys)], LIMITS, health=health).stream_generate(
			scripted([{"text": "Hi"}], "retry-next")
		)
	)
	assert again.completion.attempts == ()
	assert server.wait_for("retry-next").key != f"sk-{attempt.key}"
	assert {first.completion.key, again.completion.key} == {"blue", "red"} - {attempt.key}


def test_a_hanging_first_provider_delays_no_third_chat(server: ScriptedProvider) -> None:
	limits = replace(LIMITS, first_token_s=0.3)
	providers = [provider(server, "slow", priority=1, models=("slow",)), provider(server, "b", priority=2)]
	providers[0] = replace(providers[0], default_model="slow")
	health = Health(LocalState())
	script = [{"hang": True, "for": "slow"}, {"text": "Hi"}]
	for n in range(3):
		heard = hear(
			Gateway(providers, limits, health=health).stream_generate(scripted(script, f"hang-{n}-"))
		)
		assert heard.text == "Hi"
	assert [server.count(f"hang-{n}-") for n in range(3)] == [2, 2, 1]


def test_a_cancel_ends_the_wait_for_a_retry(server: ScriptedProvider) -> None:
	cancel = Cancel()
	stream = Gateway([provider(server)], LIMITS).stream_generate(
		scripted([{"status": 429, "headers": {"retry-after": "4"}}], "retry-cancel"), cancel=cancel
	)
	*_, last = (_cancelled_once_asked(chunk, server, cancel, "retry-cancel") for chunk in stream)
	assert isinstance(last, Completion)
	assert (last.finish_reason, server.count("retry-cancel")) == ("cancelled", 1)


def test_a_cancelled_probe_leaves_the_next_chat_to_probe(
	server: ScriptedProvider, monkeypatch: pytest.MonkeyPatch
) -> None:
	# The rest is over at once.
	monkeypatch.setattr(gateway_health, "PROVIDER_REST_S", 0.0)
	first, second = provider(server, "a", priority=1), provider(server, "b", priority=2)
	health = Health(LocalState())
	for _ in range(gateway_health.FAILURES):
		health.failed(first, ProviderError("unavailable", provider="a", model="m", status=503))
	cancel = Cancel()
	stream = Gateway([first, second], LIMITS, health=health).stream_generate(
		scripted([{"hang": True}], "probe-cancel"),
		cancel=cancel,
		pacing=Pacing(lambda: 0.01),
	)
	chunks = [_cancelled_once_asked(chunk, server, cancel, "probe-cancel") for chunk in stream]
	assert isinstance(chunks[-1], Completion) and chunks[-1].provider == "a"
	assert [ordered.name for ordered in health.standing([first, second]).order] == ["a", "b"]


def _cancelled_once_asked(chunk: Chunk, server: ScriptedProvider, cancel: Cancel, marker: str) -> Chunk:
	if server.count(marker):
		cancel()
	return chunk
