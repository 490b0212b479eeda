"""Counts the tokens of an answer of Anthropic's."""

from typing import Any

from .. import models
from ..chunks import Provider
from ..usage import Usage, estimated_tokens, tokens
from .anthropic_stream import Message


def usage_of(message: Message, provider: Provider, model: str) -> Usage | None:
	"""Counts the tokens of a message and of those that it continues."""
	rounds = [counts for counts in (*message.earlier, message.usage) if counts]
	if not rounds:
		return None
	total: Usage | None = None
	for counts in rounds:
		# The estimate is for all rounds, so it is added once.
		estimate = estimated_tokens(message.thought_bytes) if total is None else 0
		usage = _usage(counts, estimate, provider, model)
		total = usage if total is None else total + usage
	return total


def _usage(counts: dict[str, Any], estimate: int, provider: Provider, model: str) -> Usage:
	"""Returns the tokens of one message. The API counts those of its cache, read and written, separately."""
	cached = tokens(counts.get("cache_read_input_tokens"))
	by_age = counts.get("cache_creation")
	five_minutes, hour = (
		tokens(by_age.get(f"ephemeral_{age}_input_tokens")) if isinstance(by_age, dict) else 0
		for age in ("5m", "1h")
	)
	written = max(tokens(counts.get("cache_creation_input_tokens")), tokens(five_minutes + hour))
	prompt = tokens(tokens(counts.get("input_tokens")) + cached + written)
	completion = tokens(counts.get("output_tokens"))
	for summary in _compactions(counts):
		prompt = tokens(prompt + tokens(summary.get("input_tokens")))
		completion = tokens(completion + tokens(summary.get("output_tokens")))
	details = counts.get("output_tokens_details")
	thought = details.get("thinking_tokens") if isinstance(details, dict) else None
	usage = Usage(
		prompt_tokens=prompt,
		completion_tokens=completion,
		reasoning_tokens=min(completion, estimate if thought is None else tokens(thought)),
		total_tokens=tokens(prompt + completion),
		cached_tokens=cached,
		cache_write_tokens=written,
	)
	return models.priced(usage, provider, model, hour, counts.get("service_tier"))


def _compactions(counts: dict[str, Any]) -> list[dict[str, Any]]:
	"""Returns the counts of the summaries that the API made of the conversation, which its totals leave out."""
	rounds = counts.get("iterations")
	return [
		entry
		for entry in (rounds if isinstance(rounds, list) else ())
		if isinstance(entry, dict) and entry.get("type") == "compaction"
	]
