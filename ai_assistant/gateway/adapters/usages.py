"""Reads the tokens of an answer, in the form in which each API counts them."""

from collections.abc import Iterable
from dataclasses import replace
from typing import Any

from .. import models
from ..chunks import Provider
from ..usage import Usage, estimated_tokens, tokens

Counts = dict[str, Any]


def usage_in(chunk: dict[str, Any]) -> Counts | None:
	"""Returns the counts in a chunk of a chat completion."""
	# Groq's is in a field of its own; Moonshot's in a choice.
	of_groq = chunk.get("x_groq")
	return counts_in(chunk) or (counts_in(of_groq) if of_groq else None)


def counts_in(place: dict[str, Any]) -> Counts | None:
	usage = place.get("usage")
	return usage if isinstance(usage, dict) else None


def usage_of_chat(
	counts: Counts | None, provider: Provider, model: str, service_tier: str | None
) -> Usage | None:
	"""Returns the tokens of a chat completion, in the shapes of OpenAI, DeepSeek, Moonshot, Groq, OpenRouter and Perplexity.

	Some servers (xAI, Perplexity, Gemini's) count the reasoning apart from the completion. It is recognised by the total, or
	by more tokens of reasoning than of the completion.
	"""
	if counts is None:
		return None

	own = _numbers(counts)
	of_prompt = _numbers(counts.get("prompt_tokens_details"))
	of_completion = _numbers(counts.get("completion_tokens_details"))
	prompt, completion = own.get("prompt_tokens", 0), own.get("completion_tokens", 0)
	total = own.get("total_tokens", 0)
	reasoning = of_completion.get("reasoning_tokens") or own.get("reasoning_tokens", 0)
	cached = (
		of_prompt.get("cached_tokens")
		or own.get("prompt_cache_hit_tokens")
		or own.get("cached_tokens")
		or own.get("cache_read_input_tokens", 0)
	)
	written = (
		of_prompt.get("cache_write_tokens")
		or of_prompt.get("cache_creation_tokens")
		or own.get("cache_creation_input_tokens", 0)
	)
	if cached + written > prompt:
		# Azure counts the cached tokens of xAI's models apart.
		prompt = tokens(prompt + cached + written)
	apart = total - prompt - completion if prompt and completion else 0
	if apart > 0 and apart == of_prompt.get("audio_tokens"):
		# Mistral counts the audio of a prompt apart.
		prompt = tokens(prompt + apart)
	elif reasoning > completion:
		completion = tokens(completion + reasoning)
	elif apart > 0 and reasoning in (0, apart):
		completion, reasoning = tokens(completion + apart), apart
	usage = _usage(prompt, completion, reasoning, cached, written, total)
	charged = _charged_usd(counts)
	if charged is not None and provider.price(model) is None:
		return replace(usage, cost_usd=charged)
	return models.priced(usage, provider, model, service_tier=service_tier)


def _charged_usd(counts: Counts) -> float | None:
	"""Returns the provider's own charge: OpenRouter's `cost`, Perplexity's in it, xAI's in units of 1e-10 US dollars.

	Where OpenRouter uses the site's own key of a provider, its `cost` is its fee, and the provider's price is beside it.
	"""
	cost, ticks = counts.get("cost"), counts.get("cost_in_usd_ticks")
	if isinstance(cost, dict):
		cost = cost.get("total_cost")
	elif counts.get("is_byok") and isinstance(cost, int | float):
		cost += _object(counts.get("cost_details")).get("upstream_inference_cost") or 0
	if isinstance(cost, int | float) and cost >= 0:
		return float(cost)
	# Azure sends 0 for xAI's models, and charges for them.
	return ticks / 10**10 if isinstance(ticks, int) and ticks > 0 else None


def usage_of_response(
	end: dict[str, Any], thought_bytes: int, provider: Provider, model: str
) -> Usage | None:
	"""Returns the tokens of a response of OpenAI's Responses.

	Args:
		end: the response at its end.
		thought_bytes: the bytes of the reasoning, whose tokens are estimated if they are not counted.
	"""
	counts = end.get("usage")
	if not counts:
		return None

	def within(name: str, detail: str) -> int:
		return tokens((counts.get(name) or {}).get(detail))

	cached = within("input_tokens_details", "cached_tokens")
	written = within("input_tokens_details", "cache_write_tokens")
	prompt, completion = tokens(counts.get("input_tokens")), tokens(counts.get("output_tokens"))
	if cached + written > prompt:
		# xAI counts them apart at times.
		prompt = tokens(prompt + cached + written)
	reasoning = within("output_tokens_details", "reasoning_tokens")
	if not counts.get("output_tokens_details"):
		reasoning = estimated_tokens(thought_bytes)
	usage = _usage(prompt, completion, min(completion, reasoning), cached, written)
	return models.priced(usage, provider, model, service_tier=end.get("service_tier"))


