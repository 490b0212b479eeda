"""The figures of a model. Those of the administrator take precedence over litellm's list."""

from dataclasses import asdict, fields, replace
from typing import Any

from . import efforts, models
from .chunks import ModelInfo, Provider


def known(provider: Provider, model: str) -> ModelInfo:
	"""Returns what is known of a provider's model.

	A button in Desk fills the administrator's figures from the provider's own list of models (`model_list`).
	"""
	own, entry = provider.details.get(model), models.abilities(provider, model)
	listed = ModelInfo(
		context_window=_number(entry.get("max_input_tokens")),
		max_output_tokens=_number(entry.get("max_output_tokens")),
		vision=_listed(entry, "supports_vision"),
		documents=_listed(entry, "supports_pdf_input"),
		tools=models.takes_tools(provider, model),
		efforts=efforts.taken(provider.api, model) or None,
		cache_min_tokens=_number(entry.get("prompt_cache_min_tokens")),
	)
	figures = {field.name: getattr(own, field.name, None) for field in fields(ModelInfo)}
	return replace(listed, **{name: value for name, value in figures.items() if value is not None})


def context_window(provider: Provider, model: str) -> int | None:
	"""Returns the context window of `known`, in tokens. This is read for each question, the other figures are not."""
	own = provider.details.get(model)
	if own is not None and own.context_window is not None:
		return own.context_window
	return _number(models.abilities(provider, model).get("max_input_tokens"))


def as_dict(provider: Provider, model: str) -> dict[str, Any]:
	"""Returns what is known of a model as JSON, with its `prices` in US dollars a million tokens."""
	prices = models.price(provider, model)
	return {**asdict(known(provider, model)), "prices": asdict(prices) if prices else None}


def _number(value: Any) -> int | None:
	return value if isinstance(value, int) and not isinstance(value, bool) else None


def _listed(entry: models.Entry, name: str) -> bool | None:
	"""Returns a flag of the list. If the model is listed without the flag, it is False; else None."""
	return bool(entry.get(name)) if entry else None
