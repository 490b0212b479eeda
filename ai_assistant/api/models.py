"""Resolves the names of models that clients of the standard APIs send, and lists them."""

from collections.abc import Iterator
from typing import Any

from frappe import _

from ai_assistant.chat.errors import ChatError
from ai_assistant.chat.request import MODEL
from ai_assistant.config.settings import Settings
from ai_assistant.gateway import Provider, model_details


def resolve(name: Any, settings: Settings) -> tuple[str | None, str | None]:
	"""Resolves the name of a model.

	A name is an alias, `MODEL` or `PROVIDER/MODEL`. A model that a provider lists under the whole name comes first,
	because some models have a slash in their names. A provider that accepts any model comes last.

	Args:
		name: the value of `model` in a body.
		settings: the settings that the request may use.

	Returns:
		The provider, None if the name does not say which; and the model, None if the client named none.

	Raises:
		ChatError: `unknown_model` if no provider has it.
	"""
	if name is None or name == "":
		return None, None
	if isinstance(name, str) and name in settings.aliases:
		return None, name
	if isinstance(name, str) and MODEL.fullmatch(name):
		if name != "*" and any(name in provider.models for provider in settings.providers):
			return None, name
		prefix, _slash, model = name.partition("/")
		provider = settings.provider(prefix)
		if provider and MODEL.fullmatch(model) and provider.allows(model):
			return provider.name, model
		if name != "*" and any(provider.allows(name) for provider in settings.providers):
			return None, name
	raise _unknown(settings)


def _unknown(settings: Settings) -> ChatError:
	names = ", ".join(name for name, _provider, _model in listed(settings))
	return ChatError("unknown_model", _("model accepts one of: {0}.").format(names))


def listed(settings: Settings) -> Iterator[tuple[str, Provider, str]]:
	"""Yields the name, the provider and the model of each listed model. A name that is taken gets the provider as prefix."""
	seen: set[str] = set()
	for alias in settings.aliases.values():
		if provider := settings.provider(alias.provider):
			seen.add(alias.name)
			yield alias.name, provider, alias.model
	for provider in settings.by_priority:
		for model in provider.listed_models:
			if model != "*":
				name = f"{provider.name}/{model}" if model in seen else model
				seen.add(name)
				yield name, provider, model


def find(name: str, settings: Settings) -> tuple[str, Provider, str]:
	"""Returns the name, the provider and the model of any name that a request may have. Raises ChatError `unknown_model`."""
	for entry in listed(settings):
		if entry[0] == name:
			return entry
	prefix, model = resolve(name, settings)
	for provider in settings.by_priority:
		if model and prefix in (None, provider.name) and provider.allows(model):
			return name, provider, model
	raise _unknown(settings)


def as_openai(name: str, provider: Provider, model: str) -> dict[str, Any]:
	"""Returns a model in the form of OpenAI, with what is known of it; null is unknown."""
	details = model_details(provider, model)
	return {"id": name, "object": "model", "created": 0, "owned_by": provider.name, **details}


def as_anthropic(name: str, provider: Provider, model: str) -> dict[str, Any]:
	"""Returns a model in the form of Anthropic, with what is known of it; null is unknown."""
	known = model_details(provider, model)
	return {
		"type": "model",
		"id": name,
		"display_name": name,
		"created_at": "1970-01-01T00:00:00Z",
		"lifecycle": "active",
		"max_input_tokens": known["context_window"],
		"max_tokens": known["max_output_tokens"],
	}
