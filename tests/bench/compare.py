"""Compares this site with its alternatives, all with the same cheap provider, in one run.

What is compared:
	the wire         a client that reads the provider's bytes
	httpx, aiohttp   a loop that reads them and parses their JSON
	direct           the standalone site, its own adapter
	by litellm       the standalone site, the same provider spoken to by litellm
	naive            the standalone site, by litellm, with an event, a commit and a message a chunk
	litellm          a loop over litellm's stream, as it comes
	direct, on Frappe …  each Frappe bench that stands and is given; its CPU and memory are gunicorn's
	LiteLLM's proxy  in a virtual environment of its own, where one is given

CPU is that of the process under test alone, as the kernel counts it; a figure is the median of RUNS, in which the
contenders take turns.
"""

import asyncio
import json
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ai_assistant.client import Client
from tests.support.bench import Bench
from tests.support.processes import cpu_seconds, resident_mb
from tests.support.site import USERS, StandaloneSite

from . import asking
from .asking import Ask, Stamps, run
from .servers import listening, started, wait_for

RUNS = 5
LENGTHS = (100, 1_000, 10_000, 100_000)
PACED = 100
# Whose answers of any length take no time to speak of.
CHEAP = ("httpx", "aiohttp", "direct")
EVERY = 0.02
LEVELS = (10, 50, 100, 150, 300)
LATE_S = 0.25
LIMITS = {
	"requests_per_minute": 1_000_000,
	"concurrent_per_user": 1000,
	"concurrent_per_site": 1000,
	"web_percent": 100,
}
PROXY = Path("build/proxy/bin/litellm")


@dataclass
class Contender:
	name: str
	pids: list[int]
	ask: Ask
	"""Asks and reads to the end."""
	is_bench: bool = False

	@property
	def is_cheap(self) -> bool:
		return self.is_bench or self.name in CHEAP


def percentile(values: list[float], share: float) -> float:
	return sorted(values)[min(len(values) - 1, int(len(values) * share))]


def told(values: list[float], digits: int = 0) -> str:
	"""The median, the 99th percentile and the largest of some figures, in words."""
	figures = (statistics.median(values), percentile(values, 0.99), max(values))
	return " / ".join(f"{figure:.{digits}f}" for figure in figures) + f" of {len(values)}"


def question(chunks: int, every: float = 0) -> str:
	return json.dumps({"chunks": chunks, **({"every": every} if every else {})})


def configured(api: str, base: str) -> dict[str, Any]:
	provider = {
		"name": "p",
		"api": api,
		"api_base": base,
		"api_key": "k",
		"models": ["*"],
		"default_model": "m",
	}
	timeouts = {"first_token_s": 60, "idle_s": 60, "total_s": 110}
	return {"providers": [provider], "timeouts": timeouts, "limits": LIMITS}


@contextmanager
def site(name: str, api: str, base: str, module: str = "ai_assistant.cli") -> Iterator[Contender]:
	with tempfile.TemporaryDirectory() as folder:
		process = StandaloneSite(Path(folder), configured(api, base), module)
		with process as running, running.client(running.first) as client:
			yield Contender(name, [process.pid], run(asking.of_site(client)))


@contextmanager
def on_a_bench(bench: Bench, url: str, socketio_url: str, base: str) -> Iterator[Contender]:
	bench.inside("allow_tests")
	try:
		name = next(iter(USERS))
		token = bench.inside("prepare", users={name: USERS[name]}, config=configured("openai", base))[name]
		with Client(url, bench.site, socketio_url, token=token) as client:
			# Frappe 16 remembers site_config.json for a minute.
			while [provider["name"] for provider in client.get("list_models")["providers"]] != ["p"]:
				time.sleep(1)
			name = f"direct, on Frappe {bench.frappe_version()}"
			yield Contender(name, bench.web_pids(), run(asking.of_site(client)), is_bench=True)
	finally:
		bench.inside("restore")


