"""A second provider that is asked because the first is silent."""

import threading
from collections.abc import Iterator
from typing import Any

import pytest

from ai_assistant.gateway import Cancel, Completion, Gateway, Provider, ProviderError, Timeouts
from ai_assistant.gateway import gateway as gateway_module
from ai_assistant.gateway import health as gateway_health
from ai_assistant.gateway.health import Health, LocalState
from ai_assistant.gateway.hedging import Race
from tests.support.provider import ScriptedProvider

from .asking import PATIENT, Listener, family, hear, scripted

AT_ONCE = 0.001


@pytest.fixture
def first() -> Iterator[ScriptedProvider]:
	with ScriptedProvider() as running:
		yield running


@pytest.fixture
def second() -> Iterator[ScriptedProvider]:
	with ScriptedProvider() as running:
		yield running


def pair(first: ScriptedProvider, second: ScriptedProvider, api: str = "openai") -> list[Provider]:
	return [
		family(first, api, name="a", priority=1, **({"default_model": "slow"} if api == "openai" else {})),
		family(second, api, name="b", priority=2),
	]


def hedged(providers: list[Provider], hedge_s: float = AT_ONCE, **fields: Any) -> Gateway:
	return Gateway(providers, fields.pop("timeouts", PATIENT), retries=0, hedge_s=hedge_s, **fields)


class Errors(dict[int, ProviderError]):
	"""The errors of a race, which tell when one is recorded."""

	def __init__(self, recorded: threading.Event) -> None:
		super().__init__()
		self._recorded = recorded

	def __setitem__(self, number: int, error: ProviderError) -> None:
		super().__setitem__(number, error)
		self._recorded.set()


@pytest.fixture
def one_failed(monkeypatch: pytest.MonkeyPatch) -> threading.Event:
	"""Set once one of the two providers of a race has failed, as the race sees it."""
	recorded = threading.Event()

	class WatchedRace(Race):
		def __init__(self, *arguments: Any) -> None:
			super().__init__(*arguments)
			self.errors = Errors(recorded)

	monkeypatch.setattr(gateway_module, "Race", WatchedRace)
	return recorded


# The gates of the two are their own, so that each speaks when the test lets it.
GATED = [{"gate": "speak"}, {"text": "Hi"}]


@pytest.mark.parametrize("api", ["openai", "openai_responses", "anthropic", "gemini", "litellm/openai"])
def test_the_second_answers_while_the_first_is_silent(
	first: ScriptedProvider, second: ScriptedProvider, api: str
) -> None:
	script = scripted([*GATED, {"gate": "end"}], "hedge")
	listener = Listener(hedged(pair(first, second, api)).stream_generate(script))
	silent = first.wait_for("hedge")
	second.wait_for("hedge")
	second.open("speak")
	# Before the answer ends.
	assert silent.hung_up.wait(10)
	second.open("end")
	heard = listener.to_the_end()
	assert (heard.text, heard.completion.provider) == ("Hi", "b")
	assert heard.completion.attempts == () and heard.completion.hung_up_on
	assert heard.completion.hung_up_on[0] == "a"


def test_the_first_wins_if_it_is_the_first_to_speak(
	first: ScriptedProvider, second: ScriptedProvider
) -> None:
	listener = Listener(hedged(pair(first, second)).stream_generate(scripted(GATED, "hedge")))
	silent = second.wait_for("hedge")
	first.open("speak")
	heard = listener.to_the_end()
	assert (heard.text, heard.completion.provider) == ("Hi", "a")
	assert heard.completion.hung_up_on == ("b", "m1")
	assert silent.hung_up.wait(10)


def test_a_first_that_speaks_in_time_is_the_only_one_asked(
	first: ScriptedProvider, second: ScriptedProvider
) -> None:
	heard = hear(hedged(pair(first, second), 20).stream_generate(scripted([{"text": "Hi"}])))
	assert heard.text == "Hi" and heard.completion.hung_up_on is None and not second.requests


def test_it_is_off_by_default(first: ScriptedProvider, second: ScriptedProvider) -> None:
	gateway = Gateway(pair(first, second), Timeouts(first_token_s=0.3, idle_s=20, total_s=40), retries=0)
	heard = hear(gateway.stream_generate(scripted([{"hang": True, "for": "slow"}, {"text": "Hi"}])))
	assert heard.text == "Hi" and [attempt.error for attempt in heard.completion.attempts] == ["timeout"]


