"""This site against other gateways over Server-Sent Events, one provider, one run: `python -m tests.bench.peers`.

All of them answer OpenAI's Chat Completions, Anthropic's Messages and OpenAI's Responses from a provider of the same
API. LiteLLM's proxy and Portkey's gateway are measured where `make bench` has installed them. Bifrost is not: its npm
package downloads the program. A bare loop on aiohttp, which only passes bytes on, is the limit.

`python -m tests.bench.peers first many request` measures only these parts; each takes less than two minutes.
"""

import asyncio
import json
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import aiohttp
from rich.console import Console
from rich.table import Table

from tests.support.processes import cpu_seconds
from tests.support.site import StandaloneSite
from tests.support.v1 import PATH

from . import asking, gateways
from .compare import (
	EVERY,
	LIMITS,
	Contender,
	at_once,
	cpu_a_chunk,
	percentile,
	question,
	run,
)
from .gateways import APIS, LIMIT, OURS, WIRE
from .servers import listening

# How often the first chunk is measured, in turns; of how many chunks an answer is whose CPU is measured.
TURNS, FIRSTS, CHUNKS, PACED = 5, 20, 3_000, 100
LEVELS, LATE_MS = (10, 50, 100, 150), 250
HANG_UPS = 10
PARTS = ("first", "paced", "many", "request")
FIGURES = {
	"p50": "added to the first chunk, p50, ms",
	"p99": "added to the first chunk, p99, ms",
	"unpaced": "CPU for each chunk, µs",
	"paced": "CPU for each chunk at 50 a second, µs",
}
Say = Callable[[str], None]


def _schema(n: int) -> dict[str, Any]:
	described = {"type": "string", "description": f"What tool {n} gets, in words. " * 15}
	return {"type": "object", "properties": {f"field_{m}": described for m in range(5)}}


# A request of 100 KB, as agents send them.
TOOLS = [
	{
		"type": "function",
		"function": {"name": f"tool_{n}", "description": "Does it.", "parameters": _schema(n)},
	}
	for n in range(40)
]


def first_chunks(contenders: dict[str, dict[str, Contender]]) -> dict[str, Any]:
	"""From the question to the first chunk beyond the wire in ms, and CPU of a chunk, by peer and API."""
	found: dict[str, Any] = {}
	took: dict[tuple[str, str], list[float]] = {}
	cpu: dict[tuple[str, str, str], list[float]] = {}
	for _ in range(TURNS):
		for name, of_api in contenders.items():
			for api, one in of_api.items():
				for _n in range(FIRSTS):
					took.setdefault((name, api), []).append(run(one.ask(question(1))).took_ms)
				if one.pids:
					cpu.setdefault((name, api, "unpaced"), []).append(cpu_a_chunk(one, CHUNKS))
	for (name, api), of_one in took.items():
		wire = took[(WIRE, api)]
		row = found.setdefault(name, {}).setdefault(api, {})
		for share, label in ((0.5, "p50"), (0.99, "p99")):
			row[label] = percentile(of_one, share) - (0 if name == WIRE else percentile(wire, share))
	for (name, api, kind), spent in cpu.items():
		found[name][api][kind] = statistics.median(spent)
	return found


def paced(contenders: dict[str, dict[str, Contender]]) -> dict[str, Any]:
	"""CPU of a chunk at 50 a second, in microseconds, by peer and API."""
	found: dict[str, dict[str, list[float]]] = {}
	for _ in range(3):
		for name, of_api in contenders.items():
			for api, one in of_api.items():
				if one.pids:
					spent = cpu_a_chunk(one, PACED, EVERY)
					found.setdefault(name, {}).setdefault(api, []).append(spent)
	return {
		name: {api: {"paced": statistics.median(spent)} for api, spent in of_api.items()}
		for name, of_api in found.items()
	}


def many(contenders: dict[str, dict[str, Contender]], api: str = "chat/completions") -> dict[str, Any]:
	"""Lateness of the first chunk, memory and CPU with many chats at once, until a peer is late."""
	found: dict[str, Any] = {}
	for name, of_api in contenders.items():
		one = of_api.get(api)
		if one is None or not one.pids:
			continue
		levels = found.setdefault(name, {}).setdefault(api, {}).setdefault("at_once", {})
		for chats in LEVELS:
			levels[str(chats)] = at_once(one, chats)
			if levels[str(chats)]["p99_ms"] > LATE_MS:
				break
	return found


