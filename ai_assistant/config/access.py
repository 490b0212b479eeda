"""Who may use which provider and model: limited by the roles of the user, the AI Key of the request, and other apps."""

from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import replace
from functools import partial

import frappe

from ai_assistant import app_hooks, keys
from ai_assistant.keys import Key

from .sections import ConfiguredProvider, Settings
from .settings import load


def load_permitted() -> Settings:
	"""The site's settings with the providers, models and aliases that the request at hand may use."""
	return filtered(permitted(load(), frappe.get_roles(), keys.current()), frappe.session.user)


def permitted(settings: Settings, roles: Iterable[str], key: Key | None = None) -> Settings:
	"""The settings without the providers, models and aliases that may not be used.

	Args:
		settings: the settings of the site.
		roles: the roles of the user.
		key: the AI Key that limits the models further, if any.
	"""
	limited = _limited(settings, partial(_for_roles, roles=set(roles)))
	if key and key.models:
		limited = _limited(limited, partial(_for_key, names=key.models, settings=settings))
	return limited


def filtered(settings: Settings, user: str) -> Settings:
	"""The settings without the models that `ai_assistant_models` hooks of other apps withhold from a user."""
	for path in app_hooks.declared(app_hooks.MODELS):
		names = [
			f"{provider.name}/{model}" for provider in settings.providers for model in provider.listed_models
		]
		with suppress(app_hooks.Skipped):
			chosen = app_hooks.call(app_hooks.MODELS, path, user, user, names.copy())
			if not isinstance(chosen, list | tuple | set):
				raise app_hooks.skipped(app_hooks.MODELS, path, "returned no list", user)
			settings = _limited(settings, partial(_without, withheld=set(names) - set(chosen)))
	return settings


def _limited(
	settings: Settings, limit: Callable[[ConfiguredProvider], ConfiguredProvider | None]
) -> Settings:
	"""The settings with what `limit` leaves of each provider, and with the aliases that these serve."""
	providers = tuple(left for provider in settings.providers if (left := limit(provider)))
	if providers == settings.providers:
		return settings
	by_name = {provider.name: provider for provider in providers}
	aliases = {
		name: alias
		for name, alias in settings.aliases.items()
		if alias.provider in by_name and by_name[alias.provider].allows(alias.model)
	}
	return replace(settings, providers=providers, aliases=aliases, is_limited=True)


def _without(provider: ConfiguredProvider, withheld: set[str]) -> ConfiguredProvider | None:
	"""Returns the provider without the models in `withheld`, whose names include the provider; None if none is left."""
	listed = provider.listed_models
	of_provider = dict.fromkeys(model for model in listed if f"{provider.name}/{model}" in withheld)
	if not of_provider:
		return provider
	models = tuple(model for model in listed if model not in of_provider)
	# A default model that `*` alone allows stays when `*` does not.
	more = (model for model in of_provider if model != "*")
	return _with_models(provider, models, tuple(dict.fromkeys((*provider.withheld, *more))))


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
	return _with_models(provider, tuple(dict.fromkeys(models)), provider.withheld)


def _with_models(
	provider: ConfiguredProvider, models: tuple[str, ...], withheld: tuple[str, ...]
) -> ConfiguredProvider | None:
	limited = replace(provider, models=models, withheld=withheld)
	if limited.allows(provider.default_model):
		return limited
	default = next((model for model in models if model != "*"), None)
	return replace(limited, default_model=default) if default else None
