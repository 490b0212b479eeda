"""Stops detached answers. A provider produces such an answer even if no connection is open."""

import asyncio
import logging
from collections.abc import Sequence

from . import http
from .adapters import openai_responses
from .bridge import provider_loop
from .chunks import Detached, Provider
from .errors import ProviderError
from .health import with_each_key


def cancel(providers: Sequence[Provider], detached: Detached) -> None:
	"""Asks the provider of an answer to stop it. Does not wait for the response."""
	variants = [variant for provider in providers for variant in with_each_key(provider)]
	for provider in variants:
		if (provider.name, provider.key_label) == (detached.provider, detached.key):
			asyncio.run_coroutine_threadsafe(_cancel(provider, detached), provider_loop())
			return


async def _cancel(provider: Provider, detached: Detached) -> None:
	names = {"provider": provider.name, "model": detached.model}
	try:
		await http.json_object(*openai_responses.cancel_detached(provider, detached.id), names)
	except ProviderError as error:
		# It has ended already, or the provider does not answer. Its own limits end it then.
		logging.getLogger(__name__).info("not stopped at %s: %s", provider.name, error.kind)
