"""Tests which provider a failure is recorded for, if two providers were asked and the answer failed."""

from dataclasses import replace

import pytest

from ai_assistant.gateway import (
	Attempt,
	Cancel,
	Gateway,
	Key,
	Pacing,
	Provider,
	ProviderError,
	Text,
	Timeouts,
	adapters,
	attempt,
	gateway,
)
from ai_assistant.gateway.chunks import Ask, Detached, Fallback
from ai_assistant.gateway.health import Health, Standing
from ai_assistant.gateway.tool_calls import ToolPiece

from .asking import PATIENT, Heard, Listener
from .pairs import Plan, Recorded, Step, ended, failure

AT_ONCE = 0.001
TRIM = "oldest_tool_results"
MESSAGES = [{"role": "user", "content": "Hi"}]
# An agent's conversation, whose first result can be left out.
ROUND = [
	{
		"role": "assistant",
		"content": "I read.",
		"tool_calls": [{"id": "c", "type": "function", "function": {"name": "read", "arguments": "{}"}}],
	},
	{"role": "tool", "tool_call_id": "c", "content": "x" * 20_000},
]
LONG = [*MESSAGES, *ROUND, *ROUND]
# A call of a tool that was not offered: no chunk comes of it.
EMPTY = ToolPiece(0, "call_1", "read", "{}")
DETACHED = Detached("resp_1", "b", "m-b")
FIRST, SECOND = (Provider(name, "openai", "none", f"m-{name}", priority=n) for n, name in enumerate("ab"))


@pytest.fixture
def plan(monkeypatch: pytest.MonkeyPatch) -> Plan:
	plan = Plan()
	monkeypatch.setattr(adapters, "answer", plan.answer)
	return plan


@pytest.fixture
def health() -> Recorded:
	return Recorded()


def asked(
	health: Health, timeouts: Timeouts = PATIENT, cancel: Cancel | None = None, trim: str | None = None
) -> Heard:
	pair = Gateway([FIRST, SECOND], timeouts, health=health, retries=0, hedge_s=AT_ONCE)
	question = Ask(LONG if trim else MESSAGES, "", trim=trim)
	return Listener(pair.stream(question, cancel=cancel, pacing=Pacing(wait_s=lambda: 0.01))).to_the_end()


def attempts_of(heard: Heard) -> list[tuple[str, str]]:
	attempts = heard.error.attempts if heard.error else heard.completion.attempts
	return [(attempt.provider, attempt.error) for attempt in attempts]


# The second is the first to send something


@pytest.mark.parametrize(
	("sent", "kind"),
	[
		([EMPTY, failure("unfinished", "b")], "unfinished"),
		([EMPTY, 0.1, failure("unfinished", "b")], "unfinished"),
		([DETACHED, failure("unfinished", "b")], "unfinished"),
		([ended("b", unshown="only_images")], "only_images"),
	],
	ids=["at once", "after a Tick", "after a Detached", "an end that cannot be shown"],
)
def test_a_second_that_sends_no_content_is_the_one_that_failed(
	plan: Plan, health: Recorded, sent: list[Step], kind: str
) -> None:
	"""The first, whose connection was closed, has not failed. It is asked again."""
	plan.steps = {"a": [["never"], [Text("Hi"), ended("a")]], "b": [sent]}
	heard = asked(health)
	assert heard.text == "Hi" and heard.completion.provider == "a" and plan.asked == ["a", "b", "a"]
	failed = Attempt("b", "m-b", failure(kind, "b").code)
	assert heard.completion.attempts == (failed,)
	assert heard.fallbacks == [Fallback(failed, "a", "m-a")]
	assert (health.failures, health.answered) == ([("b", kind)], ["a"])


def test_if_the_second_fails_without_content_after_the_first_has_failed_both_have_failed(
	plan: Plan, health: Recorded
) -> None:
	plan.steps = {
		"a": [["b asked", failure("unreachable", "a")]],
		"b": [["+b asked", 0.1, EMPTY, failure("unfinished", "b")]],
	}
	heard = asked(health)
	assert attempts_of(heard) == [("a", "provider_unavailable"), ("b", "provider_unavailable")]
	assert heard.failure.kind == "unreachable" and plan.asked == ["a", "b"]
	assert health.failures == [("a", "unreachable"), ("b", "unfinished")]


def test_a_second_that_fails_after_its_first_word_is_named_in_the_attempts(
	plan: Plan, health: Recorded
) -> None:
	plan.steps = {"a": [["never"]], "b": [[Text("Hi"), failure("unfinished", "b")]]}
	heard = asked(health)
	assert attempts_of(heard) == [("b", "provider_unavailable")] and plan.asked == ["a", "b"]
	assert (heard.failure.values["provider"], heard.failure.hung_up_on) == ("b", ("a", "m-a"))


