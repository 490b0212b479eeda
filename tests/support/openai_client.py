"""The real client of OpenAI, pointed at a site."""

import openai

from .site import Account, Site
from .v1 import base, headers


def openai_client(site: Site, account: Account | None = None) -> openai.OpenAI:
	"""Makes a client of the account, by default of the site's first user. It does not ask again by itself."""
	sent = headers(account or site.first)
	return openai.OpenAI(base_url=base(site), api_key="k", default_headers=sent, max_retries=0)
