"""A loop that reads the same stream and joins its text. Prints the CPU seconds that took, a line a run.

Arguments: `httpx` (the bytes, and their JSON), `litellm` (as it comes) or `quiet` (without its streaming
logging, as the gateway has it); the provider's api_base; the prompt; the number of runs.
"""

import asyncio
import json
import os
import sys
import time
from typing import Any

WARM_UP = '{"chunks": 1}'


async def _by_httpx(client: Any, api_base: str, prompt: str) -> str:
	text = []
	body = {"model": "scripted", "messages": [{"role": "user", "content": prompt}], "stream": True}
	rest = b""
	async with client.stream("POST", f"{api_base}/chat/completions", json=body) as response:
		async for data in response.aiter_bytes():
			*lines, rest = (rest + data).split(b"\n")
			for line in lines:
				if line.startswith(b"data: {"):
					said = json.loads(line[6:])
					if said["choices"] and (piece := said["choices"][0]["delta"].get("content")):
						text.append(piece)
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


async def main(kind: str, api_base: str, prompt: str, runs: int) -> None:
	by: Any
	if kind == "httpx":
		import httpx

		read, by = _by_httpx, httpx.AsyncClient(timeout=None)
	else:
		# As it comes: but for the price list, which it would fetch, and equal chunks, which it takes for a fault.
		os.environ["LITELLM_LOCAL_MODEL_COST_MAP"] = "True"
		if kind == "litellm":
			import litellm

			litellm.REPEATED_STREAMING_CHUNK_LIMIT = 10**9
			read, by = _by_litellm, litellm
		else:
			from ai_assistant.gateway import door

			read, by = _by_litellm, door.load()
	await read(by, api_base, WARM_UP)
	for _ in range(runs):
		before = time.process_time()
		await read(by, api_base, prompt)
		print(json.dumps(time.process_time() - before), flush=True)


if __name__ == "__main__":
	asyncio.run(main(sys.argv[1], sys.argv[2], sys.argv[3], int(sys.argv[4])))
