"""Tests which provider the gateway asks, and what it tells of failures and usage."""

import json
import subprocess
import sys
import traceback
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest

from ai_assistant.gateway import (
	Attempt,
	Fallback,
	Gateway,
	Price,
	Provider,
	ProviderError,
	Reasoning,
	Text,
	Usage,
)
from tests.support.provider import ScriptedProvider
from tests.support.wire import Step

from .asking import ADAPTERS, KEY, MODELS, Listener, family, gateway, hear, scripted
from .attempts import BROKEN, attempts_of, named

EVERY_ADAPTER = pytest.mark.parametrize("api", ADAPTERS)


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
