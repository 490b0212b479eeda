"""Counts the tokens of a question before it is sent."""

import asyncio
import json
from concurrent.futures import TimeoutError as OutOfTime
from dataclasses import dataclass
from typing import Any

from . import http, models
from .adapters import anthropic, gemini, openai_responses
from .bridge import provider_loop
from .chunks import Ask, Provider
from .errors import ProviderError
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
	counting = _counted(provider, ask)
	if counting is not None:
		task = asyncio.run_coroutine_threadsafe(http.json_object(*counting), provider_loop())
		try:
			response = task.result(TIMEOUT_S)
			tokens = response.get("input_tokens", response.get("totalTokens"))
			if isinstance(tokens, int):
				return TokenCount(tokens, estimated=False)
		except (ProviderError, OutOfTime):
			task.cancel()
	return TokenCount(estimated_tokens(ask.prompt_bytes), estimated=True)


def _counted(provider: Provider, ask: Ask) -> tuple[str, dict[str, str], bytes, dict[str, str]] | None:
	"""Returns the arguments of `http.json_object` for the endpoint that counts; None if the API has none."""
	names = {"provider": provider.name, "model": ask.model}
	listed = models.entry(provider.api, ask.model)
	try:
		if provider.api == "anthropic":
			url, headers, body = anthropic.request(provider, anthropic.parameters(provider, ask, listed)[0])
			return f"{url}/count_tokens", headers, _only(body, ANTHROPIC), names
		if provider.api == "openai_responses":
			sent = openai_responses.parameters(provider, ask, listed)[0]
			url, headers, body = openai_responses.request(provider, sent)
			return f"{url}/input_tokens", headers, _only(body, RESPONSES), names
		if provider.api == "gemini":
			sent = gemini.parameters(provider, ask, listed)[0]
			url, headers, body = gemini.request(provider, ask.model, sent)
			fields = json.loads(_only(body, GEMINI))
			if gemini.is_vertex(url):
				fields.pop("toolConfig", None)
			else:
				model = f"models/{ask.model.removeprefix('models/')}"
				fields = {"generateContentRequest": {"model": model, **fields}}
			body = json.dumps(fields).encode()
			return url.replace(":streamGenerateContent?alt=sse", ":countTokens"), headers, body, names
	except ProviderError:
		# An address or a part that cannot be sent.
		pass
	return None


def _only(body: bytes, names: tuple[str, ...]) -> bytes:
	fields: dict[str, Any] = json.loads(body)
	return json.dumps({name: fields[name] for name in names if name in fields}).encode()