def usage_of_messages(
	counts_of_each: Iterable[Counts], thought_bytes: int, provider: Provider, model: str
) -> Usage | None:
	"""Returns the tokens of a message of Anthropic's, and of those that continue it, together."""
	total: Usage | None = None
	for counts in counts_of_each:
		if not counts:
			continue
		# The estimate is for all of them, so it is added once.
		usage = _usage_of_message(counts, thought_bytes if total is None else 0, provider, model)
		total = usage if total is None else total + usage
	return total


def _usage_of_message(counts: Counts, thought_bytes: int, provider: Provider, model: str) -> Usage:
	"""Returns the tokens of one message. The API counts those of its cache, read and written, separately."""
	own, by_age = _numbers(counts), _numbers(counts.get("cache_creation"))
	hour = by_age.get("ephemeral_1h_input_tokens", 0)
	cached = own.get("cache_read_input_tokens", 0)
	written = max(
		own.get("cache_creation_input_tokens", 0),
		tokens(by_age.get("ephemeral_5m_input_tokens", 0) + hour),
	)
	prompt = tokens(own.get("input_tokens", 0) + cached + written)
	completion = own.get("output_tokens", 0)
	iterations = counts.get("iterations")
	for entry in iterations if isinstance(iterations, list) else ():
		iteration = _object(entry)
		# The totals leave out the summaries that the API made of the conversation.
		if iteration.get("type") == "compaction":
			prompt = tokens(prompt + tokens(iteration.get("input_tokens")))
			completion = tokens(completion + tokens(iteration.get("output_tokens")))
	thought = _object(counts.get("output_tokens_details")).get("thinking_tokens")
	reasoning = estimated_tokens(thought_bytes) if thought is None else tokens(thought)
	usage = _usage(prompt, completion, min(completion, reasoning), cached, written)
	return models.priced(usage, provider, model, hour, counts.get("service_tier"))


def usage_of_gemini(counts: Counts, provider: Provider, model: str) -> Usage | None:
	"""Returns the tokens of an answer of Gemini. The API counts thoughts and the results of tools separately.

	A server that counts the thoughts within the answer says so by its total.
	"""
	if not counts:
		return None

	def count(name: str) -> int:
		return tokens(counts.get(name))

	prompt = tokens(count("promptTokenCount") + count("toolUsePromptTokenCount"))
	answer, thoughts = count("candidatesTokenCount"), count("thoughtsTokenCount")
	within = thoughts <= answer and count("totalTokenCount") == prompt + answer
	completion = answer if within else tokens(answer + thoughts)
	usage = _usage(prompt, completion, thoughts, min(prompt, count("cachedContentTokenCount")))
	# Vertex AI names the tier as a type of traffic.
	named = str(counts.get("serviceTier") or counts.get("trafficType") or "").lower()
	service_tier = next((tier for tier in ("flex", "priority") if tier in named), None)
	return models.priced(usage, provider, model, service_tier=service_tier)


def usage_of_ollama(counts: Counts, thought_bytes: int, provider: Provider, model: str) -> Usage | None:
	"""Returns the tokens of an answer of Ollama. The API does not count those of the thinking, so they are estimated."""
	if "prompt_eval_count" not in counts and "eval_count" not in counts:
		return None
	prompt, completion = tokens(counts.get("prompt_eval_count")), tokens(counts.get("eval_count"))
	reasoning = min(completion, estimated_tokens(thought_bytes))
	return models.priced(_usage(prompt, completion, reasoning), provider, model)


def _usage(
	prompt: int, completion: int, reasoning: int, cached: int = 0, written: int = 0, total: int = 0
) -> Usage:
	return Usage(
		prompt_tokens=prompt,
		completion_tokens=completion,
		reasoning_tokens=reasoning,
		total_tokens=max(total, tokens(prompt + completion)),
		cached_tokens=cached,
		cache_write_tokens=written,
	)


def _numbers(value: Any) -> dict[str, int]:
	"""Returns the counts in an object that are not 0."""
	return {name: number for name, count in _object(value).items() if (number := tokens(count))}


def _object(value: Any) -> dict[str, Any]:
	"""Returns the value if it is an object, else an empty one: some servers send null or a list in its place."""
	return value if isinstance(value, dict) else {}