def test_a_failure_after_the_first_word_names_the_first_that_failed_before_it(
	plan: Plan, health: Recorded
) -> None:
	plan.steps = {
		"a": [["b asked", failure("unreachable", "a")]],
		"b": [["+b asked", 0.1, Text("Hi"), failure("unfinished", "b")]],
	}
	heard = asked(health)
	assert attempts_of(heard) == [("a", "provider_unavailable"), ("b", "provider_unavailable")]
	assert heard.failure.kind == "unfinished"


def test_a_question_too_long_for_the_second_is_not_shortened_for_the_first(
	plan: Plan, health: Recorded
) -> None:
	plan.steps = {"a": [["never"], [Text("Hi"), ended("a")]], "b": [[DETACHED, failure("too_long", "b")]]}
	heard = asked(health, trim=TRIM)
	assert heard.text == "Hi" and heard.completion.trimmed is None
	assert attempts_of(heard) == [("b", "context_too_long")]


def test_a_second_that_fails_is_named_if_the_question_is_shortened_for_the_first(
	plan: Plan, health: Recorded
) -> None:
	too_long = failure("too_long", "a")
	plan.steps = {
		"a": [["b asked", 0.1, too_long], [too_long], [Text("Hi"), ended("a")]],
		"b": [["+b asked", failure("unreachable", "b")]],
	}
	heard = asked(health, trim=TRIM)
	assert heard.text == "Hi" and heard.completion.trimmed is not None
	assert attempts_of(heard) == [("b", "provider_unavailable")]


def test_a_question_that_stays_too_long_for_the_first_is_its_error(plan: Plan, health: Recorded) -> None:
	too_long: list[list[Step]] = [[failure("too_long", "a")] for _ in range(5)]
	plan.steps = {
		"a": [["b asked", 0.1, failure("too_long", "a")], *too_long],
		"b": [["+b asked", failure("unreachable", "b")]],
	}
	heard = asked(health, trim=TRIM)
	assert (heard.failure.kind, heard.failure.values["provider"]) == ("too_long", "a")
	assert sorted(attempts_of(heard)) == [("a", "context_too_long"), ("b", "provider_unavailable")]


def test_a_first_that_is_listened_to_is_not_asked_again(
	plan: Plan, health: Recorded, monkeypatch: pytest.MonkeyPatch
) -> None:
	monkeypatch.setattr(gateway, "PROBE_HEDGE_S", AT_ONCE)
	monkeypatch.setattr(Standing, "is_probe", lambda _standing, provider: provider == FIRST)
	plan.steps = {"a": [["never"]], "b": [[EMPTY, failure("unfinished", "b")]]}
	heard = asked(health, Timeouts(first_token_s=0.3, idle_s=20, total_s=40))
	assert heard.failure.kind == "unfinished" and plan.asked == ["a", "b"]


def test_the_error_of_a_pair_refers_to_no_other_exception(plan: Plan, health: Recorded) -> None:
	of_first = failure("unreachable", "a")
	of_first.__context__ = RuntimeError("its frames have the key")
	plan.steps = {
		"a": [["b asked", of_first]],
		"b": [["+b asked", 0.1, EMPTY, failure("unfinished", "b")]],
	}
	heard = asked(health)
	assert heard.failure.kind == "unreachable" and heard.failure.__context__ is None


# The first is the first to send something


def test_a_second_that_fails_before_a_first_that_sends_no_content_is_not_asked_again(
	plan: Plan, health: Recorded
) -> None:
	plan.steps = {
		"a": [["b asked", 0.1, EMPTY, failure("unfinished", "a")]],
		"b": [["+b asked", failure("unreachable", "b")]],
	}
	heard = asked(health)
	assert attempts_of(heard) == [("a", "provider_unavailable"), ("b", "provider_unavailable")]
	assert heard.failure.kind == "unfinished" and plan.asked == ["a", "b"]
	assert health.failures == [("a", "unfinished"), ("b", "unreachable")]


def test_a_second_that_lost_to_a_first_without_content_is_asked_again(plan: Plan, health: Recorded) -> None:
	plan.steps = {
		"a": [["b asked", EMPTY, failure("unfinished", "a")]],
		"b": [["+b asked", "never"], [Text("Hi"), ended("b")]],
	}
	heard = asked(health)
	assert heard.text == "Hi" and attempts_of(heard) == [("a", "provider_unavailable")]
	assert health.failures == [("a", "unfinished")] and health.answered == ["b"]


# None of them sends anything


def test_another_key_of_a_second_whose_key_is_refused_is_asked(plan: Plan, health: Recorded) -> None:
	keys = (Key("old", "old", weight=10**9), Key("new", "new", weight=0))
	plan.steps = {
		"a": [["b asked", 0.1, failure("unreachable", "a")]],
		"b": [["+b asked", failure("refused_key", "b")], [Text("Hi"), ended("b")]],
	}
	providers = [FIRST, replace(SECOND, keys=keys)]
	heard = Listener(
		Gateway(providers, PATIENT, health=health, retries=0, hedge_s=AT_ONCE).stream_generate(MESSAGES)
	).to_the_end()
	assert heard.text == "Hi" and heard.completion.key == "new"
	assert [attempt.as_dict().get("key") for attempt in heard.completion.attempts] == [None, "old"]


