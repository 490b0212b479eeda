"""Checks the addresses that get a message when a request ends."""

import base64
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

from ai_assistant.gateway.endpoint import is_http

from .parsing import Aside, Wrong, accepts, build
from .sections import Webhook

SECRET_PREFIX = "whsec_"
"""Begins a secret that is encoded in base64, as Standard Webhooks writes it."""
URL = "a URL that begins with http:// or https://, without a user and a fragment (#)"
SECRET = "a string that is not empty; after whsec_ the rest is base64"


def webhooks_of(items: list[Any], aside: Aside) -> tuple[Webhook, ...]:
	"""Builds the webhooks that are right. The others are set aside in `aside`, without their secrets."""
	webhooks: dict[str, Webhook] = {}
	for n, values in enumerate(items):
		where = f"webhooks[{n}]"
		try:
			webhook = _webhook_of(values, where)
			if webhook.url in webhooks:
				raise Wrong(accepts(f"{where}.url", "an address that no other webhook has"))
			webhooks[webhook.url] = webhook
		except Wrong as wrong:
			aside.append((where, str(wrong)))
	return tuple(webhooks.values())


def is_address(url: str) -> bool:
	"""Whether a webhook can be sent to a URL."""
	return is_http(url) and "@" not in urlsplit(url).netloc and "#" not in url


def signing_key(secret: str) -> bytes | None:
	"""Returns the key of the HMAC. None if the secret is empty or no base64 follows its prefix."""
	if not secret.startswith(SECRET_PREFIX):
		return secret.encode() or None
	try:
		return base64.b64decode(secret.removeprefix(SECRET_PREFIX), validate=True) or None
	except ValueError:
		return None


def _webhook_of(values: Any, where: str) -> Webhook:
	if isinstance(values, Mapping):
		for name, accepted in (("url", URL), ("secret", SECRET)):
			if not isinstance(values.get(name), str):
				raise Wrong(accepts(f"{where}.{name}", accepted))
	webhook = build(Webhook, values, where)
	if not is_address(webhook.url):
		raise Wrong(accepts(f"{where}.url", URL))
	if signing_key(webhook.secret) is None:
		raise Wrong(accepts(f"{where}.secret", SECRET))
	return webhook
