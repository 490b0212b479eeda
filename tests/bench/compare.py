"""The proof: this site against what one would take instead, all before the same cheap provider, in one run.

What is compared:
	the wire         an httpx loop that reads the provider and parses its JSON, nothing else
	direct           the standalone site, its own adapter
	by litellm       the standalone site, the same provider spoken to by litellm
	naive            the standalone site, by litellm, with an event, a commit and a message a chunk
	litellm          a loop over litellm's stream, as it comes
	litellm's proxy  in a virtual environment of its own, where one is given

CPU is that of the process under test alone, as the kernel counts it; a figure is the median of RUNS.
"""

import json
import os
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx

from tests.support.site import StandaloneSite

RUNS = 5
LENGTHS = (100, 1_000, 10_000, 100_000)
PACED = 200
EVERY = 0.02
LEVELS = (10, 25, 50, 100, 150)
LATE_S = 0.25
PROXY = Path("build/proxy/bin/litellm")


@dataclass
class Contender:
	name: str
	pid: int
	ask: Callable[[str], tuple[float, float]]
	"""Asks and reads to the end; the moments when the first text was written by the provider, and received."""


def cpu_seconds(pid: int) -> float:
	"""CPU time of another process, in the kernel's nanoseconds (Linux' clock id of a process)."""
	return time.clock_gettime((~pid << 3) | 2)


def resident_mb(pid: int) -> float:
	pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
	return pages * os.sysconf("SC_PAGE_SIZE") / 2**20


def percentile(values: list[float], share: float) -> float:
	return sorted(values)[min(len(values) - 1, int(len(values) * share))]


def question(chunks: int, every: float = 0) -> str:
	return json.dumps({"chunks": chunks, **({"every": every} if every else {})})


@contextmanager
def started(*command: str, env: dict[str, str] | None = None) -> Iterator[subprocess.Popen[str]]:
	process = subprocess.Popen(
		command,
		stdout=subprocess.PIPE,
		stderr=subprocess.DEVNULL,
		text=True,
		env={**os.environ, **(env or {})},
	)
	try:
		yield process
	finally:
		process.terminate()
		process.wait()


def over_http(url: str) -> Callable[[str], tuple[float, float]]:
	"""A client of the OpenAI API that reads a stream's bytes."""
	client = httpx.Client(
		timeout=120, limits=httpx.Limits(max_connections=None, max_keepalive_connections=200)
	)

	def ask(prompt: str) -> tuple[float, float]:
		body = {"model": "scripted", "messages": [{"role": "user", "content": prompt}], "stream": True}
		stamps: tuple[float, float] | None = None
		with client.stream(
			"POST", f"{url}/chat/completions", json=body, headers={"authorization": "Bearer sk-bench"}
		) as response:
			if response.status_code != 200:
				raise AssertionError(response.read())
			held = b""
			for data in response.iter_bytes():
				if stamps is None:
					held += data
					for line in held.split(b"\n"):
						if line.startswith(b"data: {") and line.endswith(b"}"):
							said = json.loads(line[6:])
							text = said["choices"] and said["choices"][0]["delta"].get("content")
							if text:
								stamps = (float(text[:16]), time.monotonic())
								break
		assert stamps
		return stamps

	return ask


@contextmanager
def site(name: str, api: str, base: str, module: str = "ai_assistant.cli") -> Iterator[Contender]:
	config = {
		"providers": [
			{"name": "p", "api": api, "api_base": base, "api_key": "k", "models": ["*"], "default_model": "m"}
		],
		"timeouts": {"first_token_s": 60, "idle_s": 60, "total_s": 110},
	}
	with tempfile.TemporaryDirectory() as folder:
		process = StandaloneSite(Path(folder), config, module)
		with process as running, running.client(running.first) as client:
			client.connect()

			def ask(prompt: str) -> tuple[float, float]:
				stamps: tuple[float, float] | None = None
				stream = client.chat(prompt)
				for event in stream:
					if stamps is None and event["type"] == "text":
						stamps = (float(event["text"][:16]), time.monotonic())
				if stamps is None:
					raise AssertionError(stream.error or stream.answer)
				return stamps

			yield Contender(name, process.pid, ask)


@contextmanager
def proxy(base: str) -> Iterator[Contender]:
	with tempfile.TemporaryDirectory() as folder:
		config = Path(folder) / "config.yaml"
		model = {"model": "openai/m", "api_base": base, "api_key": "k"}
		config.write_text(json.dumps({"model_list": [{"model_name": "scripted", "litellm_params": model}]}))
		port = "18643"
		command = (str(PROXY.absolute()), "--config", str(config), "--port", port, "--host", "127.0.0.1")
		with started(*command, env={"LITELLM_LOCAL_MODEL_COST_MAP": "True"}) as process:
			url = f"http://127.0.0.1:{port}"
			until = time.monotonic() + 90
			while True:
				try:
					httpx.get(f"{url}/health/liveliness", timeout=2)
					break
				except httpx.HTTPError:
					if time.monotonic() > until:
						raise
					time.sleep(0.2)
			yield Contender("litellm's proxy", process.pid, over_http(f"{url}/v1"))


