"""Which providers and keys rest after a failure, and in which order the others are asked."""

import time
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace

import pytest

from ai_assistant.gateway import Completion, Gateway, Provider, ProviderError, Tick
from ai_assistant.gateway.health import MAX_LOCAL, SILENCE_S, Health, LocalState, by_weight
from tests.support.provider import ScriptedProvider

from .asking import family, scripted

FIRST = Provider("first", "openai", "sk-1", "m")
SECOND = Provider("second", "openai", "sk-2", "m")
BOTH = [FIRST, SECOND]


class Clock:
	def __init__(self) -> None:
		self.now = 1_000_000.0

	def __call__(self) -> float:
		return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
	made = Clock()
	monkeypatch.setattr(time, "time", made)
	monkeypatch.setattr(time, "monotonic", made)
	return made


@pytest.fixture
def health(clock: Clock) -> Health:
	return Health(LocalState())


def error(kind: str, retry_after: int | None = None) -> ProviderError:
	made = ProviderError(kind, retry_after, provider="first", model="m", seconds="60", status=503)
	return made


def names(health: Health, providers: list[Provider] = BOTH) -> list[str]:
	return [provider.key_label or provider.name for provider in health.standing(providers).order]


def test_a_rate_limit_rests_its_key_as_long_as_the_provider_says(health: Health, clock: Clock) -> None:
	health.failed(FIRST, error("rate_limited", 40))
	assert names(health) == ["second", "first"]
	clock.now += 39
	assert names(health) == ["second", "first"]
	clock.now += 2
	assert names(health) == ["first", "second"]


def test_a_rate_limit_rests_a_key_ten_minutes_at_most(health: Health, clock: Clock) -> None:
	health.failed(FIRST, error("rate_limited", 86_400))
	clock.now += 601
	assert names(health) == ["first", "second"]


def test_a_rate_limit_of_one_key_leaves_the_other_keys(health: Health) -> None:
	keys = [replace(FIRST, key_label="a", api_key="sk-a"), replace(FIRST, key_label="b", api_key="sk-b")]
	health.failed(keys[0], error("rate_limited", 40))
	assert names(health, keys) == ["b", "a"]


def test_a_refused_key_rests_until_it_is_edited(health: Health, clock: Clock) -> None:
	health.failed(FIRST, error("refused_key"))
	clock.now += 86_400
	assert names(health) == ["second", "first"]
	edited = replace(FIRST, api_key="sk-new")
	assert names(health, [edited, SECOND]) == ["first", "second"]


def test_five_failures_in_a_minute_rest_a_provider_and_one_chat_probes_it(
	health: Health, clock: Clock
) -> None:
	for _ in range(4):
		health.failed(FIRST, error("unavailable"))
	assert names(health) == ["first", "second"]
	health.failed(FIRST, error("unavailable"))
	assert names(health) == ["second", "first"]
	clock.now += 31
	assert names(health) == ["first", "second"]
	assert names(health) == ["second", "first"]
	health.succeeded(FIRST)
	assert [names(health) for _ in range(2)] == [["first", "second"]] * 2


def test_a_failed_probe_rests_the_provider_again(health: Health, clock: Clock) -> None:
	for _ in range(5):
		health.failed(FIRST, error("unavailable"))
	clock.now += 31
	assert names(health) == ["first", "second"]
	health.failed(FIRST, error("unavailable"))
	assert names(health) == ["second", "first"]


def test_a_chat_that_asks_another_provider_first_is_no_probe(health: Health, clock: Clock) -> None:
	for _ in range(5):
		health.failed(SECOND, error("unavailable"))
	clock.now += 31
	assert names(health) == ["first", "second"]
	assert names(health, [SECOND, FIRST]) == ["second", "first"]


@pytest.mark.parametrize("kind", ["too_long", "refused"])
def test_a_probe_that_tells_nothing_leaves_the_next_chat_to_probe(
	health: Health, clock: Clock, kind: str
) -> None:
	for _ in range(5):
		health.failed(FIRST, error("unavailable"))
	clock.now += 31
	assert names(health) == ["first", "second"]
	health.failed(FIRST, error(kind))
	assert names(health) == ["first", "second"]


def test_a_provider_at_another_address_is_another_provider(health: Health) -> None:
	for _ in range(5):
		health.failed(FIRST, error("unavailable"))
	health.failed(FIRST, error("refused_key"))
	assert names(health) == ["second", "first"]
	assert names(health, [replace(FIRST, api_base="https://ai.example.com/v1"), SECOND]) == [
		"first",
		"second",
	]


def test_failures_that_are_less_than_half_rest_nobody(health: Health) -> None:
	for _ in range(6):
		health.succeeded(FIRST)
	for _ in range(5):
		health.failed(FIRST, error("unavailable"))
	assert names(health) == ["first", "second"]


def test_failures_that_are_older_than_a_minute_do_not_count(health: Health, clock: Clock) -> None:
	for _ in range(4):
		health.failed(FIRST, error("unavailable"))
	clock.now += 70
	health.failed(FIRST, error("unavailable"))
	assert names(health) == ["first", "second"]


def test_a_provider_that_hangs_twice_rests(health: Health) -> None:
	health.failed(FIRST, error("first_token"))
	assert names(health) == ["first", "second"]
	health.failed(FIRST, error("first_token"))
	assert names(health) == ["second", "first"]


