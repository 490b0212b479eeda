"""What each wire costs by our own adapter and through litellm: `python -m tests.bench.wires [PART…] [API…]`.

A part is one of `cpu`, `fresh`, `agent` and `reasoning`. Without a part all are measured, and without an API all APIs.

CPU is that of the whole site for a chunk, against a loop over litellm's stream of the same wire. Both ask the scripted
provider in turns. The process of the litellm loop is this module with `litellm` as its argument.
"""

import asyncio
import json
import os
import statistics
import sys
import tempfile
from collections.abc import Collection
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from ai_assistant.client import Client
from tests.support import script
from tests.support.processes import cpu_seconds
from tests.support.provider import ScriptedProvider
from tests.support.site import StandaloneSite, site_config

from . import agent
from .servers import started

# A paced answer of 6 s. What a request costs beside its chunks is a tenth of it, and half of a chat of 1 s.
CHUNKS, PACED, EVERY, RUNS = 3000, 300, 0.02, 3
# The API, a model of it, and how litellm names both.
WIRES = {
	"openai": ("m1", "openai", "m1"),
	"openai_responses": ("gpt-5", "openai", "responses/gpt-5"),
	"anthropic": ("claude-sonnet-4-5", "anthropic", "claude-sonnet-4-5"),
	"gemini": ("gemini-2.5-pro", "gemini", "gemini-2.5-pro"),
	"ollama_chat": ("m1", "ollama_chat", "m1"),
}
FIRST_CHUNK = """
import os, sys, time
def resident_mb():
	with open("/proc/self/statm") as file:
		return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 2**20
# What a web process has before its first chat: a server, and the app.
import ai_assistant.standalone.stand_in, asyncio, ssl, werkzeug
from ai_assistant.gateway import Gateway, Provider, Reasoning, Text
api, model, base = sys.argv[1:]
before = resident_mb()
began = time.perf_counter()
stream = Gateway([Provider("p", api, "-", model, api_base=base)]).stream_generate(
	[{"role": "user", "content": "Hi"}]
)
next(chunk for chunk in stream if isinstance(chunk, Reasoning | Text))
took = time.perf_counter() - began
for chunk in stream:
	pass
assert "litellm" not in sys.modules
print(took * 1000, resident_mb() - before, flush=True)
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
	"""The medians of ours and of litellm's, in microseconds a chunk."""
	_, theirs, model = WIRES[api]
	command = (sys.executable, "-m", "tests.bench.wires", "litellm", theirs, model, provider.base(api))
	ours: dict[str, list[float]] = {"unpaced": [], "paced": []}
	others: dict[str, list[float]] = {"unpaced": [], "paced": []}
	with tempfile.TemporaryDirectory() as folder, started(*command) as loop:
		process = StandaloneSite(Path(folder), config(provider, api))
		with process as site, site.client(site.first) as client:
			client.connect()
			of_site(client, process.pid, 10)
			of_litellm(loop, 10)
			for _ in range(RUNS):
				ours["unpaced"].append(of_site(client, process.pid, CHUNKS))
				others["unpaced"].append(of_litellm(loop, CHUNKS))
				ours["paced"].append(of_site(client, process.pid, PACED, EVERY))
				others["paced"].append(of_litellm(loop, PACED, EVERY))
	figures = {}
	for pace in ours:
		figures[pace], figures[f"litellm {pace}"] = map(statistics.median, (ours[pace], others[pace]))
	return figures


def fresh(provider: ScriptedProvider, api: str) -> tuple[float, float]:
	"""Milliseconds until the first chunk of a fresh process, and the MB that it grows by with this chat."""
	command = (sys.executable, "-c", FIRST_CHUNK, api, WIRES[api][0], provider.base(api))
	runs = []
	for _ in range(RUNS):
		with started(*command) as process:
			assert process.stdout
			runs.append([float(figure) for figure in process.stdout.readline().split()])
	milliseconds, megabytes = zip(*runs, strict=True)
	return statistics.median(milliseconds), max(megabytes)


def shown(provider: ScriptedProvider) -> float:
	"""The share of the reasoning of an adaptive model that is shown, in percent: it shows none unless `display` says so."""
	from ai_assistant.gateway import Gateway, Provider, Reasoning

	steps = [{"given": "thinking", "reasoning": THOUGHT * 50}, {"text": "So."}]
	one = Gateway([Provider("p", "anthropic", "-", "claude-opus-4-7", api_base=provider.base("anthropic"))])
	stream = one.stream_generate([{"role": "user", "content": json.dumps(steps)}], reasoning_effort="high")
	came = sum(len(chunk.text) for chunk in stream if isinstance(chunk, Reasoning))
	request = provider.requests[-1].body["thinking"] == {"type": "adaptive", "display": "summarized"}
	return 100 * came / len(THOUGHT * 50) if request else 0


PARTS = ("cpu", "fresh", "agent", "reasoning")


def rows(
	provider: ScriptedProvider, parts: Collection[str] = PARTS, apis: Collection[str] = tuple(WIRES)
) -> list[tuple[str, float, str, float, bool]]:
	"""Name, value, unit, target, and whether the target is the least."""
	table_rows = []
	for api in apis:
		if "cpu" in parts:
			figures = cpu(provider, api)
			for pace, target in (("unpaced", 0.06), ("paced", 0.3)):
				ours, litellms = figures[pace], figures[f"litellm {pace}"]
				name = (
					f"{api}: CPU for each chunk, {pace}, against litellm ({ours:.0f} and {litellms:.0f} µs)"
				)
				table_rows.append((name, ours / litellms, "", target, False))
		if "fresh" in parts:
			milliseconds, megabytes = fresh(provider, api)
			table_rows.append(
				(
					f"{api}: new Python process, with its imports, to its first chunk",
					milliseconds,
					"ms",
					300,
					False,
				)
			)
			table_rows.append((f"{api}: memory of a process' first chat", megabytes, "MB", 30, False))
		if "agent" in parts and api in agent.PRICES:
			read, off = agent.run(api)
			rounds = f"{api}: agent of {agent.ROUNDS} rounds"
			table_rows.append((f"{rounds}, read from the cache", read, "%", 85, True))
			table_rows.append((f"{rounds}, error of the booked cost", off, "%", 1, False))
	if "reasoning" in parts:
		table_rows.append(("adaptive model: reasoning shown", shown(provider), "%", 100, True))
	return table_rows


def main() -> None:
	table = Table("figure", "measured", "target", "")
	with ScriptedProvider() as provider:
		named = sys.argv[1:]
		parts = [name for name in named if name in PARTS] or PARTS
		apis = [name for name in named if name in WIRES] or tuple(WIRES)
		for name, value, unit, target, least in rows(provider, parts, apis):
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
