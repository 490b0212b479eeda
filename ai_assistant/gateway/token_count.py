"""Counts the tokens of a question before it is sent."""

import json
from dataclasses import dataclass
from typing import Any

from . import http, models
from .adapters import anthropic, gemini, openai_responses
from .chunks import Ask, Provider
from .errors import ProviderError
from .preparation import Prepared
from .usage import estimated_tokens

TIMEOUT_S = 10
# The fields of a question's body that the counting endpoints accept.
ANTHROPIC = ("model", "messages", "system", "tools", "tool_choice", "thinking")
GEMINI = ("contents", "systemInstruction", "tools", "toolConfig", "generationConfig")
RESPONSES = ("model", "input", "tools", "tool_choice", "reasoning", "text", "parallel_tool_calls")


@dataclass(frozen=True, slots=True)
class TokenCount:
	"""The tokens of a question. The provider counted them, or they are `estimated` from the length."""

	tokens: int
	estimated: bool


def count_tokens(provider: Provider, ask: Ask) -> TokenCount:
	"""Asks the provider how many tokens a question has, if its API can count. Otherwise it estimates them.

	It also estimates if the provider does not answer within TIMEOUT_S seconds.
	"""
	try:
		if counting := _counted(provider, ask):
			response = http.fetched(*counting, TIMEOUT_S)
			tokens = response.get("input_tokens", response.get("totalTokens"))
			if isinstance(tokens, int):
				return TokenCount(tokens, estimated=False)
	except ProviderError:
		# An address or a part that cannot be sent, or a provider that cannot count.
		pass
	return TokenCount(estimated_tokens(ask.prompt_bytes), estimated=True)


def _counted(provider: Provider, ask: Ask) -> tuple[str, dict[str, str], bytes, dict[str, str]] | None:
	"""Returns the arguments of `http.fetched` for the endpoint that counts; None if the API has none.

	It is also None for a question with a part that the API or the model does not accept. Raises ProviderError.
	"""
	if Prepared(provider, ask).refused_part():
		return None
	names = {"provider": provider.name, "model": ask.model}
	listed = models.entry(provider.api, ask.model)
	if provider.api == "anthropic":
		sent = anthropic.parameters(provider, ask, listed)[0]
		url, headers, body = anthropic.request(provider, sent)
		url, fields = f"{url}/count_tokens", _only(body, ANTHROPIC)
	elif provider.api == "openai_responses":
		sent = openai_responses.parameters(provider, ask, listed)[0]
		url, headers, body = openai_responses.request(provider, sent)
		url, fields = f"{url}/input_tokens", _only(body, RESPONSES)
	elif provider.api == "gemini":
		sent = gemini.parameters(provider, ask, listed)[0]
		url, headers, body = gemini.request(provider, ask.model, sent)
		fields = _only(body, GEMINI)
		if gemini.is_vertex(url):
			fields.pop("toolConfig", None)
		else:
			model = f"models/{ask.model.removeprefix('models/')}"
			fields = {"generateContentRequest": {"model": model, **fields}}
		url = url.replace(":streamGenerateContent?alt=sse", ":countTokens")
	else:
		return None
	return url, headers, json.dumps(fields).encode(), names


def _only(body: bytes, names: tuple[str, ...]) -> dict[str, Any]:
	fields = json.loads(body)
	return {name: fields[name] for name in names if name in fields}
