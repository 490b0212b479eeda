"""A loop that reads the same stream and joins its text, for each prompt on a line of standard input.

Arguments: `httpx` or `aiohttp` (the bytes, and their JSON), `litellm` (as it comes) or `quiet` (without its streaming
logging, as the gateway has it); the provider's api_base. Prints, a line a prompt, when the first text was written and
when the last was read.
"""

import asyncio
import json
import os
import sys
import time
from typing import Any


def _lines(rest: bytes, data: bytes, text: list[str]) -> bytes:
	*lines, rest = (rest + data).split(b"\n")
	for line in lines:
		if line.startswith(b"data: {"):
			payload = json.loads(line[6:])
			if payload["choices"] and (piece := payload["choices"][0]["delta"].get("content")):
				text.append(piece)
	return rest


def _body(prompt: str) -> dict[str, Any]:
	return {"model": "scripted", "messages": [{"role": "user", "content": prompt}], "stream": True}


async def _by_httpx(client: Any, api_base: str, prompt: str) -> str:
	text: list[str] = []
	rest = b""
	async with client.stream("POST", f"{api_base}/chat/completions", json=_body(prompt)) as response:
		async for data in response.aiter_bytes():
			rest = _lines(rest, data, text)
	return "".join(text)


async def _by_aiohttp(client: Any, api_base: str, prompt: str) -> str:
	text: list[str] = []
	rest = b""
	async with client.post(f"{api_base}/chat/completions", json=_body(prompt)) as response:
		async for data in response.content.iter_any():
			rest = _lines(rest, data, text)
	return "".join(text)


async def _by_litellm(litellm: Any, api_base: str, prompt: str) -> str:
	stream = await litellm.acompletion(
		model="scripted",
		custom_llm_provider="openai",
		api_base=api_base,
		api_key="none",
		messages=[{"role": "user", "content": prompt}],
		stream=True,
		stream_options={"include_usage": True},
		max_retries=0,
	)
	text = []
	async for chunk in stream:
		if chunk.choices and chunk.choices[0].delta.content:
			text.append(chunk.choices[0].delta.content)
	return "".join(text)


async def main(kind: str, api_base: str) -> None:
	by: Any
	if kind == "httpx":
		import httpx

		read, by = _by_httpx, httpx.AsyncClient(timeout=None)
	elif kind == "aiohttp":
		import aiohttp

		read, by = _by_aiohttp, aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=None))
	else:
		# As it comes: but for the price list, which it would fetch, and equal chunks, which it takes for a fault.
		os.environ["LITELLM_LOCAL_MODEL_COST_MAP"] = "True"
		if kind == "litellm":
			import litellm

			litellm.REPEATED_STREAMING_CHUNK_LIMIT = 10**9
			read, by = _by_litellm, litellm
		else:
			from ai_assistant.gateway.adapters.litellm import client

			read, by = _by_litellm, client.load()
	while prompt := await asyncio.to_thread(sys.stdin.readline):
		text = await read(by, api_base, prompt)
		print(json.dumps([float(text[:16]), time.monotonic()]), flush=True)


if __name__ == "__main__":
	asyncio.run(main(sys.argv[1], sys.argv[2]))
