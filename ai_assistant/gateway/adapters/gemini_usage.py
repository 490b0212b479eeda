"""Counts the tokens of an answer of Gemini's."""

from typing import Any

from .. import models
from ..chunks import Provider
from ..usage import Usage, tokens


def usage_of(counts: dict[str, Any], provider: Provider, model: str) -> Usage | None:
	"""Returns the tokens of an answer. The API counts thoughts and the results of tools separately.

	A server that counts the thoughts within the answer says so by its total.
	"""
	if not counts:
		return None
	prompt, tool_results, cached, answer, thoughts, total = (
		tokens(counts.get(name))
		for name in (
			"promptTokenCount",
			"toolUsePromptTokenCount",
			"cachedContentTokenCount",
			"candidatesTokenCount",
			"thoughtsTokenCount",
			"totalTokenCount",
		)
	)
	sent = tokens(prompt + tool_results)
	within = thoughts <= answer and total == sent + answer
	completion = answer if within else tokens(answer + thoughts)
	usage = Usage(
		prompt_tokens=sent,
		completion_tokens=completion,
		reasoning_tokens=thoughts,
		total_tokens=tokens(sent + completion),
		cached_tokens=min(cached, sent),
	)
	return models.priced(usage, provider, model, service_tier=_service_tier(counts))


def _service_tier(counts: dict[str, Any]) -> str | None:
	"""Returns `flex` or `priority` if the answer is charged as such; Vertex AI names it as a type of traffic."""
	named = str(counts.get("serviceTier") or counts.get("trafficType") or "").lower()
	return next((tier for tier in ("flex", "priority") if tier in named), None)
