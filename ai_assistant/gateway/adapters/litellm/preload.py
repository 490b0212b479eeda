"""Loads what a process needs before its first question.

The question then is fast, and forked children share memory.
"""

import asyncio
import gc
import json
from collections.abc import Iterable
from contextlib import suppress
from typing import Any

from ... import http_client, tracing
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

# The loop on which loading was started. A forked child has a loop of its own.
_warmed: asyncio.AbstractEventLoop | None = None


def preload(providers: Iterable[Provider]) -> None:
	"""Loads what these providers need, and asks a local stand-in, because imports alone are not enough.

	litellm (2 to 4 s, 190 MB) is loaded only if one of them needs it. A child that is forked afterwards
	shares the loaded memory, and makes connections and a loop of its own.
	"""
	by_litellm = any(provider.api not in ADAPTERS for provider in providers)
	litellm = client.load() if by_litellm else None
	loop = provider_loop()
	server = asyncio.run_coroutine_threadsafe(asyncio.start_server(_answer, "127.0.0.1", 0), loop).result()
	url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/v1"
	for api in ("openai", "litellm/openai") if by_litellm else ("openai",):
		gateway = Gateway([Provider("rehearsal", api, "none", "none", api_base=url)])
		# A proxy in the environment may refuse connections to this machine.
		with suppress(ProviderError), tracing.suppressed():
			for _chunk in gateway.stream_generate([{"role": "user", "content": "Hello"}]):
				pass
	loop.call_soon_threadsafe(server.close)
	if litellm:
		asyncio.run_coroutine_threadsafe(client.close_clients(litellm), loop).result()
	# The garbage collector then ignores these objects. Its marks would end the sharing of their memory pages.
	gc.collect()
	gc.freeze()


def warm() -> None:
	"""Begins to load what the first question to a native API needs (0.15 s), in the background.

	This happens once in a process, even after several calls. litellm is not loaded, because that would slow
	all other requests down for seconds. Do not call it before a fork, because it starts the loop.
	"""
	global _warmed
	if (loop := provider_loop()) is not _warmed:
		_warmed = loop
		asyncio.run_coroutine_threadsafe(http_client.load(), loop)


async def _answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
	await reader.readuntil(b"\r\n\r\n")
	writer.write(b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\nconnection: close\r\n\r\n")
	for choice in CHUNKS:
		chunk = {"id": "1", "object": "chat.completion.chunk", "created": 1, "model": "none"}
		writer.write(b"data: %s\n\n" % json.dumps({**chunk, "choices": [{"index": 0, **choice}]}).encode())
	writer.write(b"data: [DONE]\n\n")
	await writer.drain()
	writer.close()