def at_once(contender: Contender, chats: int) -> dict[str, float]:
	"""Chats of 4 s at 50 chunks a second, begun within a second: lateness of the first chunk, memory, CPU."""
	late: list[float] = []
	failed: list[Exception] = []

	def one(n: int) -> None:
		time.sleep(n / chats)
		try:
			wrote, came = contender.ask(question(200, EVERY))
			late.append(came - wrote)
		except Exception as error:
			failed.append(error)

	before, cpu = resident_mb(contender.pid), cpu_seconds(contender.pid)
	most = before
	threads = [threading.Thread(target=one, args=(n,)) for n in range(chats)]
	began = time.monotonic()
	for thread in threads:
		thread.start()
	while any(thread.is_alive() for thread in threads):
		most = max(most, resident_mb(contender.pid))
		time.sleep(0.1)
	took = time.monotonic() - began
	return {
		"p50_ms": percentile(late, 0.5) * 1000 if late else float("inf"),
		"p99_ms": percentile(late, 0.99) * 1000 if late and not failed else float("inf"),
		"mb_a_chat": (most - before) / chats,
		"cores": (cpu_seconds(contender.pid) - cpu) / took,
		"failed": len(failed),
	}


def first_chunks(contender: Contender, count: int = 100) -> list[float]:
	"""Seconds from the question to the first chunk, from a provider that answers at once."""
	took = []
	for _ in range(count):
		asked = time.monotonic()
		took.append(contender.ask(question(1))[1] - asked)
	return took


def cpu_a_chunk(contender: Contender, chunks: int, every: float = 0, runs: int = RUNS) -> float:
	"""Microseconds, the median of the runs."""
	spent = []
	for _ in range(runs):
		before = cpu_seconds(contender.pid)
		contender.ask(question(chunks, every))
		spent.append((cpu_seconds(contender.pid) - before) / chunks)
	return statistics.median(spent) * 1e6


def of_a_loop(kind: str, base: str, chunks: int, every: float = 0, runs: int = RUNS) -> float:
	"""The same of a loop in a process of its own."""
	command = [sys.executable, "-m", "tests.bench.bare", kind, base, question(chunks, every), str(runs)]
	printed = subprocess.run(command, stdout=subprocess.PIPE, check=True, text=True).stdout
	return statistics.median(json.loads(line) for line in printed.splitlines()) / chunks * 1e6


def measure(say: Callable[[str], None]) -> dict[str, Any]:
	"""All figures, by contender: `cpu` by length and `paced`, `first`, `at_once` by number of chats."""
	found: dict[str, Any] = {}
	with ExitStack() as stack:
		provider = stack.enter_context(started(sys.executable, "-m", "tests.bench.provider"))
		assert provider.stdout
		base = f"http://127.0.0.1:{int(provider.stdout.readline())}/v1"
		wire = over_http(base)
		began = time.monotonic()
		wire_took = first_chunks(Contender("the wire", os.getpid(), wire))
		found["the wire"] = {
			"first_ms": {"p50": percentile(wire_took, 0.5) * 1000, "p99": percentile(wire_took, 0.99) * 1000}
		}
		for name, kind in (("the wire", "httpx"), ("litellm", "litellm"), ("litellm, no logging", "quiet")):
			say(f"a loop: {name}")
			one = found.setdefault(name, {})
			one["cpu"] = {
				n: of_a_loop(kind, base, n, runs=RUNS if n < 10_000 else 1) for n in (*LENGTHS[:3], 3000)
			}
			one["cpu"]["paced"] = of_a_loop(kind, base, PACED, EVERY)
		contenders = [
			lambda: site("direct", "openai", base),
			lambda: site("by litellm", "litellm/openai", base),
			lambda: site("naive", "litellm/openai", base, "tests.bench.naive"),
			*([lambda: proxy(base)] if PROXY.exists() else []),
		]
		for begin in contenders:
			with begin() as contender:
				say(contender.name)
				cold = first_chunks(contender, 1)[0]
				took = first_chunks(contender)
				one = found[contender.name] = {"cold_ms": cold * 1000, "mb": resident_mb(contender.pid)}
				one["first_ms"] = {"p50": percentile(took, 0.5) * 1000, "p99": percentile(took, 0.99) * 1000}
				# A hundred thousand chunks take those by litellm minutes.
				lengths = LENGTHS if contender.name == "direct" else LENGTHS[:3]
				one["cpu"] = {
					n: cpu_a_chunk(contender, n, runs=RUNS if n < 10_000 or contender.name == "direct" else 1)
					for n in (*lengths, 3000)
				}
				one["cpu"]["paced"] = cpu_a_chunk(contender, PACED, EVERY)
				one["at_once"] = {}
				for chats in LEVELS:
					one["at_once"][chats] = at_once(contender, chats)
					if one["at_once"][chats]["p99_ms"] > LATE_S * 1000:
						break
		found["took_s"] = time.monotonic() - began
	return found


if __name__ == "__main__":
	json.dump(
		measure(lambda what: print(f"measuring {what} …", file=sys.stderr, flush=True)), sys.stdout, indent=1
	)
