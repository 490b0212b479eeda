"""`make bench`: the figures, in one run, as a table, as bench-results.json and as docs/performance.md.

Provider, client and clock are in this process; the site under test is one of its own, as a user runs it. CPU is
the site's alone, as the kernel counts it.
"""

import argparse
import json
import os
import platform
import statistics
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from ai_assistant.client import Client
from tests.support import script, unique
from tests.support.bench import Bench
from tests.support.provider import ScriptedProvider
from tests.support.site import StandaloneSite, site_config

from . import compare, earlier, peers, report, wires
from .compare import percentile

RESULTS = Path("bench-results.json")
CHATS = 60
EARLIER_CHATS = 200
PACED_S = 12
RATE = 50

console = Console(highlight=False)


def say(name: str) -> None:
	console.print(f"measuring {name} …", style="dim")


@dataclass
class Figure:
	name: str
	value: float
	unit: str
	target: float | None = None
	at_least: float | None = None

	@property
	def reached(self) -> bool | None:
		if self.target is None:
			return None
		return self.value <= self.target and (self.at_least is None or self.value >= self.at_least)


@contextmanager
def site_and_client(
	provider: ScriptedProvider, module: str = "ai_assistant.cli"
) -> Iterator[tuple[StandaloneSite, Client]]:
	config = {**site_config(provider), "timeouts": {"first_token_s": 30, "idle_s": 30, "total_s": 110}}
	with tempfile.TemporaryDirectory() as folder:
		process = StandaloneSite(Path(folder), config, module)
		with process as site, site.client(site.first) as client:
			client.connect()
			yield process, client


def first_events(client: Client, provider: ScriptedProvider) -> list[Figure]:
	"""From the POST to event 1: of the process's first request, warm, and with a slow provider."""

	def seconds(prompt: str) -> float:
		started = time.perf_counter()
		events = iter(client.chat(prompt))
		next(events)
		arrived = time.perf_counter()
		for _ in events:
			pass
		return arrived - started

	cold = seconds("the first")
	warm = [seconds(script({"text": "x"})) for _ in range(CHATS)]
	slow = seconds(script({"sleep": 10}, {"text": "x"}))
	return [
		Figure("POST to event 1, first request of the process", cold * 1000, "ms", 500),
		Figure("POST to event 1, p50", statistics.median(warm) * 1000, "ms", 500),
		Figure("POST to event 1, p99", percentile(warm, 0.99) * 1000, "ms", 500),
		Figure("POST to event 1, provider takes 10 s", slow * 1000, "ms", 500),
	]


def delivery(client: Client, provider: ScriptedProvider) -> list[Figure]:
	"""From the provider's write to the client's receipt, for the first chunk of each phase."""
	took: list[float] = []
	for _ in range(CHATS):
		thought, text = unique("thought"), unique("said")
		arrived: dict[str, float] = {}
		for event in client.chat(
			script({"sleep": 0.05}, {"reasoning": thought}, {"sleep": 0.05}, {"text": text})
		):
			arrived.setdefault(event.get("text", ""), time.perf_counter())
		written = provider.wait_for(thought).written
		for marker in (thought, text):
			wrote = next(at for at, data in written if marker.encode() in data)
			took.append(arrived[marker] - wrote)
	return [
		Figure(
			"provider's write to client, first chunk of a phase, p50",
			statistics.median(took) * 1000,
			"ms",
			10,
		),
		Figure(
			"provider's write to client, first chunk of a phase, p99", percentile(took, 0.99) * 1000, "ms", 50
		),
	]


