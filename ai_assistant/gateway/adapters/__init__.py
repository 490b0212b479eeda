"""One module for each API of a provider. It sends a question in the form of that API, and yields the answer as
deltas.

`openai_chat` is for every Chat Completions API, and `chat_apis` lists how these differ. Reasoning, text and
calls of an answer are read in the adapter. Errors and finish reasons are the same for all APIs:
`ai_assistant.gateway.failures` translates them.
"""

from collections.abc import Callable
from dataclasses import replace

from .. import models
from ..chunks import Ask, Provider
from . import anthropic, chat_apis, gemini, ollama, openai_chat, openai_responses
from .litellm import chat as litellm_chat
from .partial import Stream

# The native adapters by the name of the API. All other APIs are asked through litellm.
ADAPTERS: dict[str, Callable[[Provider, Ask], Stream]] = {
	**dict.fromkeys(chat_apis.APIS, openai_chat.answer),
	"anthropic": anthropic.answer,
	"gemini": gemini.answer,
	"ollama": ollama.answer,
	"ollama_chat": ollama.answer,
	"openai_responses": openai_responses.answer,
}


def answer(provider: Provider, ask: Ask) -> Stream:
	"""Asks a provider through the adapter of its API.

	Returns: a generator of deltas that ends with one Completion. Closing it closes the provider's connection.

	Raises ProviderError, or ProtocolError for bytes that are no answer of the API.
	"""
	if adapter := ADAPTERS.get(provider.api):
		return adapter(provider, ask)
	return litellm_chat.answer(replace(provider, api=provider.api.removeprefix("litellm/")), ask)


def apis() -> tuple[str, ...]:
	"""Returns the names that an `api` may have: our adapters, litellm's, and litellm's with the prefix `litellm/`.

	Returns: the names in order; empty if those of litellm cannot be read, and any name may work then.
	"""
	of_litellm = sorted(models.apis())
	if not of_litellm:
		return ()
	names = sorted({"openai_responses", *chat_apis.APIS, *of_litellm})
	return (*names, *(f"litellm/{name}" for name in of_litellm))