def test_a_second_that_fails_leaves_the_first_alone(
	first: ScriptedProvider, second: ScriptedProvider, one_failed: threading.Event
) -> None:
	script = [{"status": 503, "for": "m1"}, *GATED]
	listener = Listener(hedged(pair(first, second)).stream_generate(scripted(script, "hedge")))
	assert one_failed.wait(10)
	first.open("speak")
	heard = listener.to_the_end()
	assert (heard.text, heard.completion.provider) == ("Hi", "a")
	assert [(attempt.provider, attempt.error) for attempt in heard.completion.attempts] == [
		("b", "provider_unavailable")
	]
	assert heard.completion.hung_up_on is None


def test_a_first_that_fails_meanwhile_leaves_the_second(
	first: ScriptedProvider, second: ScriptedProvider, one_failed: threading.Event
) -> None:
	script = [{"status": 503, "for": "slow"}, *GATED]
	# It fails after the second has been asked, because its headers wait for a gate.
	script[0]["headers_after"] = "fail"
	listener = Listener(hedged(pair(first, second)).stream_generate(scripted(script, "hedge")))
	second.wait_for("hedge")
	first.open("fail")
	assert one_failed.wait(10)
	second.open("speak")
	heard = listener.to_the_end()
	assert (heard.text, heard.completion.provider) == ("Hi", "b")
	assert [attempt.provider for attempt in heard.completion.attempts] == ["a"]


def test_if_both_fail_the_next_is_asked_and_all_are_named(
	first: ScriptedProvider, second: ScriptedProvider, server: ScriptedProvider, marker: str
) -> None:
	server.open("speak")
	third = family(server, "openai", name="c", priority=3)
	limits = Timeouts(first_token_s=0.3, idle_s=20, total_s=40)
	gateway = hedged([*pair(first, second), third], timeouts=limits)
	heard = hear(gateway.stream_generate(scripted(GATED, marker)))
	assert (heard.text, heard.completion.provider) == ("Hi", "c")
	attempts = [(attempt.provider, attempt.error) for attempt in heard.completion.attempts]
	assert attempts == [("a", "timeout"), ("b", "timeout")]
	assert [first.count(marker), second.count(marker)] == [1, 1]


def test_a_cancel_hangs_up_on_both(first: ScriptedProvider, second: ScriptedProvider) -> None:
	cancel = Cancel()
	listener = Listener(hedged(pair(first, second)).stream_generate(scripted(GATED, "hedge"), cancel=cancel))
	requests = [first.wait_for("hedge"), second.wait_for("hedge")]
	cancel()
	completion = listener.to_the_end().completion
	assert (completion.finish_reason, completion.hung_up_on) == ("cancelled", ("b", "m1"))
	assert all(request.hung_up.wait(10) for request in requests)


def test_a_failure_after_the_race_is_the_winners(first: ScriptedProvider, second: ScriptedProvider) -> None:
	listener = Listener(
		hedged(pair(first, second)).stream_generate(scripted([*GATED, {"cut": True}], "hedge"))
	)
	second.wait_for("hedge")
	second.open("speak")
	heard = listener.to_the_end()
	assert heard.text == "Hi" and heard.failure.values["provider"] == "b"
	assert heard.failure.hung_up_on == ("a", "slow")


def test_a_first_that_keeps_losing_is_asked_last(first: ScriptedProvider, second: ScriptedProvider) -> None:
	health = Health(LocalState())
	for n in range(3):
		script = [{"hang": True, "for": "slow"}, {"text": "Hi"}]
		gateway = hedged(pair(first, second), health=health)
		assert hear(gateway.stream_generate(scripted(script, f"hedge-{n} "))).text == "Hi"
	assert [first.count(f"hedge-{n} ") for n in range(3)] == [1, 1, 0]


def rested(providers: list[Provider], monkeypatch: pytest.MonkeyPatch) -> Health:
	"""A state in which the first provider's rest is over, so that the next chat tries it."""
	monkeypatch.setattr(gateway_health, "PROVIDER_REST_S", 0.0)
	monkeypatch.setattr(gateway_module, "PROBE_HEDGE_S", AT_ONCE)
	health = Health(LocalState())
	error = ProviderError("first_token", provider="a", model="slow", seconds=1)
	for _ in range(gateway_health.HANGS):
		health.failed(providers[0], error)
	monkeypatch.setattr(gateway_health, "PROVIDER_REST_S", 30.0)
	return health


