"""Counts the tokens of an answer of OpenAI's Responses API."""

from typing import Any

from .. import models
from ..chunks import Provider
from ..usage import Usage, estimated_tokens, tokens


def usage_of(end: dict[str, Any], thought_bytes: int, provider: Provider, model: str) -> Usage | None:
	"""Returns the tokens of an answer: the prompt's with those of the cache, the completion's with the reasoning."""
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
	usage = Usage(
		prompt_tokens=prompt,
		completion_tokens=completion,
		reasoning_tokens=min(completion, reasoning),
		total_tokens=tokens(prompt + completion),
		cached_tokens=cached,
		cache_write_tokens=written,
	)
	return models.priced(usage, provider, model, service_tier=end.get("service_tier"))
