"""Streams of a script as bytes, cut anywhere."""

import asyncio
import re
import sys
from typing import Any

from ai_assistant.gateway import Completion, adapters
from ai_assistant.gateway.assembly import Assembly
from ai_assistant.gateway.bridge import provider_loop
from ai_assistant.gateway.chunks import Ask
from tests.support.provider import ScriptedProvider
from tests.support.wire import FAMILIES, Step, encode

from .asking import MODELS, family, scripted, spoken


def wire(api: str, script: list[Step]) -> bytes:
	"""The stream of a script as bytes, its characters in UTF-8; only halves of a character stay escaped."""
	stream = b"".join(encode(FAMILIES[spoken(api)](MODELS[api]), script))
	return re.sub(rb"\\u(?!d[89a-f])([0-9a-f]{4})", lambda escaped: chr(int(escaped[1], 16)).encode(), stream)


def at_bytes(stream: bytes, *cuts: int) -> list[Step]:
	"""A script that writes these bytes, with a pause at each cut."""
	parts = [stream[a:b].decode("latin-1") for a, b in zip((0, *cuts), (*cuts, len(stream)), strict=True)]
	return [step for part in parts for step in ({"sleep": 0.001}, {"raw": part})][1:]


def cut_everywhere(server: ScriptedProvider, api: str, script: list[Step]) -> list[list[Any]]:
	"""What is heard of a stream cut in seven, often enough that there is a cut at each of its bytes.

	At each fifth byte where the reading is somebody else's, or is tried with another family already.
	"""
	stream = wire(api, script)
	provider = family(server, api)

	async def one(first: int) -> list[Any]:
		cuts = [cut for n in range(6) if 0 < (cut := first + n * apart) < len(stream)]
		ask = Ask(scripted(at_bytes(stream, *cuts)), MODELS[api])
		async with room:
			assembly, heard = Assembly(sys.maxsize, uses_tools=True), []
			async for chunk in adapters.answer(provider, ask):
				if isinstance(chunk, Completion):
					return [*heard, *assembly.end(), chunk]
				heard += assembly.add(chunk)
		raise AssertionError("no Completion")

	async def all_of_them() -> list[list[Any]]:
		return await asyncio.gather(
			*(one(first) for first in range(0, apart, 1 if api in ("openai", "deepseek") else 5))
		)

	room = asyncio.Semaphore(24)
	apart = -(-len(stream) // 6)
	return asyncio.run_coroutine_threadsafe(all_of_them(), provider_loop()).result()
