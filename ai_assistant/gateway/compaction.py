"""Compaction: a provider replaces the beginning of a long conversation by a summary of its own.

The provider gives the summary with an answer, and wants it back in the place of everything before it. It travels in the
`continuation` of the answer.
Sources: Anthropic's guide "Compaction" (beta `compact-2026-01-12`), and OpenAI's guide "Compaction".
"""

from dataclasses import replace

from . import continuation, models
from .chunks import Ask, Provider

# The name of the summary among the fields of a continuation, and its own fields.
FIELD = "compaction"
BLOCKS = {"compaction": ("id", "content", "encrypted_content")}
# The APIs that compact a conversation if they are asked to.
APIS = frozenset(("anthropic", "openai_responses"))
# The share of the window at which a conversation is compacted.
FULL = 0.75


def is_done_by(provider: Provider, ask: Ask) -> bool:
	"""Whether the provider is asked to compact the conversation. An administrator's own setting has precedence."""
	return ask.compact and provider.api in APIS and "context_management" not in provider.extra


def trigger_tokens(provider: Provider, model: str) -> int | None:
	"""Returns the tokens of a prompt at which it is compacted; None if the model's context window is unknown."""
	window = models.context_window(provider, model)
	return window and round(window * FULL)


def without_compacted(provider: Provider, ask: Ask) -> Ask:
	"""Returns the question without the messages that the provider has already compacted. System messages stay."""
	for n in range(len(ask.messages) - 1, -1, -1):
		message = ask.messages[n]
		if message["role"] == "assistant" and message.get("continuation"):
			fields = continuation.decode(provider, ask.model, message["continuation"])
			if continuation.known(fields.get(FIELD), BLOCKS):
				system = [earlier for earlier in ask.messages[:n] if earlier["role"] == "system"]
				return replace(ask, messages=[*system, *ask.messages[n:]])
	return ask