def test_a_second_that_failed_for_a_moment_is_asked_again(plan: Plan, health: Recorded) -> None:
	plan.steps = {
		"a": [["b asked", 0.1, failure("refused_key", "a")]],
		"b": [["+b asked", failure("unreachable", "b")], [Text("Hi"), ended("b")]],
	}
	again = Gateway([FIRST, SECOND], PATIENT, health=health, retries=1, hedge_s=AT_ONCE)
	heard = Listener(again.stream_generate(MESSAGES)).to_the_end()
	assert heard.text == "Hi" and plan.asked == ["a", "b", "b"]


def test_a_provider_that_is_asked_again_is_given_the_time_that_it_asks_for(
	plan: Plan, health: Recorded, monkeypatch: pytest.MonkeyPatch
) -> None:
	waited: list[float] = []
	monkeypatch.setattr(attempt, "wait", lambda seconds, _run: waited.append(seconds) or ())
	plan.steps = {
		"a": [
			["b asked", 0.1, ProviderError("rate_limited", 3, provider="a", model="m-a")],
			[Text("Hi"), ended("a")],
		],
		"b": [["+b asked", failure("unreachable", "b")]],
	}
	again = Gateway([FIRST, SECOND], PATIENT, health=health, retries=1, hedge_s=AT_ONCE)
	heard = Listener(again.stream_generate(MESSAGES)).to_the_end()
	assert heard.text == "Hi" and plan.asked == ["a", "b", "a"]
	assert [seconds >= 3 for seconds in waited] == [True]


def test_a_first_that_fails_keeps_its_error_if_the_second_stays_silent(plan: Plan, health: Recorded) -> None:
	plan.steps = {"a": [["b asked", failure("refused_key", "a")]], "b": [["+b asked", "never"]]}
	heard = asked(health, Timeouts(first_token_s=0.3, idle_s=20, total_s=40))
	assert attempts_of(heard) == [("a", "provider_auth"), ("b", "timeout")]
	assert heard.failure.kind == "refused_key"
	assert health.failures == [("a", "refused_key"), ("b", "first_token")]


def test_a_first_that_stays_silent_is_named_if_the_second_fails(plan: Plan, health: Recorded) -> None:
	plan.steps = {"a": [["never"]], "b": [[failure("unreachable", "b")]]}
	heard = asked(health, Timeouts(first_token_s=0.3, idle_s=20, total_s=40))
	assert attempts_of(heard) == [("a", "timeout"), ("b", "provider_unavailable")]
	assert health.failures == [("a", "first_token"), ("b", "unreachable")]


def test_the_end_of_the_time_is_an_error_of_those_that_are_still_silent(plan: Plan, health: Recorded) -> None:
	plan.steps = {"a": [["b asked", failure("unreachable", "a")]], "b": [["+b asked", "never"]]}
	heard = asked(health, Timeouts(first_token_s=20, idle_s=20, total_s=0.3))
	assert attempts_of(heard) == [("a", "provider_unavailable"), ("b", "timeout")]
	assert (heard.failure.kind, heard.failure.values["provider"]) == ("total", "b")
	assert health.failures == [("a", "unreachable"), ("b", "total")]


def test_the_end_of_the_time_counts_for_both_if_both_are_silent(plan: Plan, health: Recorded) -> None:
	plan.steps = {"a": [["never"]], "b": [["never"]]}
	heard = asked(health, Timeouts(first_token_s=20, idle_s=20, total_s=0.3))
	assert attempts_of(heard) == [("a", "timeout"), ("b", "timeout")]
	assert (heard.failure.kind, heard.failure.values["provider"]) == ("total", "a")
	assert health.failures == [("a", "total"), ("b", "total")]


def test_a_defect_of_the_second_leaves_the_first_alone(plan: Plan, health: Recorded) -> None:
	plan.steps = {
		"a": [["b asked", 0.1, Text("Hi"), ended("a")]],
		"b": [["+b asked", ZeroDivisionError()]],
	}
	heard = asked(health)
	assert heard.text == "Hi" and attempts_of(heard) == [("b", "provider_error")]
	assert health.answered == ["a"]


def test_a_cancel_keeps_the_failure_that_came_before_it(plan: Plan, health: Recorded) -> None:
	cancel = Cancel()
	plan.steps = {"a": [["b asked", failure("refused_key", "a")]], "b": [["+b asked", 0.2, cancel, "never"]]}
	heard = asked(health, cancel=cancel)
	assert heard.completion.finish_reason == "cancelled"
	# It is booked once, for the provider that was still asked.
	assert (heard.completion.provider, heard.completion.hung_up_on) == ("b", None)
	assert attempts_of(heard) == [("a", "provider_auth")]
	assert health.failures == [("a", "refused_key")]