@contextmanager
def litellms_proxy(models: dict[str, tuple[str, str]]) -> Iterator[tuple[int, str]]:
	"""Starts LiteLLM's proxy. Gives its process id and its address.

	Args:
		models: by the name that it is asked for, litellm's name of a model and the address of its provider.
	"""
	with tempfile.TemporaryDirectory() as folder:
		config = Path(folder) / "config.yaml"
		listed = [
			{"model_name": name, "litellm_params": {"model": model, "api_base": base, "api_key": "k"}}
			for name, (model, base) in models.items()
		]
		config.write_text(json.dumps({"model_list": listed}))
		port = "18643"
		command = (str(PROXY.absolute()), "--config", str(config), "--port", port, "--host", "127.0.0.1")
		settings = {
			"LITELLM_LOCAL_MODEL_COST_MAP": "True",
			# It takes equal chunks for a fault and ends the stream.
			"REPEATED_STREAMING_CHUNK_LIMIT": str(10**9),
			"LITELLM_DANGEROUSLY_PERMIT_WEAK_OR_UNSET_MASTER_KEY": "true",
		}
		with started(*command, env=settings, output=subprocess.DEVNULL) as process:
			url = f"http://127.0.0.1:{port}"
			wait_for(f"{url}/health/liveliness")
			yield process.pid, f"{url}/v1"


@contextmanager
def proxy(base: str) -> Iterator[Contender]:
	with litellms_proxy({"scripted": ("openai/m", base)}) as (pid, url):
		yield Contender("LiteLLM's proxy", [pid], run(asking.of_provider(url)))


def at_once(contender: Contender, chats: int) -> dict[str, float]:
	"""Chats of 4 s at 50 chunks a second, begun within a second: lateness of the first chunk, memory, CPU."""
	before, cpu, began = resident_mb(contender.pids), cpu_seconds(contender.pids), time.monotonic()
	most = before

	async def one(n: int) -> Stamps:
		await asyncio.sleep(n / chats)
		return await contender.ask(question(200, EVERY))

	async def all_of_them() -> list[Stamps | BaseException]:
		nonlocal most
		together = asyncio.gather(*(one(n) for n in range(chats)), return_exceptions=True)
		while not together.done():
			await asyncio.wait([together], timeout=0.1)
			most = max(most, resident_mb(contender.pids))
		return together.result()

	stamps = run(all_of_them())
	took = time.monotonic() - began
	late = [stamp.came - stamp.wrote for stamp in stamps if isinstance(stamp, Stamps)]
	failed = [stamp for stamp in stamps if isinstance(stamp, BaseException)]
	return {
		"p50_ms": percentile(late, 0.5) * 1000 if late else float("inf"),
		"p99_ms": percentile(late, 0.99) * 1000 if late and not failed else float("inf"),
		"mb_a_chat": (most - before) / chats,
		"cores": (cpu_seconds(contender.pids) - cpu) / took,
		"failed": len(failed),
	}


def first_chunks(contender: Contender, count: int = 20) -> list[Stamps]:
	"""From a provider that answers at once."""
	return [run(contender.ask(question(1))) for _ in range(count)]


def cpu_a_chunk(contender: Contender, chunks: int, every: float = 0) -> float:
	"""Microseconds of CPU, of one answer."""
	before = cpu_seconds(contender.pids)
	run(contender.ask(question(chunks, every)))
	return (cpu_seconds(contender.pids) - before) / chunks * 1e6


@contextmanager
def loop(name: str, kind: str, base: str) -> Iterator[Contender]:
	with started(sys.executable, "-m", "tests.bench.bare", kind, base) as process:
		assert process.stdin and process.stdout

		async def ask(prompt: str) -> Stamps:
			stamps = Stamps()
			print(prompt, file=process.stdin, flush=True)
			assert process.stdout
			stamps.wrote, stamps.came = json.loads(await asyncio.to_thread(process.stdout.readline))
			return stamps

		run(ask(question(1)))
		yield Contender(name, [process.pid], ask)


