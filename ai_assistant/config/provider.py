"""Builds a provider from its JSON."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from frappe import _

from ai_assistant.gateway import Key, ModelInfo, Price, Tier, apis
from ai_assistant.gateway.efforts import EFFORTS
from ai_assistant.gateway.endpoint import is_key, trimmed, wrong_field

from . import forms
from .parsing import Wrong, accepts, build
from .sections import ConfiguredProvider


def provider_of(given: Any) -> ConfiguredProvider:
	"""Builds a provider from its JSON. Raises Wrong."""
	keys: tuple[Key, ...] = ()
	if isinstance(given, Mapping):
		given = trimmed(given)
		if given.get("api_key") is forms.UNREADABLE:
			raise Wrong(_("The key of {0} cannot be decrypted; enter it again.").format(given.get("name")))
		if isinstance(given.get("models"), list):
			models = (model.strip() if isinstance(model, str) else model for model in given["models"])
			given = {**given, "models": tuple(models)}
		for name in ("roles", "withheld"):
			if isinstance(given.get(name), list):
				given = {**given, name: tuple(given[name])}
		if isinstance(given.get("model_roles"), Mapping):
			given = {**given, "model_roles": _model_roles(given["model_roles"])}
		if isinstance(given.get("prices"), Mapping):
			prices = given["prices"].items()
			given = {**given, "prices": {model: price_of(each, f"prices.{model}") for model, each in prices}}
		if isinstance(given.get("details"), Mapping):
			details = given["details"].items()
			given = {
				**given,
				"details": {model: _details(each, f"details.{model}") for model, each in details},
			}
		if "keys" in given:
			keys = _keys(given["keys"])
			given = {**given, "api_key": given.get("api_key") or (keys[0].api_key if keys else None)}
			del given["keys"]
	provider = replace(build(ConfiguredProvider, given, ""), keys=keys)
	if wrong := wrong_field(provider):
		raise Wrong(accepts(*wrong))
	if (known := apis()) and provider.api not in known:
		raise Wrong(accepts("api", "a provider's name in litellm, as openai, anthropic, gemini"))
	if not provider.allows(provider.default_model):
		raise Wrong(accepts("default_model", "one of its models"))
	return provider


def _keys(given: Any) -> tuple[Key, ...]:
	"""Builds the enabled keys of a provider. Raises Wrong."""
	if not isinstance(given, list) or not given:
		raise Wrong(accepts("keys", "a list of objects with label, api_key, weight and enabled"))
	keys: dict[str, Key] = {}
	for n, values in enumerate(given):
		where = f"keys[{n}]"
		fields_of_key = trimmed(values) if isinstance(values, Mapping) else {}
		if fields_of_key.pop("enabled", True) in (False, 0):
			continue
		key = build(Key, fields_of_key, where)
		if not is_key(key.api_key):
			raise Wrong(
				accepts(f"{where}.api_key", "a key without a line end or another control character in it")
			)
		if not key.label or key.label in keys:
			raise Wrong(accepts(f"{where}.label", "a name that no other key of the provider has"))
		keys[key.label] = key
	if not keys:
		raise Wrong(accepts("keys", "at least one key that is enabled"))
	return tuple(keys.values())


def price_of(given: Any, where: str) -> Price:
	"""Builds the price of a model from its JSON. An error calls it `where`. Raises Wrong."""
	for name in ("input", "output"):
		# With only one of them the other half would cost nothing.
		if not isinstance(given, Mapping) or given.get(name) is None:
			raise Wrong(accepts(where, "an object with input and output, in US dollars a million tokens"))
	tiers = given.get("tiers") or []
	if not isinstance(tiers, list):
		raise Wrong(accepts(f"{where}.tiers", "a list of objects"))
	built = tuple(build(Tier, tier, f"{where}.tiers[{n}]") for n, tier in enumerate(tiers))
	return replace(build(Price, {**given, "tiers": ()}, where), tiers=built)


def _details(values: Any, where: str) -> ModelInfo:
	"""Builds the administrator's figures of a model from their JSON. Raises Wrong."""
	if isinstance(values, Mapping) and isinstance(efforts := values.get("efforts"), list):
		if not all(effort in EFFORTS for effort in efforts):
			raise Wrong(accepts(f"{where}.efforts", "a list of " + ", ".join(EFFORTS)))
		values = {**values, "efforts": tuple(efforts)}
	return build(ModelInfo, values, where)


def _model_roles(given: Mapping[str, Any]) -> dict[str, tuple[str, ...]]:
	for model, roles in given.items():
		if not isinstance(roles, list) or not all(isinstance(role, str) for role in roles):
			raise Wrong(accepts(f"model_roles.{model}", "a list of strings"))
	return {model: tuple(roles) for model, roles in given.items()}
