"""What each wire costs by our own adapter and through litellm: `python -m tests.bench.wires`.

CPU is that of the whole site for a chunk, against a loop over litellm's stream of the same wire. Both ask the scripted
provider in turns. The process of the litellm loop is this module with `litellm` as its argument.
"""

import asyncio
import json
import os
import statistics
import sys
import tempfile
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from ai_assistant.client import Client
from tests.support import script
from tests.support.provider import ScriptedProvider
from tests.support.site import StandaloneSite, site_config

from . import agent
from .compare import cpu_seconds, resident_mb, started

CHUNKS, PACED, EVERY, RUNS = 3000, 100, 0.02, 3
# The API, a model of it, and how litellm names both.
WIRES = {
	"openai": ("m1", "openai", "m1"),
	"openai_responses": ("gpt-5", "openai", "responses/gpt-5"),
	"anthropic": ("claude-sonnet-4-5", "anthropic", "claude-sonnet-4-5"),
	"gemini": ("gemini-2.5-pro", "gemini", "gemini-2.5-pro"),
	"ollama_chat": ("m1", "ollama_chat", "m1"),
}
FIRST_CHUNK = """
import sys, time
from ai_assistant.gateway import Gateway, Provider, Reasoning, Text
api, model, base = sys.argv[1:]
began = time.perf_counter()
stream = Gateway([Provider("p", api, "-", model, api_base=base)]).stream_generate(
	[{"role": "user", "content": "Hi"}]
)
next(chunk for chunk in stream if isinstance(chunk, Reasoning | Text))
print((time.perf_counter() - began) * 1000, flush=True)
"""
THOUGHT = "a thought of the model. "


def config(provider: ScriptedProvider, api: str) -> dict[str, Any]:
	entry = {"name": api, "api": api, "api_base": provider.base(api), "api_key": "-", "models": ["*"]}
	limits = {"requests_per_minute": 10**6, "max_answer_chars": 10**7}
	config = site_config(provider)
	return {
		**config,
		"providers": [{**entry, "default_model": WIRES[api][0]}],
		"limits": limits,
		"budgets": {},
	}


def steps(chunks: int, every: float) -> str:
	return script({"text": "word ", "repeat": chunks, **({"every": every} if every else {})})


def of_site(client: Client, pid: int, chunks: int, every: float = 0) -> float:
	"""Microseconds of CPU for a chunk of one answer."""
	before = cpu_seconds([pid])
	stream = client.chat(steps(chunks, every))
	for _ in stream:
		pass
	assert stream.answer and stream.answer["response"] == "word " * chunks, stream.answer
	return (cpu_seconds([pid]) - before) / chunks * 1e6


def of_litellm(process: Any, chunks: int, every: float = 0) -> float:
	before = cpu_seconds([process.pid])
	print(steps(chunks, every), file=process.stdin, flush=True)
	assert json.loads(process.stdout.readline()) == 5 * chunks
	return (cpu_seconds([process.pid]) - before) / chunks * 1e6


async def _by_litellm(api: str, model: str, base: str) -> None:
	os.environ["LITELLM_LOCAL_MODEL_COST_MAP"] = "True"
	import litellm

	litellm.REPEATED_STREAMING_CHUNK_LIMIT = 10**9  # type: ignore[attr-defined]
	while prompt := await asyncio.to_thread(sys.stdin.readline):
		stream: Any = await litellm.acompletion(
			model=model,
			custom_llm_provider=api,
			api_base=base,
			api_key="-",
			messages=[{"role": "user", "content": prompt}],
			stream=True,
			max_retries=0,
		)
		length = 0
		async for chunk in stream:
			if chunk.choices:
				length += len(chunk.choices[0].delta.content or "")
		print(length, flush=True)


