"""Prepares a question for one provider."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import chain, islice

from . import caching, compaction, efforts, freeform, models, trimming
from .chunks import Ask, Attempt, Provider, Trimmed
from .errors import ProviderError
from .usage import estimated_tokens

# The APIs that accept no documents, and those that accept no audio.
LACK_DOCUMENTS = frozenset(("ollama", "ollama_chat"))
LACK_AUDIO = LACK_DOCUMENTS | {"anthropic", "openai_responses"}
# An estimate may be too high by this factor, for example for text that repeats itself.
ESTIMATE_MARGIN = 1.25

# How often a question that a provider refuses as too long is shortened further.
MAX_TRIMS = 4


@dataclass(frozen=True, slots=True)
class Prepared:
	"""A question for one provider, and how it differs from the question of the client.

	Args:
		ask: the question as the provider's adapter takes it.
		trimmed: what was left out of it.
		effort: the `reasoning_effort` in the place of one that the model does not take.
	"""

	provider: Provider
	ask: Ask
	trimmed: Trimmed | None = None
	effort: str | None = None

	@property
	def names(self) -> dict[str, str]:
		"""The provider and the model, for the sentences of errors."""
		return {"provider": self.provider.name, "model": self.ask.model}

	def refusal(self) -> ProviderError | None:
		"""Returns the error of a question that the model certainly refuses. It is not sent."""
		ask = self.ask
		if ask.tools and models.takes_tools(self.provider, ask.model) is False:
			return ProviderError("no_tools", **self.names)
		if kind := self.refused_part():
			return ProviderError(kind, **self.names)
		window = models.context_window(self.provider, ask.model)
		if window and (tokens := estimated_tokens(ask.prompt_bytes)) > window * ESTIMATE_MARGIN:
			return ProviderError("exceeds_window", tokens=tokens, limit=window, **self.names)
		return None

	def refused_part(self) -> str | None:
		"""Returns the kind of error of a part that the API or the model does not accept; None if there is no such part."""
		api, kinds = self.provider.api, self.ask.part_types
		if "file" in kinds:
			# OpenRouter reads documents itself for models that cannot.
			lacks = api != "openrouter" and models.known(self.provider, self.ask.model).documents is False
			if lacks or api in LACK_DOCUMENTS:
				return "no_documents"
		return "no_audio" if "input_audio" in kinds and api in LACK_AUDIO else None

	def failed(self, error: ProviderError) -> Attempt:
		"""Returns the attempt at this question that failed with an error."""
		return Attempt(self.provider.name, self.ask.model, error.code, self.provider.key_label)


def prepare(provider: Provider, ask: Ask) -> Iterator[Prepared]:
	"""Yields the question for a provider; with `ask.trim` shorter ones after it, for a provider that refuses its length.

	The estimate of the tokens may be too low, or the model's context window unknown.
	"""
	question, replaced = ask, None
	if ask.reasoning_effort:
		taken = efforts.taken(provider.api, ask.model, models.entry(provider.api, ask.model))
		effort = efforts.nearest(ask.reasoning_effort, taken)
		if effort != ask.reasoning_effort:
			question, replaced = replace(ask, reasoning_effort=effort), effort
	if provider.api not in caching.MARKED:
		question = caching.without_markers(question)
	question = freeform.for_provider(provider.api, question)
	compacts = compaction.is_done_by(provider, ask)
	if compacts:
		question = compaction.without_compacted(provider, question)
	if ask.trim is None:
		yield Prepared(provider, question, effort=replaced)
		return
	window = None if compacts else models.context_window(provider, ask.model)
	for size in chain([window], islice(trimming.smaller_windows(question, window), MAX_TRIMS)):
		yield Prepared(provider, *trimming.fit(question, size), effort=replaced)