def test_the_third_chat_that_waits_longer_than_usual_doubts_a_provider_until_it_answers(
	health: Health, clock: Clock
) -> None:
	assert [health.silent(FIRST, "m") for _ in range(3)] == [False, False, True]
	assert not health.silent(FIRST, "another model")
	assert not health.silent(SECOND, "m")
	health.succeeded(FIRST, "m")
	assert [health.silent(FIRST, "m") for _ in range(2)] == [False, False]
	clock.now += 61
	assert not health.silent(FIRST, "m")


def test_a_slow_provider_may_be_silent_for_twice_its_usual_time(health: Health, clock: Clock) -> None:
	def silence_s(model: str = "m") -> float:
		return health.standing(BOTH, models={"first": model, "second": model}).silence_s(FIRST)

	assert silence_s() == SILENCE_S
	health.succeeded(FIRST, "m", 30.0)
	assert (silence_s(), silence_s("another model")) == (60.0, SILENCE_S)
	# One fast answer tells nothing of a model that thinks about the next question.
	health.succeeded(FIRST, "m", 0.3)
	assert silence_s() == 60.0
	health.succeeded(FIRST, "m", 5.0)
	assert silence_s() == 54.0
	clock.now += 3601
	assert silence_s() == SILENCE_S


def test_a_refusal_of_the_question_is_no_failure_of_the_provider(health: Health) -> None:
	for _ in range(9):
		health.failed(FIRST, error("too_long"))
	assert names(health) == ["first", "second"]


def test_where_all_rest_they_are_asked_in_their_order(health: Health) -> None:
	for provider in BOTH:
		health.failed(provider, error("rate_limited", 40))
	assert names(health) == ["first", "second"]


def test_weights_share_the_tasks_and_a_task_stays() -> None:
	keys = [replace(FIRST, key_label=label, weight=weight) for label, weight in (("a", 3), ("b", 1))]
	first = Counter(by_weight(keys, f"task {n}")[0].key_label for n in range(2000))
	assert 0.7 < first["a"] / 2000 < 0.8
	assert {by_weight(keys, "one task")[0].key_label for _ in range(20)} == {
		by_weight(keys[::-1], "one task")[0].key_label
	}


def test_the_state_of_a_process_does_not_grow_with_time(clock: Clock) -> None:
	state = LocalState()
	health = Health(state)
	for _ in range(3 * MAX_LOCAL):
		health.succeeded(FIRST)
		clock.now += 10
	assert len(state._values) <= MAX_LOCAL


@pytest.mark.parametrize(("kind", "first"), [("rate_limited", "first"), ("first_token", "second")])
def test_who_is_named_is_asked_first_unless_it_did_not_answer_in_time(
	health: Health, kind: str, first: str
) -> None:
	for _ in range(2):
		health.failed(FIRST, error(kind, 40))
	assert health.standing(BOTH, {"first"}).order[0].name == first
	assert names(health) == ["second", "first"]


def test_of_who_is_named_the_keys_that_rest_come_after_its_others(health: Health) -> None:
	keys = [replace(FIRST, key_label="a", api_key="sk-a"), replace(FIRST, key_label="b", api_key="sk-b")]
	health.failed(keys[0], error("rate_limited", 40))
	order = health.standing([*keys, SECOND], {"first"}).order
	assert [(provider.name, provider.key_label) for provider in order] == [
		("first", "b"),
		("first", "a"),
		("second", ""),
	]


def test_a_key_that_is_refused_for_one_model_rests_for_that_model(health: Health, clock: Clock) -> None:
	forbidden = ProviderError("refused_key", provider="first", model="large", status=403)
	health.failed(FIRST, forbidden)

	def asked_first(model: str) -> str:
		return health.standing(BOTH, models={"first": model, "second": model}).order[0].name

	clock.now += 86_400
	assert (asked_first("large"), asked_first("small")) == ("second", "first")
	assert health.rests(BOTH)["first", ""].kind == "refused_key"
	health.succeeded(FIRST, "small")
	assert asked_first("large") == "second"
	edited = replace(FIRST, api_key="another")
	assert health.standing([edited, SECOND], models={"first": "large"}).order[0] == edited
	health.succeeded(FIRST, "large")
	assert asked_first("large") == "first" and not health.rests(BOTH)


class Recording(LocalState):
	"""A state that counts how often it is read and written."""

	def __init__(self) -> None:
		super().__init__()
		self.reads = self.writes = 0

	def get(self, names: Sequence[str]) -> Mapping[str, str]:
		self.reads += 1
		return super().get(names)

	def add(self, name: str, seconds: float, without: Sequence[str] = ()) -> int:
		self.writes += 1
		return super().add(name, seconds, without)


def test_before_the_first_chunk_the_state_is_read_once_and_not_written(server: ScriptedProvider) -> None:
	state = Recording()
	providers = [family(server, "openai"), replace(family(server, "openai"), name="other", priority=2)]
	gateway = Gateway(providers, health=Health(state), hedge_s=20)
	stream = gateway.stream_generate(scripted([{"text": "Hi"}, {"text": " there"}]))
	next(chunk for chunk in stream if not isinstance(chunk, Tick))
	assert (state.reads, state.writes) == (1, 0)
	# A caller that wants no other chunk tells the same of the provider.
	stream.close()  # type: ignore[attr-defined]
	assert (state.reads, state.writes) == (1, 1)


def test_the_state_is_not_read_for_the_only_provider_and_key(server: ScriptedProvider) -> None:
	state = Recording()
	gateway = Gateway([family(server, "openai")], health=Health(state))
	*_others, completion = gateway.stream_generate(scripted([{"text": "Hi"}]))
	assert isinstance(completion, Completion)
	assert (state.reads, state.writes) == (0, 1)