def large_request(base: str, site: str, key: str, pid: int) -> dict[str, float]:
	"""The time that this site adds to a request of 100 KB with 40 tools: p50 in ms, and CPU of the process."""
	headers = {"Authorization": f"Bearer {key}"}
	wire = run(asking.of_api(base, "chat/completions", None, {"tools": TOOLS}))
	ours = run(asking.of_api(site, "chat/completions", headers, {"tools": TOOLS, "model": "openai/scripted"}))
	took: dict[str, list[float]] = {"wire": [], "ours": []}
	cpu = 0.0
	for _ in range(5):
		for name, ask in (("wire", wire), ("ours", ours)):
			before = cpu_seconds([pid])
			took[name] += [run(ask(question(1))).took_ms for _ in range(FIRSTS)]
			cpu += cpu_seconds([pid]) - before if name == "ours" else 0
	ms = percentile(took["ours"], 0.5) - percentile(took["wire"], 0.5)
	return {"kb": len(json.dumps(TOOLS)) / 1000, "added_ms": ms, "cpu_ms": cpu / (5 * FIRSTS) * 1000}


def hang_ups(base: str, site: str, key: str) -> dict[str, float]:
	"""Seconds from a client's hang-up in mid-stream, and before the first chunk, to the provider's connection closed."""

	async def one(prompt: str, reads: bool) -> float:
		body = {"model": "openai/scripted", "messages": [{"role": "user", "content": prompt}], "stream": True}
		headers = {"Authorization": f"Bearer {key}"}
		async with aiohttp.ClientSession(headers=headers) as http:
			asked = asyncio.ensure_future(http.post(f"{site}/chat/completions", json=body))
			if reads:
				response = await asked
				await response.content.readany()
				response.close()
			else:
				await asyncio.sleep(0.2)
				asked.cancel()
		left = time.monotonic()
		async with aiohttp.ClientSession() as http:
			while True:
				async with http.get(f"{base}/closed".replace("/v1/", "/")) as response:
					later = [at for at in json.loads(await response.read()) if at >= left - 0.05]
				if later:
					return max(0.0, later[0] - left)
				await asyncio.sleep(0.02)

	streaming = [run(one(question(10_000, EVERY), True)) for _ in range(HANG_UPS)]
	silent = [
		run(one(json.dumps({"chunks": 1, "every": 0.01, "silent": 30}), False)) for _ in range(HANG_UPS)
	]
	return {"streaming_s": max(streaming), "silent_s": max(silent)}


def measure(say: Say, parts: tuple[str, ...] = PARTS) -> dict[str, Any]:
	"""Measures the parts. Returns the figures by peer and API, and those of `large_request` and `hang_ups`."""
	found: dict[str, Any] = {"load": os.getloadavg()[0]}
	with ExitStack() as stack:
		_pid, base = stack.enter_context(listening("provider"))
		wire = {path: Contender(WIRE, [], run(asking.of_api(base, path))) for path in APIS}
		contenders = {WIRE: wire}
		for name, begin in gateways.installed().items():
			say(f"{name}: start")
			pids, asks = stack.enter_context(begin(base))
			contenders[name] = {}
			for api, ask in asks.items():
				try:
					run(ask(question(10)))
				except (AssertionError, aiohttp.ClientError, ValueError) as error:
					# A row that a peer does not have.
					say(f"{name} does not answer {api}: {str(error)[:300]}")
					continue
				contenders[name][api] = Contender(name, pids, ask)
		for part, by in (("first", first_chunks), ("paced", paced), ("many", many)):
			if part in parts:
				say(part)
				for name, of_api in by(contenders).items():
					for api, figures in of_api.items():
						found.setdefault("peers", {}).setdefault(name, {}).setdefault(api, {}).update(figures)
		if "request" in parts:
			say("request")
			with tempfile.TemporaryDirectory() as folder:
				one = {"name": "openai", "api": "openai", "api_base": base, "api_key": "k", "models": ["*"]}
				process = StandaloneSite(
					Path(folder), {"providers": [{**one, "default_model": "m"}], "limits": LIMITS}
				)
				with process as site:
					address, key = site.url + PATH, str(site.first.ai_key)
					found["request"] = large_request(base, address, key, process.pid)
					found["hang_up"] = hang_ups(base, address, key)
		run(asking.close())
	return found


