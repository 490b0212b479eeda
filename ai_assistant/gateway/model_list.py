"""Reads the list of models that a provider itself has."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from . import http, models
from .adapters import anthropic, chat_apis, gemini, ollama, openai_responses
from .chunks import ModelInfo, Provider
from .errors import ProviderError
from .usage import MILLION, Price

TIMEOUT_S = 20
# By what names providers call the longest prompt and the longest answer: OpenRouter, Groq, Mistral, vLLM, Anthropic, Gemini.
WINDOWS = (
	"context_length context_window max_context_length max_model_len max_input_tokens inputTokenLimit".split()
)
OUTPUTS = "max_completion_tokens max_output_tokens outputTokenLimit max_tokens".split()
# The modes of chat models in litellm's list. A model that the list does not have may chat.
CHAT_MODES = (None, "chat", "responses", "completion")
# The types of models that do not chat, of Together and LM Studio.
OTHER_TYPES = frozenset("audio embedding embeddings image moderation rerank transcribe video".split())
# The abilities that Ollama's lists name.
LISTED_ABILITIES = ("vision", "tools")


@dataclass(frozen=True, slots=True)
class ListedModel:
	"""A model in a provider's list, and what the list says of it."""

	name: str
	info: ModelInfo
	price: Price | None = None

	def as_row(self) -> dict[str, Any]:
		"""Returns the model as a row of AI Provider Model in Desk, without what is unknown."""
		info, answers = self.info, {True: "Yes", False: "No", None: None}
		row: dict[str, Any] = {
			"model": self.name,
			"context_window": info.context_window,
			"max_output_tokens": info.max_output_tokens,
			**{name: answers[getattr(info, name)] for name in ("vision", "documents", "tools")},
		}
		for name in ("input", "output", "cache_read", "cache_write"):
			dollars = getattr(self.price, name, None)
			row[f"{name}_price"] = None if dollars is None else f"{dollars:.6g}"
		return {name: value for name, value in row.items() if value}


def fetch(provider: Provider) -> list[ListedModel]:
	"""Asks a provider for its models.

	Returns: the models in the order of their names. What the list does not say of them is None.

	Raises ProviderError.
	"""
	url, headers = _endpoint(provider)
	names = {"provider": provider.name, "model": provider.default_model}
	try:
		listed = http.fetched(url, headers, None, names, TIMEOUT_S)
	except ProviderError as error:
		# The status 404 says that there is no list.
		raise ProviderError("no_model_list", **names) if error.kind == "unknown_model" else error from None
	return sorted(_models(provider, listed), key=lambda model: model.name)


def _endpoint(provider: Provider) -> tuple[str, dict[str, str]]:
	"""Returns the URL and the headers. Raises ProviderError `misconfigured`, and `no_model_list`."""
	api = provider.api
	if api == "anthropic":
		url, headers, _body = anthropic.request(provider, {})
		return f"{url.removesuffix('/messages')}/models?limit=1000", headers
	if api == "gemini":
		url, headers, _body = gemini.request(provider, "", {})
		return f"{url.partition('/models/')[0]}/models?pageSize=1000", headers
	if api == "openai_responses":
		url, headers, _body = openai_responses.request(provider, {})
		return f"{url.removesuffix('/responses')}/models", headers
	if api in ("ollama", "ollama_chat"):
		base = http.base_url(provider, ollama.BASE).removesuffix("/chat").removesuffix("/api")
		url = f"{base}/api/tags"
	elif api == "cohere":
		base = http.base_url(provider, chat_apis.APIS[api].base).partition("/compatibility/")[0]
		url = f"{base}/v1/models?endpoint=chat&page_size=1000"
	elif api == "databricks":
		address = urlsplit(http.base_url(provider, None))
		url = f"{address.scheme}://{address.netloc}/api/2.0/serving-endpoints"
	elif api in chat_apis.APIS:
		base, question, query = chat_apis.url_of(provider).partition("?")
		url = f"{base.removesuffix('/chat/completions')}/models{question}{query}"
	else:
		raise ProviderError("no_model_list", provider=provider.name, model=provider.default_model)
	return url, http.headers(provider, chat_apis.headers_of(provider))


