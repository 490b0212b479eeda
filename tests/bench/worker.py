"""What chats in the background cost on a bench: `python -m tests.bench.worker BENCH SITE [CHATS [A_SECOND]]`.

As many chats at once as there are places, each of 120 tokens, again and again: from the provider's first write to the
client's socket, and the CPU and memory of all processes of the worker. First in the one process of
`ai-assistant worker`, then in Frappe's own pool of as many (`bench worker-pool --queue ai`), which forks for each chat; the first
with the direct adapter and through litellm.
"""

import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from ai_assistant.client import Client
from tests.support import script, unique
from tests.support.bench import Bench
from tests.support.processes import descendants
from tests.support.provider import ScriptedProvider
from tests.support.site import PROVIDER_PORT, USERS, each_adapter

from .compare import told

ROUNDS, TOKENS = 3, 120
TICKS_A_SECOND = os.sysconf("SC_CLK_TCK")
ROWS = (("one process", "openai"), ("one process", "litellm"), ("a process each", "openai"))


class Load:
	"""So many chats at once of one provider, each with so many tokens a second."""

	def __init__(
		self, client: Client, provider: ScriptedProvider, name: str, chats: int, a_second: int
	) -> None:
		self.client, self.provider, self.name = client, provider, name
		self.chats, self.a_second = chats, a_second

	def late(self, rounds: int, apart: bool) -> list[float]:
		"""Milliseconds from the provider's write of its first chunk to the client, of `rounds` chats in each place.

		They begin one after the other (`apart`), or all in one moment.
		"""
		delays: list[float] = []

		def place(n: int) -> None:
			if apart:
				time.sleep(n * TOKENS / self.a_second / self.chats)
			for _ in range(rounds):
				marker, seen = unique(), 0.0
				every = 1 / self.a_second
				prompt = script({"note": marker}, {"text": "word ", "repeat": TOKENS, "every": every})
				for event in self.client.chat(prompt, background=True, provider=self.name):
					if event["type"] == "text" and not seen:
						seen = time.perf_counter()
				written = self.provider.wait_for(marker).written
				delays.append((seen - next(at for at, data in written if b"word" in data)) * 1000)

		threads = [threading.Thread(target=place, args=(n,)) for n in range(self.chats)]
		for thread in threads:
			thread.start()
		for thread in threads:
			thread.join()
		return delays


def main() -> None:
	bench = Bench(Path(sys.argv[1]), sys.argv[2])
	chats, a_second = (*map(int, sys.argv[3:]), *(16, 20)[len(sys.argv) - 3 :])
	url = f"http://{bench.site}:{bench.setting('webserver_port', 8000)}"
	socketio_url = f"http://{bench.site}:{bench.setting('socketio_port', 9000)}"
	print(f"{chats} chats at once, {TOKENS} tokens each, {a_second} a second; p50 / p99 / largest of n in ms")
	print("| chats in | provider | one after the other | in one moment | CPU a chat | memory (PSS) | load |")
	print("| --- | --- | --- | --- | --- | --- | --- |")
	with ScriptedProvider(PROVIDER_PORT) as provider:
		config = each_adapter(provider, timeouts={"first_token_s": 60, "total_background_s": 600})
		bench.inside("allow_tests")
		try:
			tokens = bench.inside("prepare", users=USERS, config=config)
			with Client(url, bench.site, socketio_url, token=tokens[next(iter(USERS))]) as client:
				client.connect()
				for kind, name in ROWS:
					with bench.worker(chats) if kind == "one process" else _pool(bench, chats) as worker:
						figures = _measure(worker.pid, Load(client, provider, name, chats, a_second))
					adapter = "through litellm" if name == "litellm" else "direct"
					print(f"| {kind} | {adapter} | {figures} | {os.getloadavg()[0]:.1f} |", flush=True)
		finally:
			bench.inside("restore")


def _measure(pid: int, load: Load) -> str:
	# The first of each place is none of those that count.
	load.late(rounds=1, apart=False)
	held: list[float] = []
	measured = threading.Event()

	def watch() -> None:
		while not measured.wait(1):
			held.append(_memory(pid))

	watching = threading.Thread(target=watch)
	watching.start()
	before = _cpu(pid)
	apart = load.late(ROUNDS, apart=True)
	cpu = (_cpu(pid) - before) / len(apart)
	together = load.late(rounds=1, apart=False)
	measured.set()
	watching.join()
	return f"{told(apart, 1)} | {told(together, 1)} | {1000 * cpu:.0f} ms | {max(held):.0f} MB"


@contextmanager
def _pool(bench: Bench, workers: int) -> Iterator[subprocess.Popen[str]]:
	"""Frappe's own, which knows nothing of the app."""
	command = ["-m", "frappe.utils.bench_helper", "frappe", "worker-pool", "--queue", "ai"]
	process = subprocess.Popen(
		[bench.python, *command, "--num-workers", str(workers)],
		cwd=bench.sites,
		text=True,
		stdout=subprocess.PIPE,
		stderr=subprocess.STDOUT,
	)
	assert process.stdout
	for _ in range(workers):
		next(line for line in process.stdout if "Listening on" in line)
	threading.Thread(target=process.stdout.read, daemon=True).start()
	try:
		yield process
	finally:
		process.terminate()
		process.wait()


def _each(pid: int, file: str) -> Iterator[str]:
	for process in (pid, *descendants(pid)):
		try:
			yield Path(f"/proc/{process}/{file}").read_text()
		except OSError:
			# It ended meanwhile.
			continue


def _cpu(pid: int) -> float:
	"""Seconds, of those too that have ended and been waited for."""
	fields = (text.rpartition(")")[2].split()[11:15] for text in _each(pid, "stat"))
	return sum(int(ticks) for field in fields for ticks in field) / TICKS_A_SECOND


def _memory(pid: int) -> float:
	"""MB; a page that several share counts to each by its part."""
	return sum(int(text.split("\nPss:")[1].split()[0]) for text in _each(pid, "smaps_rollup")) / 1024


if __name__ == "__main__":
	main()
