"""Prompt caching: the fields of a request that make a provider cache a prompt, and find it later.

Anthropic caches up to a marker, a `cache_control` on a block. A client may set markers of its own, on the parts of a
message's content and on tools; for other providers they are removed. Providers that need no marker recognise
the beginning of a request, if it is the same from round to round.
"""

from dataclasses import replace
from typing import Any

from . import models
from .chunks import Ask, Provider

# The APIs that take a client's markers.
MARKED = frozenset(
	("anthropic", "openrouter", "litellm/anthropic", "litellm/openrouter", "bedrock", "litellm/bedrock")
)
MARKER = "cache_control"


def key_of(provider: Provider, ask: Ask) -> str | None:
	"""Returns the key by which OpenAI sends the requests of a task to the same cache; None if it is not to be sent.

	Other servers with OpenAI's API may refuse an unknown field, so the key is sent only for OpenAI's models.
	"""
	if provider.prompt_cache == "off" or (provider.api_base and not models.entry(provider.api, ask.model)):
		return None
	return ask.cache_key


def without_markers(ask: Ask) -> Ask:
	"""Returns the question without a client's markers."""
	messages = [_unmarked(message) for message in ask.messages]
	tools = ask.tools and [_without(tool) for tool in ask.tools]
	same = messages == ask.messages and tools == ask.tools
	return ask if same else replace(ask, messages=messages, tools=tools)


def _unmarked(message: dict[str, Any]) -> dict[str, Any]:
	content = message.get("content")
	if not isinstance(content, list) or not any(MARKER in part for part in content):
		return message
	if message["role"] in ("system", "tool"):
		# For these roles many models accept a text and no list of parts.
		return {**message, "content": "\n\n".join(part["text"] for part in content)}
	return {**message, "content": [_without(part) for part in content]}


def _without(part: dict[str, Any]) -> dict[str, Any]:
	return {name: value for name, value in part.items() if name != MARKER} if MARKER in part else part
