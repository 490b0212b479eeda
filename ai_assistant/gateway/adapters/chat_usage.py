"""Reads the usage of a chat completion, in the forms of all servers."""

from dataclasses import replace
from typing import Any

from .. import models
from ..chunks import Provider
from ..usage import Usage, tokens


def usage_in(chunk: dict[str, Any]) -> dict[str, Any] | None:
	# Groq's is in a field of its own; Moonshot's in a choice.
	return counts_in(chunk) or counts_in(chunk.get("x_groq") or {})


def counts_in(place: dict[str, Any]) -> dict[str, Any] | None:
	usage = place.get("usage")
	return usage if isinstance(usage, dict) else None


def usage_of(
	counts: dict[str, Any] | None, provider: Provider, model: str, service_tier: str | None
) -> Usage | None:
	"""Returns the tokens of an answer, in the shapes of OpenAI, DeepSeek, Moonshot, Groq, OpenRouter and Perplexity.

	Some servers (xAI, Perplexity, Gemini's) count the reasoning apart from the completion. It is recognised by the total, or
	by more tokens of reasoning than of the completion.
	"""
	if counts is None:
		return None

	def count(*names: str, within: str | None = None) -> int:
		place = counts if within is None else counts.get(within)
		numbers = (tokens(place.get(name)) for name in names) if isinstance(place, dict) else ()
		return next((number for number in numbers if number), 0)

	prompt, completion, total = count("prompt_tokens"), count("completion_tokens"), count("total_tokens")
	reasoning = count("reasoning_tokens", within="completion_tokens_details") or count("reasoning_tokens")
	cached = count("cached_tokens", within="prompt_tokens_details")
	cached = cached or count("prompt_cache_hit_tokens", "cached_tokens", "cache_read_input_tokens")
	written = count("cache_write_tokens", "cache_creation_tokens", within="prompt_tokens_details")
	written = written or count("cache_creation_input_tokens")
	if cached + written > prompt:
		# Azure counts the cached tokens of xAI's models apart.
		prompt = tokens(prompt + cached + written)
	apart = total - prompt - completion if prompt and completion else 0
	if apart > 0 and apart == count("audio_tokens", within="prompt_tokens_details"):
		# Mistral counts the audio of a prompt apart.
		prompt = tokens(prompt + apart)
	elif reasoning > completion:
		completion = tokens(completion + reasoning)
	elif apart > 0 and reasoning in (0, apart):
		completion, reasoning = tokens(completion + apart), apart
	usage = Usage(
		prompt_tokens=prompt,
		completion_tokens=completion,
		reasoning_tokens=reasoning,
		total_tokens=max(total, tokens(prompt + completion)),
		cached_tokens=cached,
		cache_write_tokens=written,
	)
	charged = _charged_usd(counts)
	if charged is not None and provider.price(model) is None:
		return replace(usage, cost_usd=charged)
	return models.priced(usage, provider, model, service_tier=service_tier)


def _charged_usd(counts: dict[str, Any]) -> float | None:
	"""Returns the provider's own charge: OpenRouter's `cost`, Perplexity's in it, xAI's in units of 1e-10 US dollars.

	Where OpenRouter uses the site's own key of a provider, its `cost` is its fee, and the provider's price is beside it.
	"""
	cost, ticks = counts.get("cost"), counts.get("cost_in_usd_ticks")
	details = counts.get("cost_details")
	if isinstance(cost, dict):
		cost = cost.get("total_cost")
	elif counts.get("is_byok") and isinstance(details, dict) and isinstance(cost, int | float):
		cost += details.get("upstream_inference_cost") or 0
	if isinstance(cost, int | float) and cost >= 0:
		return float(cost)
	# Azure sends 0 for xAI's models, and charges for them.
	return ticks / 10**10 if isinstance(ticks, int) and ticks > 0 else None
