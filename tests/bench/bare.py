"""litellm alone: reads the same stream and joins its text. Prints the CPU seconds that took, a line a run.

Arguments: the provider's api_base, the prompt, the number of runs.
"""

import asyncio
import json
import sys
import time

from ai_assistant.gateway import door


async def _read(litellm: object, api_base: str, prompt: str) -> str:
	stream = await litellm.acompletion(  # type: ignore[attr-defined]
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


async def main(api_base: str, prompt: str, runs: int) -> None:
	# With streaming logging off, as the gateway has it: the fairest loop to be compared with.
	litellm = door.load()
	await _read(litellm, api_base, "warm up")
	for _ in range(runs):
		before = time.process_time()
		await _read(litellm, api_base, prompt)
		print(json.dumps(time.process_time() - before), flush=True)


if __name__ == "__main__":
	asyncio.run(main(sys.argv[1], sys.argv[2], int(sys.argv[3])))
