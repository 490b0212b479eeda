"""Checks whether the configuration of a provider is usable: its address, its key and its extra parameters."""

from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

from .chunks import Provider


def wrong_field(provider: Provider) -> tuple[str, str] | None:
	"""Returns the first unusable field, and what the field accepts; None if all are usable."""
	if not is_key(provider.api_key):
		return "api_key", "a key without a line end or another control character in it"
	if provider.api_base is not None and not is_api_base(provider.api, provider.api_base):
		return (
			"api_base",
			"a URL that begins with http:// or https://, without a user, a query (?) or a fragment (#)",
		)
	if asks_for_several(provider.extra):
		return "extra.n", "1 (one answer is read)"
	return None


def is_key(key: str) -> bool:
	"""Whether a header can contain a key. A pasted key may have invisible characters."""
	return key.isprintable()


def is_api_base(api: str, url: str) -> bool:
	"""Whether the paths of an API can be appended to an address."""
	if not is_http(url):
		return False
	parts = urlsplit(url)
	# A user name would replace the key. litellm inserts Azure's paths before the query.
	return "@" not in parts.netloc and not parts.fragment and (not parts.query or "azure" in api)


def asks_for_several(extra: Mapping[str, Any]) -> bool:
	"""Whether the extra parameters ask for several answers. All of them would cost, and only one is read."""
	body = extra.get("extra_body")
	places = [extra, body] if isinstance(body, Mapping) else [extra]
	return any(place.get("n") not in (None, 1) for place in places)


def is_http(url: str) -> bool:
	"""Whether a URL is a valid HTTP or HTTPS URL with a host."""
	try:
		parts = urlsplit(url)
		usable = bool(parts.hostname) and parts.port != 0
	except ValueError:
		return False
	return usable and url.startswith(("http://", "https://")) and url.isprintable() and " " not in url
