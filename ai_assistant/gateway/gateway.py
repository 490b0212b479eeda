"""Asks the providers of a site in order until one answers, and yields chunks, whose types are the same for all providers."""

import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

from . import attempt, hedging, models, retries, tracing
from .attempt import AttemptFailed, Run
from .bridge import Cancel
from .chunks import Ask, Attempt, Chunk, Completion, Detached, Fallback, Provider, Tick
from .errors import ProviderError
from .health import Health, LocalState, Standing, by_weight, with_each_key
from .hedging import Hedge, Race
from .preparation import Prepared, prepare
from .retries import Candidate
from .timing import Pacing, Timeouts
from .usage import Usage, estimated_tokens

# How long a provider that is tried again after a rest may be silent before the next one is asked as well.
PROBE_HEDGE_S = 1.0
# The API whose providers run answers by themselves.
DETACHING = "openai_responses"


class Gateway:
	"""The providers of a site. It does not import Frappe, and any thread of any program can use it.

	>>> gateway = Gateway(
	...     [Provider("local", "openai", "none", "smollm2", api_base="http://127.0.0.1:8080/v1")]
	... )
	>>> for chunk in gateway.stream_generate([{"role": "user", "content": "Hi"}]):
	...     print(chunk)

	Args:
		providers: in any order. They are asked by their `priority`, and by name where that is equal.
		timeouts: how long a provider may be silent, and how long all of them may take.
		max_chars: the most characters of an answer: reasoning, text and tool calls together. A longer answer is cut, its
			finish_reason is `length`, and the provider's connection is closed.
		health: which providers and keys rest. By default this gateway has a health of its own.
		retries: how often a question is asked again after all providers have failed before their first chunk.
		task: questions of the same task go to the same provider and key, if weights allow several.
		hedge_s: how many seconds the first provider may be silent before the second is asked as well; 0 for ever.
		last_key: the label of the key that answered the task last. The first provider is asked with it first.
	"""

	def __init__(
		self,
		providers: Sequence[Provider],
		timeouts: Timeouts | None = None,
		max_chars: int = sys.maxsize,
		health: Health | None = None,
		retries: int = 2,
		task: str = "",
		last_key: str = "",
		hedge_s: float = 0,
	) -> None:
		self.providers = sorted(
			by_weight(providers, task),
			key=lambda provider: (provider.priority, provider.name if provider.weight is None else ""),
		)
		self.timeouts = timeouts or Timeouts()
		self.max_chars = max_chars
		self.health = health or Health(LocalState())
		self.retries = retries
		self.task = task
		self.last_key = last_key
		self.hedge_s = hedge_s

	def stream_generate(
		self,
		messages: list[dict[str, Any]],
		preferred_provider: str | None = None,
		model: str | None = None,
		temperature: float | None = None,
		max_tokens: int | None = None,
		reasoning_effort: str | None = None,
		*,
		cancel: Cancel | None = None,
		pacing: Pacing | None = None,
		**fields: Any,
	) -> Iterator[Chunk]:
		"""Streams the answer to messages: `stream` for a question that is no Ask yet.

		Args:
			messages: as in the OpenAI chat API.
			fields: the other fields of an Ask, as `tools`.
		"""
		ask = Ask(messages, model or "", temperature, max_tokens, reasoning_effort, **fields)
		return self.stream(ask, preferred_provider, cancel, pacing)

	def stream(
		self,
		ask: Ask,
		preferred_provider: str | None = None,
		cancel: Cancel | None = None,
		pacing: Pacing | None = None,
		insists: bool = False,
		trace: tracing.Trace | None = None,
		deadline: float | None = None,
	) -> Iterator[Chunk]:
		"""Streams the answer to a question.

		A provider that fails before its first chunk is followed by the next in order: first by its next key if the key is
		what failed. After its first chunk the failure ends the answer. If all have failed, those that may succeed later
		are asked again, at most `retries` times. Providers and keys that rest are asked last.

		Args:
			ask: the question. The first provider in order that allows its model is asked for it; all others are asked for
				their default model.
			preferred_provider: the name of the provider that is asked first.
			cancel: stops the stream from any thread when it is called. The stream then ends with a Completion whose
				finish_reason is `cancelled`. Closing the generator stops it too.
			pacing: when the caller wants its turn.
			insists: whether the client itself asks for this provider or model. See `named` of `Health.standing`.
			trace: the span of the request, whose children the attempts are.
			deadline: when the answer must be complete, by `time.monotonic()`; None for `timeouts.total_s` from now.

		Returns: a generator that ends with one Completion.

		Raises ProviderError, after all chunks that the provider had sent.
		"""
		standing, waiting = self._candidates(preferred_provider, ask.model, insists)
		if one := ask.attach_to:
			# No other provider and no other key has this answer.
			of_answer = (one.provider, one.key)
			waiting = [
				(provider, one.model)
				for provider, _ in waiting
				if (provider.name, provider.key_label) == of_answer and provider.api == DETACHING
			]
			if not waiting:
				raise ProviderError("no_answer", provider=one.provider, model=one.model)
		if deadline is None:
			deadline = time.monotonic() + self.timeouts.total_s
		run = Run(cancel or Cancel(), pacing or Pacing(), self.timeouts, deadline, self.max_chars, trace)
		attempts: list[Attempt] = []
		errors: list[ProviderError] = []
		again: list[tuple[Candidate, ProviderError]] = []
		retried = 0
		while True:
			provider, model = waiting.pop(0)
			question = ask if ask.model == model else replace(ask, model=model)
			hedge = None if attempts or ask.detached else self._hedge(provider, question, waiting, standing)
			try:
				yield from self._fitting(provider, question, run, attempts, hedge)
				return
			except AttemptFailed as failed:
				error, is_final = failed.error, failed.is_final
				for asked, its_error in failed.failures:
					errors.append(its_error)
					attempts.append(asked.failed(its_error))
					if retries.may_succeed_later(its_error):
						again.append(((asked.provider, asked.ask.model), its_error))
					waiting = retries.without(waiting, asked.provider, its_error)
				if failed.race.has_first_lost and not failed.race.is_judged:
					# It was hung up on, and has not failed.
					waiting.append((provider, model))
			if is_final:
				break
			if not waiting and again and retried < self.retries:
				candidate, its_error = again[0]
				seconds = retries.wait_s(retried, its_error)
				retried += 1
				if time.monotonic() + seconds < deadline:
					yield from attempt.wait(seconds, run)
					waiting, again = [candidate], []
			if not waiting:
				break
			if waiting[0][0].name != attempts[-1].provider:
				yield Fallback(attempts[-1], waiting[0][0].name, waiting[0][1])
		if not is_final:
			# If all providers failed, the first error counts, because its provider was meant to answer.
			error = errors[0]
		error.attempts = tuple(attempts)
		raise error

	def _fitting(
		self, provider: Provider, ask: Ask, run: Run, attempts: Sequence[Attempt], hedge: Hedge | None
	) -> Iterator[Chunk]:
		"""Yields the answer of one provider to as much of the question as it accepts. Raises AttemptFailed."""
		questions = prepare(provider, ask)
		prepared: Prepared | None = next(questions)
		others: list[tuple[Prepared, ProviderError]] = []
		while prepared:
			try:
				earlier = [*attempts, *(one.failed(error) for one, error in others)]
				yield from self._attempt(prepared, run, earlier, hedge)
				return
			except AttemptFailed as failed:
				is_own = failed.race.winner in (None, prepared)
				is_too_long = is_own and failed.error.code == "context_too_long"
				prepared, hedge = next(questions, None), None
				if not is_too_long or failed.is_final or not prepared:
					failed.failures += others
					raise
				# Only the first provider is asked the shorter question.
				others += [one for one in failed.failures if one[0] is not failed.race.first]

	def _attempt(
		self, prepared: Prepared, run: Run, attempts: Sequence[Attempt], hedge: Hedge | None
	) -> Iterator[Chunk]:
		"""Yields the answer of one provider, and records whether it has begun to answer. Raises AttemptFailed."""
		race, began = Race(prepared, hedge), time.monotonic()
		span = tracing.begin_attempt(prepared.provider, prepared.ask, run.trace)
		first_s = 0.0
		has_begun = is_recorded = False
		failure: AttemptFailed | None = None
		try:
			for chunk in attempt.chunks_of(race, run, span):
				prepared = race.winner or prepared
				if span:
					span.saw(chunk)
				if isinstance(chunk, Completion):
					chunk = race.completed(chunk, attempts)
				if not has_begun and not (isinstance(chunk, Tick | Detached) or run.cancel.requested):
					has_begun, first_s = True, time.monotonic() - began
				yield chunk
				if has_begun and not is_recorded:
					# The first chunk does not wait for Redis.
					is_recorded = True
					self._record_success(prepared, race, first_s)
		except AttemptFailed as failed:
			failure = failed
			if span:
				span.failed(failed.error)
			raise
		finally:
			# The span does not include the time in which the health asks Redis.
			if span:
				span.end()
			if has_begun and not is_recorded:
				self._record_success(prepared, race, first_s)
			elif not has_begun:
				# Without a failure, a cancel came before anything else.
				self._record_failures(race, failure.failures if failure else race.failures())

	def _record_success(self, prepared: Prepared, race: Race, first_s: float) -> None:
		"""Records that a provider has begun to answer, and how the other one of a race has fared."""
		first = race.first
		self.health.succeeded(prepared.provider, prepared.ask.model, first_s if prepared is first else 0.0)
		for failed, error in race.failures():
			self.health.failed(failed.provider, error)
		if race.hedge and race.has_first_lost and not race.is_judged:
			self.health.failed(first.provider, hedging.first_token(first, race.hedge.after_s or 0))

	def _record_failures(self, race: Race, failures: Sequence[tuple[Prepared, ProviderError]]) -> None:
		"""Records who has failed before any content of an answer has come."""
		for failed, error in failures:
			self.health.failed(failed.provider, error)
		is_listened_to = race.is_judged and race.has_first_lost
		if not is_listened_to and race.first not in [failed for failed, _error in failures]:
			self.health.undecided(race.first.provider)

	def _hedge(
		self, first: Provider, ask: Ask, waiting: Sequence[Candidate], standing: Standing
	) -> Hedge | None:
		"""Returns when a second provider is asked if the first is silent; None if there is no other."""
		others = [
			(other, model)
			for other, model in waiting
			if other.name != first.name and not standing.is_resting(other)
		]
		if not others:
			return None
		is_probe, began = standing.is_probe(first), time.monotonic()

		def second() -> Prepared | None:
			questions = (next(prepare(other, replace(ask, model=model))) for other, model in others)
			return next((one for one in questions if not one.refusal()), None)

		def judge(error: ProviderError | None) -> None:
			if error:
				self.health.failed(first, error)
			else:
				self.health.succeeded(first, ask.model, time.monotonic() - began)

		return Hedge(
			second,
			PROBE_HEDGE_S if is_probe else self.hedge_s or None,
			standing.silence_s(first),
			partial(self.health.silent, first, ask.model),
			is_probe,
			self.timeouts.first_token_s,
			judge,
		)

	def _having(self, provider: str | None, model: str) -> frozenset[str]:
		"""Returns the names of the providers that have what is asked for."""
		if provider:
			return frozenset((provider,))
		return frozenset(one.name for one in self.providers if model and one.allows(model))

	def _candidates(
		self, preferred_provider: str | None, model: str, insists: bool
	) -> tuple[Standing, list[Candidate]]:
		"""Returns the standing of the providers, and the candidates in the order in which they are asked, each with one key and
		its model."""
		route = self.route(preferred_provider, model)
		models_of = {provider.name: model for provider, model in route}
		with_keys = [
			variant for provider, _model in route for variant in by_weight(with_each_key(provider), self.task)
		]
		if len(with_keys) == 1:
			# It is asked in any case, so what is known of it does not matter.
			return Standing(with_keys, {}, (), {}), [(with_keys[0], models_of[with_keys[0].name])]
		first = (route[0][0].name, self.last_key)
		with_keys.sort(key=lambda variant: (variant.name, variant.key_label) != first)
		named = self._having(preferred_provider, model) if insists else frozenset[str]()
		standing = self.health.standing(with_keys, named, models_of)
		return standing, [(provider, models_of[provider.name]) for provider in standing.order]

	def route(self, preferred_provider: str | None, model: str | None) -> list[tuple[Provider, str]]:
		"""Returns which provider is asked for which model, in order.

		Raises ProviderError `not_configured` if there is no provider.
		"""
		if not self.providers:
			raise ProviderError("none")
		order = sorted(self.providers, key=lambda provider: provider.name != preferred_provider)
		if model and not preferred_provider:
			order.sort(key=lambda provider: not provider.allows(model))
		first = order[0]
		return [(first, model or first.default_model)] + [(p, p.default_model) for p in order[1:]]

	def estimate(
		self, provider: str | None, model: str | None, prompt: int, reasoning: int, text: int
	) -> Usage:
		"""Estimates the tokens of an answer that no provider has counted.

		Args:
			provider: who answered, or who was to be asked; None for the first in order.
			model: the same for the model.
			prompt: the bytes that were sent, in UTF-8.
			reasoning: the bytes of the reasoning.
			text: the bytes of the text and of the tool calls.
		"""
		of_prompt, of_reasoning, of_text = (estimated_tokens(size) for size in (prompt, reasoning, text))
		completion = of_reasoning + of_text
		usage = Usage(of_prompt, completion, of_reasoning, of_prompt + completion, estimated=True)
		return models.priced(usage, *self.route(provider, model)[0]) if self.providers else usage