def cpu(provider: ScriptedProvider, api: str) -> dict[str, float]:
	"""The medians of ours and of litellm's, in microseconds a chunk, and the memory that the first chat takes in MB."""
	_, theirs, model = WIRES[api]
	command = (sys.executable, "-m", "tests.bench.wires", "litellm", theirs, model, provider.base(api))
	ours: dict[str, list[float]] = {"unpaced": [], "paced": []}
	others: dict[str, list[float]] = {"unpaced": [], "paced": []}
	with tempfile.TemporaryDirectory() as folder, started(*command) as loop:
		process = StandaloneSite(Path(folder), config(provider, api))
		with process as site, site.client(site.first) as client:
			client.connect()
			before = resident_mb([process.pid])
			of_site(client, process.pid, 10)
			grew = resident_mb([process.pid]) - before
			of_litellm(loop, 10)
			for _ in range(RUNS):
				ours["unpaced"].append(of_site(client, process.pid, CHUNKS))
				others["unpaced"].append(of_litellm(loop, CHUNKS))
				ours["paced"].append(of_site(client, process.pid, PACED, EVERY))
				others["paced"].append(of_litellm(loop, PACED, EVERY))
	figures = {"mb": grew}
	for pace in ours:
		figures[pace], figures[f"litellm {pace}"] = map(statistics.median, (ours[pace], others[pace]))
	return figures


def first_chunk_ms(provider: ScriptedProvider, api: str) -> float:
	command = (sys.executable, "-c", FIRST_CHUNK, api, WIRES[api][0], provider.base(api))
	took = []
	for _ in range(RUNS):
		with started(*command) as process:
			assert process.stdout
			took.append(float(process.stdout.readline()))
	return statistics.median(took)


def shown(provider: ScriptedProvider) -> float:
	"""The share of the reasoning of an adaptive model that is shown, in percent: it shows none unless `display` says so."""
	from ai_assistant.gateway import Gateway, Provider, Reasoning

	steps = [{"given": "thinking", "reasoning": THOUGHT * 50}, {"text": "So."}]
	one = Gateway([Provider("p", "anthropic", "-", "claude-opus-4-7", api_base=provider.base("anthropic"))])
	stream = one.stream_generate([{"role": "user", "content": json.dumps(steps)}], reasoning_effort="high")
	came = sum(len(chunk.text) for chunk in stream if isinstance(chunk, Reasoning))
	request = provider.requests[-1].body["thinking"] == {"type": "adaptive", "display": "summarized"}
	return 100 * came / len(THOUGHT * 50) if request else 0


def rows(provider: ScriptedProvider) -> list[tuple[str, float, str, float, bool]]:
	"""Name, value, unit, target, and whether the target is the least."""
	table_rows = []
	for api in WIRES:
		figures = cpu(provider, api)
		for pace, target in (("unpaced", 0.06), ("paced", 0.3)):
			name = f"{api}: CPU a chunk, {pace}, against litellm ({figures[pace]:.0f} and {figures[f'litellm {pace}']:.0f} µs)"
			table_rows.append((name, figures[pace] / figures[f"litellm {pace}"], "", target, False))
		table_rows.append(
			(f"{api}: fresh process to its first chunk", first_chunk_ms(provider, api), "ms", 300, False)
		)
		table_rows.append((f"{api}: memory of the first chat", figures["mb"], "MB", 30, False))
	for api in agent.PRICES:
		read, off = agent.run(api)
		table_rows.append(
			(f"{api}: agent of {agent.ROUNDS} rounds, read from the cache", read, "%", 85, True)
		)
		table_rows.append((f"{api}: agent of {agent.ROUNDS} rounds, cost off", off, "%", 1, False))
	table_rows.append(("adaptive model: reasoning shown", shown(provider), "%", 100, True))
	return table_rows


def main() -> None:
	table = Table("figure", "measured", "target", "")
	with ScriptedProvider() as provider:
		for name, value, unit, target, least in rows(provider):
			reached = value >= target if least else value <= target
			table.add_row(
				name,
				f"{value:.3g} {unit}",
				f"{'≥' if least else '≤'} {target:g} {unit}",
				"✓" if reached else "✗",
			)
	Console(highlight=False, width=140).print(table)


if __name__ == "__main__":
	if sys.argv[1:2] == ["litellm"]:
		asyncio.run(_by_litellm(*sys.argv[2:]))
	else:
		main()
