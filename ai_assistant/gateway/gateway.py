"""Asks the providers of a site in order, and yields one stream of typed chunks whichever of them answers."""

import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

from . import attempt, caching, models
from .attempt import AttemptFailed, Run
from .bridge import Cancel
from .chunks import Ask, Attempt, Chunk, Completion, Fallback, Pacing, Provider, Timeouts
from .efforts import nearest
from .errors import ProviderError
from .usage import Usage, estimated_tokens


class Gateway:
	"""The providers of a site. It knows no Frappe, and any thread of any program can use it.

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
	"""

	def __init__(
		self, providers: Sequence[Provider], timeouts: Timeouts | None = None, max_chars: int = sys.maxsize
	) -> None:
		self.providers = sorted(providers, key=lambda provider: (provider.priority, provider.name))
		self.timeouts = timeouts or Timeouts()
		self.max_chars = max_chars

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
	) -> Iterator[Chunk]:
		"""Streams the answer to a question.

		A provider that fails before its first chunk is followed by the next in order. After its first chunk the failure
		ends the answer.

		Args:
			ask: the question. The first provider in order that allows its model is asked for it; all others are asked for
				their default model.
			preferred_provider: the name of the provider that is asked first.
			cancel: stops the stream from any thread when it is called. The stream then ends with a Completion whose
				finish_reason is `cancelled`. Closing the generator stops it too.
			pacing: when the caller wants its turn.

		Returns: a generator that ends with one Completion.

		Raises ProviderError, after all chunks that the provider had sent.
		"""
		route = self.route(preferred_provider, ask.model)
		deadline = time.monotonic() + self.timeouts.total_s
		run = Run(cancel or Cancel(), pacing or Pacing(), self.timeouts, deadline, self.max_chars)
		attempts: list[Attempt] = []
		errors: list[ProviderError] = []
		is_final = False
		for n, (provider, model) in enumerate(route):
			try:
				effort = ask.reasoning_effort and nearest(ask.reasoning_effort, provider.api, model)
				question = replace(ask, model=model, reasoning_effort=effort)
				if provider.api not in caching.MARKED:
					question = caching.without_markers(question)
				for chunk in attempt.chunks_of(provider, question, run):
					if isinstance(chunk, Completion):
						replaced = effort if effort != ask.reasoning_effort else None
						chunk = replace(chunk, attempts=tuple(attempts), effort=replaced)
					yield chunk
				return
			except AttemptFailed as failed:
				errors.append(failed.error)
				attempts.append(Attempt(provider.name, model, failed.error.code))
				is_final = failed.is_final
			if is_final:
				break
			if n + 1 < len(route):
				yield Fallback(attempts[-1], route[n + 1][0].name, route[n + 1][1])
		# If all failed, the error is that of the first provider, which was meant to answer. A final failure is the last.
		error = errors[-1] if is_final else errors[0]
		error.attempts = tuple(attempts)
		raise error

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
		prompt_tokens, reasoning_tokens, text_tokens = (
			estimated_tokens(size) for size in (prompt, reasoning, text)
		)
		usage = Usage(
			prompt_tokens,
			reasoning_tokens + text_tokens,
			reasoning_tokens,
			prompt_tokens + reasoning_tokens + text_tokens,
			estimated=True,
		)
		return models.priced(usage, *self.route(provider, model)[0]) if self.providers else usage