def _models(provider: Provider, listed: dict[str, Any]) -> Iterator[ListedModel]:
	for entry in listed.get("data") or listed.get("models") or listed.get("endpoints") or ():
		if not isinstance(entry, dict):
			continue
		name = entry.get("id") or entry.get("name")
		if not isinstance(name, str) or not name:
			continue
		name = name.removeprefix("models/")
		if _chats(entry) and models.entry(provider.api, name).get("mode") in CHAT_MODES:
			yield ListedModel(name, _info(entry), _price(entry))


def _chats(entry: dict[str, Any]) -> bool:
	"""Whether a model can chat, as far as its entry says: lists also have models for embeddings, images and speech."""
	methods, task, kind = (entry.get(name) for name in ("supportedGenerationMethods", "task", "type"))
	abilities = entry.get("capabilities")
	return not (
		(isinstance(methods, list) and "generateContent" not in methods)
		or (isinstance(abilities, dict) and abilities.get("completion_chat") is False)
		or (isinstance(task, str) and task != "llm/v1/chat")
		or (isinstance(kind, str) and kind in OTHER_TYPES)
		or entry.get("supports_chat") is False
		or entry.get("active") is False
	)


def _info(entry: dict[str, Any]) -> ModelInfo:
	top = entry.get("top_provider") if isinstance(entry.get("top_provider"), dict) else {}
	# Hugging Face names the figures of each server.
	servers = [server for server in entry.get("providers") or () if isinstance(server, dict)]
	windows = [window for server in servers if (window := _number(server, WINDOWS))]
	return ModelInfo(
		context_window=_number(entry, WINDOWS) or max(windows, default=None),
		max_output_tokens=_number({**(top or {}), **entry}, OUTPUTS),
		vision=_ability(entry, "image", "vision", "image_input", "supports_image_input", "supports_image_in"),
		documents=_ability(entry, "file", "pdf_input"),
		tools=_tools(entry, servers),
	)


def _tools(entry: dict[str, Any], servers: list[dict[str, Any]]) -> bool | None:
	if isinstance(parameters := entry.get("supported_parameters"), list):
		return "tools" in parameters
	calls = [server["supports_tools"] for server in servers if isinstance(server.get("supports_tools"), bool)]
	return any(calls) if calls else _ability(entry, "", "tools", "function_calling", "supports_tools")


def _ability(entry: dict[str, Any], modality: str, *names: str) -> bool | None:
	"""Returns whether a model has an ability, in the form of any list; None if the entry does not say it.

	Args:
		modality: its name among the inputs of a model, or an empty string.
		names: its names among the capabilities, which are a list (Ollama), booleans (Mistral) or objects (Anthropic), or
			in the entry itself (Fireworks, Moonshot).
	"""
	inputs = entry.get("input_modalities") or (entry.get("architecture") or {}).get("input_modalities")
	if modality and isinstance(inputs, list):
		return modality in inputs
	abilities = entry.get("capabilities")
	if isinstance(abilities, list):
		return any(name in abilities for name in names) if names[0] in LISTED_ABILITIES else None
	places = [abilities, entry] if isinstance(abilities, dict) else [entry]
	values = (place.get(name) for place in places for name in names)
	plain = (value.get("supported") if isinstance(value, dict) else value for value in values)
	return next((value for value in plain if isinstance(value, bool)), None)


def _number(entry: dict[str, Any], names: list[str]) -> int | None:
	values = (entry.get(name) for name in names)
	return next((value for value in values if isinstance(value, int) and value > 0), None)


def _price(entry: dict[str, Any]) -> Price | None:
	"""Returns the price of a model. OpenRouter's are US dollars a token, as strings; Together's a million tokens, as
	numbers.
	"""
	pricing = entry.get("pricing")
	if not isinstance(pricing, dict):
		return None

	def price(*names: str) -> float | None:
		value = next((pricing[name] for name in names if pricing.get(name) is not None), None)
		try:
			dollars = float(value) * MILLION if isinstance(value, str) else float(value)  # type: ignore[arg-type]
		except (TypeError, ValueError):
			return None
		return dollars if dollars >= 0 else None

	prompt, completion = price("prompt", "input"), price("completion", "output")
	if prompt is None or completion is None:
		return None
	read = price("input_cache_read", "cached_input")
	return Price(prompt, completion, cache_read=read, cache_write=price("input_cache_write"))