class Watched(Health):
	"""Tells when a state of a provider was recorded."""

	def __init__(self, health: Health) -> None:
		super().__init__(health._state)
		self.recorded: dict[str, threading.Event] = {"a": threading.Event(), "b": threading.Event()}

	def succeeded(self, provider: Provider, model: str = "", first_s: float = 0.0) -> None:
		super().succeeded(provider, model, first_s)
		self.recorded[provider.name].set()

	def failed(self, provider: Provider, error: ProviderError) -> None:
		super().failed(provider, error)
		self.recorded[provider.name].set()


def test_the_chat_that_tries_a_provider_again_does_not_wait_for_it(
	first: ScriptedProvider, second: ScriptedProvider, monkeypatch: pytest.MonkeyPatch
) -> None:
	providers = pair(first, second)
	health = Watched(rested(providers, monkeypatch))
	second.open("speak")
	second.open("end")
	script = scripted([*GATED, {"gate": "end"}], "probe")
	heard = hear(Gateway(providers, PATIENT, health=health).stream_generate(script))
	assert (heard.text, heard.completion.provider) == ("Hi", "b")
	# It is listened to all the same, and returns when it speaks. The others are asked meanwhile.
	assert not first.wait_for("probe").hung_up.is_set()
	assert [provider.name for provider in health.standing(providers).order] == ["b", "a"]
	first.open("speak")
	assert health.recorded["a"].wait(10)
	assert [provider.name for provider in health.standing(providers).order] == ["a", "b"]
	assert first.wait_for("probe").hung_up.wait(10)


def test_a_provider_that_hangs_when_it_is_tried_again_rests_again(
	first: ScriptedProvider, second: ScriptedProvider, monkeypatch: pytest.MonkeyPatch
) -> None:
	providers = pair(first, second)
	health = Watched(rested(providers, monkeypatch))
	limits = Timeouts(first_token_s=0.2, idle_s=20, total_s=40)
	script = [{"hang": True, "for": "slow"}, {"text": "Hi"}]
	heard = hear(Gateway(providers, limits, health=health).stream_generate(scripted(script, "probe")))
	assert isinstance(heard.completion, Completion) and heard.text == "Hi"
	assert health.recorded["a"].wait(10)
	assert health.rests(providers)["a", ""].kind == "first_token"


def test_of_three_chats_at_once_the_third_does_not_wait_for_a_provider_that_hangs(
	first: ScriptedProvider, second: ScriptedProvider, monkeypatch: pytest.MonkeyPatch
) -> None:
	monkeypatch.setattr(gateway_health, "SILENCE_S", AT_ONCE)
	providers, health = pair(first, second), Watched(Health(LocalState()))
	second.open("speak")
	chats = [
		Listener(Gateway(providers, PATIENT, health=health).stream_generate(scripted(GATED, f"chat-{n} ")))
		for n in range(3)
	]
	asked = [first.wait_for(f"chat-{n} ") for n in range(3)]
	second.wait_for("chat-")
	(third,) = [n for n in range(3) if second.count(f"chat-{n} ")]
	assert chats[third].to_the_end().completion.provider == "b"
	# A slow provider is no provider that hangs: all three are listened to until it speaks, and then it is asked as before.
	assert not any(request.hung_up.is_set() for request in asked)
	first.open("speak")
	assert [chat.to_the_end().completion.provider for n, chat in enumerate(chats) if n != third] == ["a", "a"]
	monkeypatch.setattr(gateway_health, "SILENCE_S", 20.0)
	heard = hear(Gateway(providers, PATIENT, health=health).stream_generate(scripted(GATED, "chat-3 ")))
	assert heard.completion.provider == "a"


def test_a_chat_that_begins_while_two_others_wait_does_not_wait_for_a_provider_that_hangs(
	first: ScriptedProvider, second: ScriptedProvider, monkeypatch: pytest.MonkeyPatch
) -> None:
	"""If the provider stays silent, it rests: the chat that was answered elsewhere is counted as one that waited in vain."""
	monkeypatch.setattr(gateway_health, "SILENCE_S", AT_ONCE)
	providers, health = pair(first, second), Health(LocalState())
	for _ in range(gateway_health.HANGS):
		assert not health.silent(providers[0], "slow")
	limits = Timeouts(first_token_s=0.2, idle_s=20, total_s=40)
	watched = Watched(health)
	script = [{"hang": True, "for": "slow"}, {"text": "Hi"}]
	heard = hear(Gateway(providers, limits, health=watched).stream_generate(scripted(script, "chat")))
	assert (heard.text, heard.completion.provider, heard.fallbacks) == ("Hi", "b", [])
	assert watched.recorded["a"].wait(10)
	assert first.wait_for("chat").hung_up.wait(10)
