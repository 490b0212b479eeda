"""The figures of a model. Those of the administrator take precedence over litellm's list."""

from dataclasses import asdict, fields
from typing import Any

from . import efforts, models
from .chunks import ModelInfo, Provider
from .usage import Price, listed_price


def known(provider: Provider, model: str) -> ModelInfo:
	"""Returns what is known of a provider's model.

	A button in Desk fills the administrator's figures from the provider's own list of models (`model_list`).
	"""
	own = provider.details.get(model) or ModelInfo()
	entry = _entry(provider, model)
	listed = ModelInfo(
		context_window=_number(entry.get("max_input_tokens")),
		max_output_tokens=_number(entry.get("max_output_tokens")),
		vision=_listed(entry, "supports_vision"),
		documents=_listed(entry, "supports_pdf_input"),
		tools=models.takes_tools(provider, model),
		efforts=efforts.taken(provider.api, model) or None,
		cache_min_tokens=_number(entry.get("prompt_cache_min_tokens")),
	)
	chosen = {
		field.name: value if (value := getattr(own, field.name)) is not None else getattr(listed, field.name)
		for field in fields(ModelInfo)
	}
	return ModelInfo(**chosen)


def context_window(provider: Provider, model: str) -> int | None:
	"""Returns the context window of `known`, in tokens. This is read for each question, the other figures are not."""
	own = provider.details.get(model)
	if own is not None and own.context_window is not None:
		return own.context_window
	return _number(_entry(provider, model).get("max_input_tokens"))


def price(provider: Provider, model: str) -> Price | None:
	"""Returns the administrator's price of a model, else that of litellm's list."""
	return provider.price(model) or listed_price(models.entry(provider.api, model))


def as_dict(provider: Provider, model: str) -> dict[str, Any]:
	"""Returns what is known of a model as JSON, with its `prices` in US dollars a million tokens."""
	prices = price(provider, model)
	return {**asdict(known(provider, model)), "prices": asdict(prices) if prices else None}


def _entry(provider: Provider, model: str) -> models.Entry:
	"""Returns what litellm's list has of a provider's model."""
	api = provider.api.removeprefix("litellm/")
	return models.entry(models.NAMES.get(api, api), model)


def _number(value: Any) -> int | None:
	return value if isinstance(value, int) and not isinstance(value, bool) else None


def _listed(entry: models.Entry, name: str) -> bool | None:
	"""Returns a flag of the list. If the model is listed without the flag, it is False; else None."""
	return bool(entry.get(name)) if entry else None