def number(value: float | None) -> str:
	"""A figure as the tables have it: one decimal place below 100, none above."""
	return "–" if value is None else f"{value:.1f}" if value < 100 else f"{value:,.0f}"


def rows(found: dict[str, Any]) -> list[list[str]]:
	"""The table of the peers: a row of each peer and API."""
	table = []
	for name, of_api in found.get("peers", {}).items():
		for api, row in of_api.items():
			levels = row.get("at_once", {})
			memory = max((at["mb_a_chat"] for at in levels.values()), default=None)
			at_most = str(_most(levels) or f"< {LEVELS[0]}") if levels else "–"
			table.append([name, api, *(number(row.get(key)) for key in FIGURES), at_most, number(memory)])
	return table


HEADS = [
	"gateway",
	"API",
	"added to the first chunk, p50, ms",
	"p99",
	"CPU for each chunk, µs",
	"at 50 a second",
	"chats at once",
	"MB for each chat",
]


def _most(levels: dict[str, Any]) -> int:
	"""The most chats at once whose first chunk is not late."""
	return max((int(n) for n, at in levels.items() if at["p99_ms"] <= LATE_MS), default=0)


def against(peers: dict[str, Any]) -> list[list[str]]:
	"""Rows of the table of targets: this site is better than each other gateway in each figure."""
	shown = []
	for name, of_api in peers.items():
		if name in (WIRE, OURS, LIMIT):
			continue
		for api, theirs in of_api.items():
			ours = peers[OURS].get(api, {})
			for key, label in FIGURES.items():
				if key in ours and key in theirs:
					values = [number(row[key]) for row in (ours, theirs)]
					better = "yes" if ours[key] < theirs[key] else "no"
					shown.append([f"{api}, against {name}: {label}", " and ".join(values), "less", better])
			if "at_once" in ours and "at_once" in theirs:
				most = [_most(row["at_once"]) for row in (ours, theirs)]
				better = "yes" if most[0] > most[1] or most == [LEVELS[-1]] * 2 else "no"
				values = [str(count) for count in most]
				goal = f"more, or both reach {LEVELS[-1]} (the most that is tried)"
				shown.append([f"{api}, against {name}: chats at once", " and ".join(values), goal, better])
	return shown


def goals(found: dict[str, Any]) -> list[list[str]]:
	"""Rows of the table of targets."""
	peers = found.get("peers", {})
	shown = against(peers) if OURS in peers else []
	ours = peers.get(OURS, {}).get("chat/completions", {})
	for key, goal in (("p50", 2), ("p99", 15)):
		if key in ours:
			name = f"added to the first chunk over SSE, {key}, ms"
			shown.append([name, f"{ours[key]:.2f}", f"≤ {goal}", "yes" if ours[key] <= goal else "no"])
	if "request" in found:
		added, seconds = found["request"]["added_ms"], max(found["hang_up"].values())
		name = f"a request of {found['request']['kb']:.0f} KB with 40 tools: time beyond that of the wire, p50, ms"
		shown.append([name, f"{added:.1f}", "≤ 15", "yes" if added <= 15 else "no"])
		name = "from the client's hang-up until the provider's connection is closed, s"
		shown.append([name, f"{seconds:.2f}", "≤ 1", "yes" if seconds <= 1 else "no"])
	return shown


def main() -> None:
	console = Console(highlight=False, width=150)
	parts = tuple(sys.argv[1:]) or PARTS
	found = measure(lambda text: console.print(f"measuring {text} …", style="dim"), parts)
	table = Table(*HEADS)
	for row in rows(found):
		table.add_row(*row)
	console.print(table)
	for goal in goals(found):
		console.print(" | ".join(goal))
	console.print(json.dumps(found))


if __name__ == "__main__":
	main()
