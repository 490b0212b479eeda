"""Reads the list of models that a provider itself has."""

import asyncio
from collections.abc import Iterator
from concurrent.futures import TimeoutError as OutOfTime
from dataclasses import dataclass
from typing import Any

from . import http
from .adapters import anthropic, chat_apis, gemini, ollama, openai_responses
from .bridge import provider_loop
from .chunks import ModelInfo, Provider
from .errors import ProviderError
from .usage import MILLION, Price

TIMEOUT_S = 20
# By what names providers call the longest prompt and the longest answer: OpenRouter, Groq, Mistral, vLLM, Anthropic, Gemini.
WINDOWS = (
	"context_length",
	"context_window",
	"max_context_length",
	"max_model_len",
	"max_input_tokens",
	"inputTokenLimit",
)
OUTPUTS = ("max_completion_tokens", "max_output_tokens", "outputTokenLimit")


@dataclass(frozen=True, slots=True)
class ListedModel:
	"""A model in a provider's list, and what the list says of it."""

	name: str
	info: ModelInfo
	price: Price | None = None

	def as_row(self) -> dict[str, Any]:
		"""Returns the model as a row of AI Provider Model in Desk, without what is unknown."""
		answers = {True: "Yes", False: "No", None: None}
		prices = self.price
		row: dict[str, Any] = {
			"model": self.name,
			"context_window": self.info.context_window,
			"max_output_tokens": self.info.max_output_tokens,
			"vision": answers[self.info.vision],
			"documents": answers[self.info.documents],
			"tools": answers[self.info.tools],
			"input_price": prices and f"{prices.input:.6g}",
			"output_price": prices and f"{prices.output:.6g}",
			"cache_read_price": prices and prices.cache_read is not None and f"{prices.cache_read:.6g}",
			"cache_write_price": prices and prices.cache_write is not None and f"{prices.cache_write:.6g}",
		}
		return {name: value for name, value in row.items() if value}


def fetch(provider: Provider) -> list[ListedModel]:
	"""Asks a provider for its models.

	Returns: the models in the order of their names. What the list does not say of them is None.

	Raises ProviderError.
	"""
	url, headers = _endpoint(provider)
	names = {"provider": provider.name, "model": provider.default_model}
	task = asyncio.run_coroutine_threadsafe(http.json_object(url, headers, None, names), provider_loop())
	try:
		listed = task.result(TIMEOUT_S)
	except OutOfTime:
		task.cancel()
		raise ProviderError("total", seconds=str(TIMEOUT_S), **names) from None
	return sorted(_models(listed), key=lambda model: model.name)


def _endpoint(provider: Provider) -> tuple[str, dict[str, str]]:
	"""The URL and the headers. Raises ProviderError `misconfigured`."""
	api = provider.api
	if api == "anthropic":
		url, headers, _body = anthropic.request(provider, {})
		return f"{url.removesuffix('/messages')}/models?limit=1000", headers
	if api == "gemini":
		url, headers, _body = gemini.request(provider, "", {})
		return f"{url.partition('/models/')[0]}/models?pageSize=1000", headers
	if api in ("ollama", "ollama_chat"):
		base = http.base_url(provider, ollama.BASE).removesuffix("/chat").removesuffix("/api")
		return f"{base}/api/tags", http.headers(provider, {"authorization": f"Bearer {provider.api_key}"})
	if api == "openai_responses":
		base = http.base_url(provider, openai_responses.BASE).removesuffix("/responses")
	elif api in chat_apis.APIS:
		base = http.base_url(provider, chat_apis.APIS[api].base).removesuffix("/chat/completions")
	else:
		raise ProviderError("no_model_list", provider=provider.name, model=provider.default_model)
	return f"{base}/models", http.headers(provider, {"authorization": f"Bearer {provider.api_key}"})


def _models(listed: dict[str, Any]) -> Iterator[ListedModel]:
	for entry in listed.get("data") or listed.get("models") or ():
		if not isinstance(entry, dict):
			continue
		methods = entry.get("supportedGenerationMethods")
		if methods is not None and "generateContent" not in methods:
			continue
		name = entry.get("id") or entry.get("name")
		if isinstance(name, str) and name:
			yield ListedModel(name.removeprefix("models/"), _info(entry), _price(entry))


def _info(entry: dict[str, Any]) -> ModelInfo:
	top = entry.get("top_provider") if isinstance(entry.get("top_provider"), dict) else {}
	able = entry.get("capabilities")
	inputs = (entry.get("architecture") or {}).get("input_modalities")
	parameters = entry.get("supported_parameters")
	vision = documents = tools = None
	if isinstance(inputs, list):
		vision, documents = "image" in inputs, "file" in inputs
	if isinstance(parameters, list):
		tools = "tools" in parameters
	if isinstance(able, list):
		# Ollama's.
		vision, tools = "vision" in able, "tools" in able
	elif isinstance(able, dict):
		# Mistral's.
		vision = able.get("vision") if isinstance(able.get("vision"), bool) else vision
		tools = able.get("function_calling") if isinstance(able.get("function_calling"), bool) else tools
	return ModelInfo(
		context_window=_number(entry, WINDOWS),
		max_output_tokens=_number({**(top or {}), **entry}, OUTPUTS),
		vision=vision,
		documents=documents,
		tools=tools,
	)


def _number(entry: dict[str, Any], names: tuple[str, ...]) -> int | None:
	values = (entry.get(name) for name in names)
	return next((value for value in values if isinstance(value, int) and value > 0), None)


def _price(entry: dict[str, Any]) -> Price | None:
	"""OpenRouter's prices, which are US dollars a token, as strings."""
	pricing = entry.get("pricing")
	if not isinstance(pricing, dict):
		return None

	def price(name: str) -> float | None:
		try:
			value = float(pricing.get(name, ""))
		except (TypeError, ValueError):
			return None
		return value * MILLION if value >= 0 else None

	prompt, completion = price("prompt"), price("completion")
	if prompt is None or completion is None:
		return None
	return Price(
		prompt, completion, cache_read=price("input_cache_read"), cache_write=price("input_cache_write")
	)