def measure(
	say: Callable[[str], None],
	keep: Callable[[dict[str, Any]], None],
	benches: Sequence[Callable[[str], AbstractContextManager[Contender]]] = (),
) -> dict[str, Any]:
	"""All figures, by contender: `cpu` by length and `paced`, `first_ms`, `at_once` by number of chats.

	The contenders take turns, so that what else the machine does meets them all. `keep` is given what there is after
	each part: a run that is stopped has not been for nothing. `benches` holds `on_a_bench` of each, by the provider's
	address.
	"""
	figures: dict[str, Any] = {}
	with ExitStack() as stack:
		_pid, base = stack.enter_context(listening("provider"))
		began = time.monotonic()
		contenders = [Contender("the wire", [], run(asking.of_provider(base)))]
		for begin in (
			loop("httpx", "httpx", base),
			loop("aiohttp", "aiohttp", base),
			loop("litellm", "litellm", base),
			loop("litellm, no logging", "quiet", base),
			site("direct", "openai", base),
			site("by litellm", "litellm/openai", base),
			site("naive", "litellm/openai", base, "tests.bench.naive"),
			*(bench(base) for bench in benches),
			*([proxy(base)] if PROXY.exists() else []),
		):
			contender = stack.enter_context(begin)
			say(f"{contender.name}: start")
			cold = first_chunks(contender, 1)[0].took_ms
			# Of a bench that stands it is the first of nothing.
			figures[contender.name] = {
				"cold_ms": None if contender.is_bench else cold,
				"mb": resident_mb(contender.pids),
			}
			contenders.append(contender)
		sites = contenders[5:]
		firsts: dict[str, list[Stamps]] = {}
		cpu: dict[str, dict[str, list[float]]] = {}
		for n in range(RUNS):
			for one in contenders:
				say(f"{one.name}: run {n + 1} of {RUNS}")
				if one not in contenders[1:5]:
					firsts.setdefault(one.name, []).extend(first_chunks(one))
				if one.pids:
					spent = cpu.setdefault(one.name, {})
					for chunks in (100, 1_000, 3_000, *((10_000,) if one.is_cheap else ())):
						spent.setdefault(str(chunks), []).append(cpu_a_chunk(one, chunks))
					spent.setdefault("paced", []).append(cpu_a_chunk(one, PACED, EVERY))
			for name, first in firsts.items():
				took, accepted = (
					[one_run.took_ms for one_run in first],
					[one_run.accepted_ms for one_run in first],
				)
				of_name = figures.setdefault(name, {})
				of_name["first_ms"] = {"p50": percentile(took, 0.5), "p99": percentile(took, 0.99)}
				if first[0].accepted:
					of_name["event_1_ms"] = {
						"p50": percentile(accepted, 0.5),
						"p99": percentile(accepted, 0.99),
					}
			for name, lengths in cpu.items():
				figures[name]["cpu"] = {
					length: statistics.median(one_run) for length, one_run in lengths.items()
				}
			keep(figures)
		for chats in LEVELS:
			for one in list(sites):
				say(f"{one.name}: {chats} chats at once")
				runs = [at_once(one, chats)]
				# One that is a second late will not do better.
				if runs[0]["p99_ms"] < 4 * LATE_S * 1000:
					runs = sorted(
						(*runs, at_once(one, chats), at_once(one, chats)),
						key=lambda one_run: one_run["p99_ms"],
					)
				# Of three the one in the middle; memory is what the first grew by, which the others use again.
				middle = {**runs[len(runs) // 2], "mb_a_chat": max(one_run["mb_a_chat"] for one_run in runs)}
				figures[one.name].setdefault("at_once", {})[str(chats)] = middle
				if middle["p99_ms"] > LATE_S * 1000 and (one.name != "direct" or chats >= 100):
					sites.remove(one)
			keep(figures)
		for one in contenders[1:]:
			say(f"{one.name}: long answers")
			spent = cpu[one.name]
			if not one.is_cheap and one.name != "naive":
				spent["10000"] = [cpu_a_chunk(one, 10_000)]
			if one.is_cheap:
				spent["100000"] = [cpu_a_chunk(one, 100_000) for _ in range(3)]
				# Beside it, and not minutes before.
				spent["1000"] = [cpu_a_chunk(one, 1_000) for _ in range(RUNS)]
			figures[one.name]["cpu"] = {
				length: statistics.median(one_run) for length, one_run in spent.items()
			}
			keep(figures)
		figures["took_s"] = time.monotonic() - began
		run(asking.close())
	return figures
