"""The models that a client of the standard APIs may name, and the lists of them."""

from collections.abc import Iterator
from typing import Any

from frappe import _

from ai_assistant.chat.errors import ChatError
from ai_assistant.chat.request import MODEL
from ai_assistant.config.settings import Settings
from ai_assistant.gateway import Provider


def resolve(name: Any, settings: Settings) -> tuple[str | None, str | None]:
	"""The provider and the model that a client means; (None, None) where it names none.

	A name is an alias, `MODEL` or `PROVIDER/MODEL`. A model that a provider lists by that name wins, because some have a slash
	in their names; then a provider; then a provider that takes any model.

	Raises:
		ChatError: `unknown_model` if no provider of the site has it.
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
	names = ", ".join(known_name for known_name, _provider, _model in _listed(settings))
	raise ChatError("unknown_model", _("model accepts one of: {0}.").format(names))


def _listed(settings: Settings) -> Iterator[tuple[str, Provider, str]]:
	"""The names of the models that are listed, each with who has it. A name that another provider has gets a prefix."""
	seen: set[str] = set()
	for alias in settings.aliases.values():
		if provider := settings.provider(alias.provider):
			seen.add(alias.name)
			yield alias.name, provider, alias.model
	for provider in sorted(settings.providers, key=lambda each: (each.priority, each.name)):
		for model in dict.fromkeys((provider.default_model, *provider.models)):
			if model == "*":
				continue
			name = f"{provider.name}/{model}" if model in seen else model
			seen.add(name)
			yield name, provider, model


def as_openai(settings: Settings) -> list[dict[str, Any]]:
	"""The models in the form of OpenAI's list."""
	return [
		{"id": name, "object": "model", "created": 0, "owned_by": provider.name}
		for name, provider, _model in _listed(settings)
	]


def as_anthropic(settings: Settings) -> list[dict[str, Any]]:
	"""The models in the form of Anthropic's list."""
	return [
		{"type": "model", "id": name, "display_name": name, "created_at": "1970-01-01T00:00:00Z"}
		for name, _provider, _model in _listed(settings)
	]
