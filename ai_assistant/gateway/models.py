"""What is known of a model: its prices, sizes and abilities.

The administrator's figures take precedence over litellm's list. The list is read from the files of the installed
package, which takes 30 ms once. Importing litellm would take 2 to 4 s and 160 to 250 MB.
"""

import ast
import json
import re
from collections.abc import Mapping
from dataclasses import asdict, fields, replace
from functools import cache, lru_cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from . import efforts
from .chunks import ModelInfo, Provider, spelling
from .usage import Price, Usage, listed_price

FILE = "model_prices_and_context_window_backup.json"
# Names of APIs that the list has under another name.
NAMES = {
	"openai_responses": "openai",
	"alibaba": "dashscope",
	"cohere": "cohere_chat",
}
# The list says that deepseek-reasoner calls no tools; since V3.2 it does. The list does not have the other model.
TAKE_TOOLS = {"deepseek-reasoner": True, "smollm2-135m-instruct": False}
# APIs of programs that run a model on the machines of whoever starts them. A server of hosted_vllm, or one that speaks
# OpenAI's API, may belong to somebody who charges for it.
LOCAL = frozenset(("lemonade", "llamafile", "lm_studio", "ollama", "ollama_chat", "vllm"))
# Ollama's own servers, which a local Ollama asks for models with such a name.
CLOUD_MODEL, CLOUD = (
	re.compile(r"[:-]cloud$"),
	re.compile(r"https?://([^/]*\.)?ollama\.com([:/]|$)", re.IGNORECASE),
)
FIREWORKS = "accounts/fireworks/models/"

# The keys that are used here, beside those of prices and of the reasoning.
USED = frozenset(
	"litellm_provider max_input_tokens max_output_tokens mode prompt_cache_min_tokens supports_adaptive_thinking"
	" supports_function_calling supports_native_structured_output supports_prompt_caching supports_pdf_input"
	" supports_sampling_params supports_vision tiered_pricing".split()
)

Entry = Mapping[str, Any]


@cache
def apis() -> frozenset[str]:
	"""Returns the names of litellm's providers; none if the installed version keeps them in another place.

	litellm has an enumeration of most of them, and a list of those that are only OpenAI-compatible.
	"""
	try:
		body = ast.parse(_read("types/utils.py")).body
		compatible = json.loads(_read("llms/openai_like/providers.json"))
	except (OSError, ValueError, SyntaxError):
		return frozenset()
	enumerated = {
		str(statement.value.value)
		for providers in body
		if isinstance(providers, ast.ClassDef) and providers.name == "LlmProviders"
		for statement in providers.body
		if isinstance(statement, ast.Assign) and isinstance(statement.value, ast.Constant)
	}
	return frozenset(enumerated | set(compatible)) if enumerated else frozenset()


@cache
def load() -> dict[str, Entry]:
	"""Returns the entries by name, with the keys that are used here; none if the installed litellm has no such file."""
	try:
		listed = json.loads(_read(FILE))
	except (OSError, ValueError):
		return {}
	return {
		name: {
			key: value
			for key, value in entry.items()
			if key in USED or ("cost" in key and "token" in key) or "reasoning" in key
		}
		for name, entry in listed.items()
	}


def _read(path: str) -> bytes:
	"""Reads a file of the installed litellm. Raises OSError."""
	spec = find_spec("litellm")
	return (Path((spec and spec.origin) or "").parent / path).read_bytes()


@lru_cache(maxsize=1024)
def entry(api: str, model: str) -> Entry:
	"""Returns the entry of a provider's model; an empty one if the list does not have it."""
	listed, api = load(), NAMES.get(api, api.removeprefix("litellm/"))
	# The list has a fine-tuned model without its owner and its own name.
	plain = ":".join(model.split(":")[:2]) if model.startswith("ft:") else model
	usual = spelling(model)
	for name in (
		*(f"{api}/{model}", model, plain, f"{api}/{FIREWORKS}{model}"),
		*(f"{api}/{usual}", usual, f"{api}/{FIREWORKS}{usual}"),
	):
		if listed.get(name, {}).get("litellm_provider") == api:
			return listed[name]
	return {}


def abilities(provider: Provider, model: str) -> Entry:
	"""Returns the entry of a provider's model. `ollama_chat` has that of `ollama`."""
	api = provider.api.removeprefix("litellm/")
	return entry("ollama" if api == "ollama_chat" else api, model)


def takes_tools(provider: Provider, model: str) -> bool | None:
	"""Whether the model can call tools; None if that is unknown, as for a name that only one server knows."""
	if (own := provider.details.get(model)) and own.tools is not None:
		return own.tools
	return TAKE_TOOLS.get(model, abilities(provider, model).get("supports_function_calling"))


def price(provider: Provider, model: str) -> Price | None:
	"""Returns the administrator's price of a model, else that of the list. A model that runs locally costs nothing."""
	if own := provider.price(model):
		return own
	if provider.api.removeprefix("litellm/") not in LOCAL:
		return listed_price(abilities(provider, model))
	# The list has models of Ollama's own servers at 0, because it means a local Ollama.
	is_cloud = CLOUD_MODEL.search(spelling(model)) or CLOUD.match(provider.api_base or "")
	return None if is_cloud else Price(0.0, 0.0)


def known(provider: Provider, model: str) -> ModelInfo:
	"""Returns what is known of a provider's model.

	A button in Desk fills the administrator's figures from the provider's own list of models (`model_list`).
	"""
	own, listed = provider.details.get(model), abilities(provider, model)
	info = ModelInfo(
		context_window=_number(listed.get("max_input_tokens")),
		max_output_tokens=_number(listed.get("max_output_tokens")),
		vision=_flag(listed, "supports_vision"),
		documents=_flag(listed, "supports_pdf_input"),
		tools=takes_tools(provider, model),
		efforts=efforts.taken(provider.api, model, entry(provider.api, model)) or None,
		cache_min_tokens=_number(listed.get("prompt_cache_min_tokens")),
	)
	if own is None:
		return info
	figures = {field.name: getattr(own, field.name) for field in fields(ModelInfo)}
	return replace(info, **{name: value for name, value in figures.items() if value is not None})


def context_window(provider: Provider, model: str) -> int | None:
	"""Returns the context window of `known`, in tokens. This is read for each question, the other figures are not."""
	own = provider.details.get(model)
	if own is not None and own.context_window is not None:
		return own.context_window
	return _number(abilities(provider, model).get("max_input_tokens"))


def model_details(provider: Provider, model: str) -> dict[str, Any]:
	"""Returns what is known of a model as JSON, with its `prices` in US dollars a million tokens."""
	prices = price(provider, model)
	return {**asdict(known(provider, model)), "prices": asdict(prices) if prices else None}


def priced(
	usage: Usage, provider: Provider, model: str, hour_tokens: int = 0, service_tier: str | None = None
) -> Usage:
	"""Returns the usage with its cost, at the administrator's price or else at the listed one.

	Args:
		usage: the tokens of the answer.
		hour_tokens: how many of the tokens written to the cache are kept for an hour.
		service_tier: the provider's word for it, as `flex` or `priority`.
	"""
	prices = price(provider, model)
	return replace(usage, cost_usd=prices.cost_usd(usage, hour_tokens, service_tier)) if prices else usage


def _number(value: Any) -> int | None:
	return value if isinstance(value, int) and not isinstance(value, bool) else None


def _flag(listed: Entry, name: str) -> bool | None:
	"""Returns a flag of the list. If the model is listed without the flag, it is False; else None."""
	return bool(listed.get(name)) if listed else None
