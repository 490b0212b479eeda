"""Builds a provider from its JSON."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from frappe import _

from ai_assistant.gateway import apis
from ai_assistant.gateway.endpoint import is_key, wrong_field

from . import forms
from .parsing import Wrong, accepts, build
from .sections import ConfiguredKey, ConfiguredProvider


def provider_of(values: Any) -> ConfiguredProvider:
	"""Builds a provider from its JSON. Raises Wrong."""
	if isinstance(values, Mapping):
		_check_readable(values)
	if isinstance(values, Mapping) and "keys" in values:
		# The first of several keys is also the one key, unless there is another.
		provider = build(ConfiguredProvider, {**values, "api_key": values.get("api_key") or "keys"}, "")
		keys = _enabled(provider.keys)
		provider = replace(provider, keys=keys, api_key=values.get("api_key") or keys[0].api_key)
	else:
		provider = build(ConfiguredProvider, values, "")
	if wrong := wrong_field(provider):
		raise Wrong(accepts(*wrong))
	if (known := apis()) and provider.api not in known:
		raise Wrong(accepts("api", "a provider's name in litellm, as openai, anthropic, gemini"))
	if not provider.allows(provider.default_model):
		raise Wrong(accepts("default_model", "one of its models"))
	return provider


def _check_readable(values: Mapping[str, Any]) -> None:
	"""Raises Wrong if a key cannot be decrypted."""
	if values.get("api_key") is forms.UNREADABLE:
		raise Wrong(_("The key of {0} cannot be decrypted; enter it again.").format(values.get("name")))
	keys = values.get("keys")
	for key in keys if isinstance(keys, list) else ():
		if isinstance(key, Mapping) and key.get("api_key") is forms.UNREADABLE:
			raise Wrong(_("The key {0} cannot be decrypted; enter it again.").format(key.get("label")))


def _enabled(keys: tuple[ConfiguredKey, ...]) -> tuple[ConfiguredKey, ...]:
	"""Returns the keys that are enabled, by their labels. Raises Wrong."""
	enabled: dict[str, ConfiguredKey] = {}
	for n, key in enumerate(keys):
		if not key.enabled:
			continue
		if not is_key(key.api_key):
			accepted = "a key without a line end or another control character in it"
			raise Wrong(accepts(f"keys[{n}].api_key", accepted))
		if key.label in enabled:
			raise Wrong(accepts(f"keys[{n}].label", "a name that no other key of the provider has"))
		enabled[key.label] = key
	if not enabled:
		raise Wrong(accepts("keys", "at least one key that is enabled"))
	return tuple(enabled.values())
