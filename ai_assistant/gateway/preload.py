"""What a process does before its first question comes: that one need not wait, and forked children share it."""

import asyncio
from contextlib import suppress

from . import door
from .bridge import provider_loop
from .chunks import Provider
from .errors import ProviderError
from .gateway import Gateway

# A port where nobody listens: refused at once, and no other machine hears of it.
NOBODY = Provider("nobody", "openai", "none", "none", api_base="http://127.0.0.1:9/v1")


def preload() -> None:
	"""Imports litellm (2 to 4 s) and asks nobody, which imports what litellm leaves for the first question (0.6 s).

	A child that is forked afterwards has the modules, and makes connections and the loop of its own.
	"""
	litellm = door.load()
	with suppress(ProviderError):
		Gateway([NOBODY]).generate([{"role": "user", "content": "Hello"}])
	asyncio.run_coroutine_threadsafe(litellm.close_litellm_async_clients(), provider_loop()).result()
	litellm.in_memory_llm_clients_cache.flush_cache()
