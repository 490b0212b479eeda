"""Who may use which provider and model: limited by the roles of the user, and by the AI Key of the request."""

from collections.abc import Iterable
from dataclasses import replace

import frappe

from ai_assistant import keys
from ai_assistant.keys import Key

from .settings import ConfiguredProvider, Settings, load


def load_permitted() -> Settings:
	"""The site's settings with the providers, models and aliases that the request at hand may use."""
	return permitted(load(), frappe.get_roles(), keys.current())


def permitted(settings: Settings, roles: Iterable[str], key: Key | None = None) -> Settings:
	"""The settings without the providers, models and aliases that may not be used.

	Args:
		settings: the settings of the site.
		roles: the roles of the user.
		key: the AI Key that limits the models further, if any.
	"""
	of_user = [_for_roles(provider, set(roles)) for provider in settings.providers]
	if key and key.models:
		of_user = [provider and _for_key(provider, key.models, settings) for provider in of_user]
	providers = tuple(provider for provider in of_user if provider)
	by_name = {provider.name: provider for provider in providers}
	aliases = {
		name: alias
		for name, alias in settings.aliases.items()
		if alias.provider in by_name and by_name[alias.provider].allows(alias.model)
	}
	if providers == settings.providers:
		return settings
	return replace(settings, providers=providers, aliases=aliases, is_limited=True)


def _for_roles(provider: ConfiguredProvider, roles: set[str]) -> ConfiguredProvider | None:
	"""The provider with the models that users with `roles` may use, None if there are none."""
	if provider.roles and roles.isdisjoint(provider.roles):
		return None
	withheld = {model for model, needed in provider.model_roles.items() if roles.isdisjoint(needed)}
	if not withheld:
		return provider
	models = tuple(model for model in provider.models if model not in withheld)
	return _with_models(provider, models, tuple(sorted(withheld)))


def _for_key(
	provider: ConfiguredProvider, names: Iterable[str], settings: Settings
) -> ConfiguredProvider | None:
	"""The provider with those of its models that an AI Key names, None if there are none."""
	models = []
	for name in names:
		prefix, _slash, rest = name.partition("/")
		if alias := settings.aliases.get(name):
			owner, model = alias.provider, alias.model
		elif name not in provider.models and settings.provider(prefix):
			owner, model = prefix, rest
		else:
			owner, model = provider.name, name
		if owner == provider.name and provider.allows(model):
			models.append(model)
	return _with_models(provider, tuple(dict.fromkeys(models)), ())


def _with_models(
	provider: ConfiguredProvider, models: tuple[str, ...], withheld: tuple[str, ...]
) -> ConfiguredProvider | None:
	limited = replace(provider, models=models, withheld=withheld)
	if limited.allows(provider.default_model):
		return limited
	default = next((model for model in models if model != "*"), None)
	return replace(limited, default_model=default) if default else None
