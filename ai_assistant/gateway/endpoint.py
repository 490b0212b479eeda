"""Whether what is configured of a provider can be sent at all: its address, its key, and what goes along with them."""

from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

from .chunks import Provider

PASTED = ("api", "api_key", "api_base", "default_model")


def trimmed(given: Mapping[str, Any]) -> dict[str, Any]:
	"""A provider's JSON without the spaces and line ends that come along with what is pasted, or read from a file."""
	return {
		name: value.strip() if name in PASTED and isinstance(value, str) else value
		for name, value in given.items()
	}


def wrong_field(provider: Provider) -> tuple[str, str] | None:
	"""The first field with which a provider can never be asked, and what it accepts; None where all can be sent."""
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
	"""Whether a key can stand in a header. One that was pasted may hold signs that nobody sees."""
	return key.isprintable()


def is_api_base(api: str, url: str) -> bool:
	"""Whether an API's paths can be put behind an address."""
	if not is_http(url):
		return False
	parts = urlsplit(url)
	# What a user is named by takes the place of the key; litellm itself puts Azure's paths before the query.
	return "@" not in parts.netloc and not parts.fragment and (not parts.query or "azure" in api)


def asks_for_several(extra: Mapping[str, Any]) -> bool:
	"""Whether the extra parameters ask for several answers at once, of which all but one would be paid for and lost."""
	body = extra.get("extra_body")
	places = [extra, body] if isinstance(body, Mapping) else [extra]
	return any(place.get("n") not in (None, 1) for place in places)


def is_http(url: str) -> bool:
	"""Whether a URL is one of HTTP, with a host, and a port that exists where it has one."""
	try:
		parts = urlsplit(url)
		usable = bool(parts.hostname) and parts.port != 0
	except ValueError:
		return False
	return usable and url.startswith(("http://", "https://")) and url.isprintable() and " " not in url
