"""What a process does before its first question comes: that one need not wait, and forked children share it."""

import asyncio
import gc
import json
from collections.abc import Iterable
from contextlib import suppress
from typing import Any

from ... import http
from ...bridge import provider_loop
from ...chunks import Provider
from ...errors import ProviderError
from ...gateway import Gateway
from .. import ADAPTERS
from . import client

CHUNKS: tuple[dict[str, Any], ...] = (
	{"delta": {"role": "assistant", "reasoning_content": "Hm."}},
	{"delta": {"content": "Hello"}, "finish_reason": "stop"},
)

# The loop that has been told to load; a forked child's is its own.
_warmed: asyncio.AbstractEventLoop | None = None


def preload(providers: Iterable[Provider]) -> None:
	"""Loads what asking these providers needs, and asks one made up for it: a first question costs more than imports.

	litellm (2 to 4 s, 190 MB) only where one of them is asked by it. A child that is forked afterwards shares what has
	been loaded, and makes connections and a loop of its own.
	"""
	by_litellm = any(provider.api not in ADAPTERS for provider in providers)
	litellm = client.load() if by_litellm else None
	loop = provider_loop()
	server = asyncio.run_coroutine_threadsafe(asyncio.start_server(_answer, "127.0.0.1", 0), loop).result()
	url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/v1"
	for api in ("openai", "litellm/openai") if by_litellm else ("openai",):
		gateway = Gateway([Provider("rehearsal", api, "none", "none", api_base=url)])
		# Where the environment names a proxy, that may not let one back to this machine.
		with suppress(ProviderError):
			for _chunk in gateway.stream_generate([{"role": "user", "content": "Hello"}]):
				pass
	loop.call_soon_threadsafe(server.close)
	if litellm:
		asyncio.run_coroutine_threadsafe(client.close_clients(litellm), loop).result()
	# What stays is never looked at again by the collector, whose marks would unshare it page by page.
	gc.collect()
	gc.freeze()


def warm() -> None:
	"""Begins to load what a first question needs of an OpenAI-compatible provider (0.2 s), beside the caller.

	Once a process, however often it is called. Not litellm: for seconds it would be felt by all who ask meanwhile. Not
	before a fork: it starts the loop.
	"""
	global _warmed
	if (loop := provider_loop()) is not _warmed:
		_warmed = loop
		asyncio.run_coroutine_threadsafe(http.load(), loop)


async def _answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
	await reader.readuntil(b"\r\n\r\n")
	writer.write(b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\nconnection: close\r\n\r\n")
	for choice in CHUNKS:
		chunk = {"id": "1", "object": "chat.completion.chunk", "created": 1, "model": "none"}
		writer.write(b"data: %s\n\n" % json.dumps({**chunk, "choices": [{"index": 0, **choice}]}).encode())
	writer.write(b"data: [DONE]\n\n")
	await writer.drain()
	writer.close()