def pace(client: Client, provider: ScriptedProvider) -> list[Figure]:
	"""Events of answers of 1 to 12 s, and the longest that a character waits."""
	counts: dict[int, int] = {}
	waits: list[float] = []
	lock = threading.Lock()

	def one(seconds: int) -> None:
		marker = unique("pace")
		pieces = seconds * RATE
		thinking = pieces // 3
		steps = [
			{"repeat": thinking, "reasoning": "word ", "every": 1 / RATE},
			{"repeat": pieces - thinking, "text": "word ", "every": 1 / RATE},
			{"note": marker},
		]
		arrived: list[tuple[float, int]] = []
		count = 0
		for event in client.chat(script(*steps)):
			if event["type"] == "ai_status":
				continue
			count += 1
			arrived.append((time.perf_counter(), len(event["text"]) // len("word ")))
		written = [at for at, data in provider.wait_for(marker).written if b"word " in data]
		with lock:
			counts[seconds] = count
			position = 0
			for at, words in arrived:
				waits.extend(at - wrote for wrote in written[position : position + words])
				position += words

	threads = [threading.Thread(target=one, args=(seconds,)) for seconds in (1, 2, 4, 8, PACED_S)]
	for thread in threads:
		thread.start()
	for thread in threads:
		thread.join()
	return [
		*(Figure(f"events of an answer of {s} s", n, "", 20, 5) for s, n in sorted(counts.items())),
		Figure("longest wait of a character, provider's write to client", max(waits) * 1000, "ms", 1000),
	]


def _benches() -> list[Callable[[str], AbstractContextManager[compare.Contender]]]:
	"""The benches on the command line, each with its site and the two addresses of its servers."""
	parser = argparse.ArgumentParser(prog="python -m tests.bench")
	parser.add_argument("--bench", type=Path, nargs="+", default=[])
	parser.add_argument("--site", nargs="+", default=[])
	parser.add_argument("--url", nargs="+", default=[])
	parser.add_argument("--socketio-url", nargs="+", default=[])
	options = parser.parse_args()
	if len(options.bench) != len(options.site) or any(
		urls and len(urls) != len(options.bench) for urls in (options.url, options.socketio_url)
	):
		parser.error("name a site for each bench, and a URL for each or for none")
	benches = []
	for n, (folder, site) in enumerate(zip(options.bench, options.site, strict=True)):
		bench = Bench(folder, site)
		port = bench.setting("webserver_port", 8000)
		url = options.url[n] if options.url else f"http://{site}:{port}"
		port = bench.setting("socketio_port", 9000)
		socketio_url = options.socketio_url[n] if options.socketio_url else f"http://{site}:{port}"
		bench.web_pids()
		benches.append(partial(compare.on_a_bench, bench, url, socketio_url))
	return benches


def main() -> None:
	benches = _benches()
	figures: list[Figure] = []
	with ScriptedProvider() as provider:
		with site_and_client(provider) as (_, client):
			parts: list[tuple[str, Callable[[Client, ScriptedProvider], list[Figure]]]] = [
				("event 1", first_events),
				("delivery", delivery),
				("pace", pace),
			]
			for name, measure in parts:
				say(name)
				figures += measure(client, provider)
		say("each wire")
		for name, value, unit, target, is_least in wires.rows(provider):
			figures.append(
				Figure(name, value, unit, 100 if is_least else target, target if is_least else None)
			)
	rows = [{**vars(figure), "reached": figure.reached} for figure in figures]
	RESULTS.write_text(json.dumps({"figures": rows}, indent=1) + "\n")
	compared = compare.measure(
		say,
		lambda written: report.KEPT.write_text(json.dumps(written, indent=1) + "\n"),
		benches,
	)
	compared["gateways"] = peers.measure(say)
	if earlier.is_here(earlier.COMMIT):
		say("version 0.2.0")
		compared["earlier"] = earlier.measure(earlier.COMMIT, EARLIER_CHATS)
	report.write(compared, rows)
	reached = report.goals(compared)
	table = Table("figure", "measured", "target", "")
	for figure in figures:
		target = "" if figure.target is None else f"≤ {figure.target:g} {figure.unit}"
		if figure.at_least is not None:
			target = f"{figure.at_least:g} to {figure.target:g}"
		mark = {None: "", True: "✓", False: "✗"}[figure.reached]
		table.add_row(figure.name, f"{figure.value:.4g} {figure.unit}", target, mark)
	for what, measured, goal, is_reached in reached:
		table.add_row(what, measured, goal, "✓" if is_reached == "yes" else "✗")
	console.print(table)
	machine: dict[str, Any] = {
		"cores": os.cpu_count(),
		"python": platform.python_version(),
		"machine": platform.machine(),
	}
	RESULTS.write_text(
		json.dumps({"machine": machine, "figures": rows, "compared": compared}, indent=1) + "\n"
	)
	console.print(f"Kept in {RESULTS}.")
	console.print("The comparison is in docs/performance.md.")
	sys.exit(any(figure.reached is False for figure in figures) or any(row[3] == "no" for row in reached))


if __name__ == "__main__":
	main()
