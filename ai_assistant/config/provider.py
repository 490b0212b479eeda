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


def provider_of(values: Any) -> ConfiguredProvider:
	"""Builds a provider from its JSON. Raises Wrong."""
	keys: tuple[Key, ...] = ()
	if isinstance(values, Mapping):
		values = trimmed(values)
		if values.get("api_key") is forms.UNREADABLE:
			raise Wrong(_("The key of {0} cannot be decrypted; enter it again.").format(values.get("name")))
		if isinstance(values.get("models"), list):
			models = (model.strip() if isinstance(model, str) else model for model in values["models"])
			values = {**values, "models": tuple(models)}
		for name in ("roles", "withheld"):
			if isinstance(values.get(name), list):
				values = {**values, name: tuple(values[name])}
		if isinstance(values.get("model_roles"), Mapping):
			values = {**values, "model_roles": _model_roles(values["model_roles"])}
		if isinstance(values.get("prices"), Mapping):
			prices = values["prices"].items()
			values = {
				**values,
				"prices": {model: price_of(price, f"prices.{model}") for model, price in prices},
			}
		if isinstance(values.get("details"), Mapping):
			details = values["details"].items()
			values = {
				**values,
				"details": {model: _details(figures, f"details.{model}") for model, figures in details},
			}
		if "keys" in values:
			keys = _keys(values["keys"])
			values = {**values, "api_key": values.get("api_key") or (keys[0].api_key if keys else None)}
			del values["keys"]
	provider = replace(build(ConfiguredProvider, values, ""), keys=keys)
	if wrong := wrong_field(provider):
		raise Wrong(accepts(*wrong))
	if (known := apis()) and provider.api not in known:
		raise Wrong(accepts("api", "a provider's name in litellm, as openai, anthropic, gemini"))
	if not provider.allows(provider.default_model):
		raise Wrong(accepts("default_model", "one of its models"))
	return provider


def _keys(values: Any) -> tuple[Key, ...]:
	"""Builds the enabled keys of a provider. Raises Wrong."""
	if not isinstance(values, list) or not values:
		raise Wrong(accepts("keys", "a list of objects with label, api_key, weight and enabled"))
	keys: dict[str, Key] = {}
	for n, fields in enumerate(values):
		where = f"keys[{n}]"
		fields_of_key = trimmed(fields) if isinstance(fields, Mapping) else {}
		if fields_of_key.pop("enabled", True) in (False, 0):
			continue
		if fields_of_key.get("api_key") is forms.UNREADABLE:
			raise Wrong(
				_("The key {0} cannot be decrypted; enter it again.").format(fields_of_key.get("label"))
			)
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


def price_of(values: Any, where: str) -> Price:
	"""Builds the price of a model from its JSON. `where` is its name in an error. Raises Wrong."""
	for name in ("input", "output"):
		# If one of them were missing, these tokens would cost nothing.
		if not isinstance(values, Mapping) or values.get(name) is None:
			raise Wrong(accepts(where, "an object with input and output, in US dollars a million tokens"))
	tiers = values.get("tiers") or []
	if not isinstance(tiers, list):
		raise Wrong(accepts(f"{where}.tiers", "a list of objects"))
	built = tuple(build(Tier, tier, f"{where}.tiers[{n}]") for n, tier in enumerate(tiers))
	return replace(build(Price, {**values, "tiers": ()}, where), tiers=built)


def _details(values: Any, where: str) -> ModelInfo:
	"""Builds the administrator's figures of a model from their JSON. Raises Wrong."""
	if isinstance(values, Mapping) and isinstance(efforts := values.get("efforts"), list):
		if not all(effort in EFFORTS for effort in efforts):
			raise Wrong(accepts(f"{where}.efforts", "a list of " + ", ".join(EFFORTS)))
		values = {**values, "efforts": tuple(efforts)}
	return build(ModelInfo, values, where)


def _model_roles(values: Mapping[str, Any]) -> dict[str, tuple[str, ...]]:
	for model, roles in values.items():
		if not isinstance(roles, list) or not all(isinstance(role, str) for role in roles):
			raise Wrong(accepts(f"model_roles.{model}", "a list of strings"))
	return {model: tuple(roles) for model, roles in values.items()}
