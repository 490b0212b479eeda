"""What chats in the background cost on a bench: `python -m tests.bench.worker BENCH SITE [chats]`.

As many chats at once as the worker has places, at 20 tokens a second each, again and again: from the provider's first
write to the client's socket, and the memory that each worker and the process of its chat have for themselves.
"""

import re
import statistics
import sys
import threading
import time
from pathlib import Path

from ai_assistant.realtime.client import Client
from tests.bench_site import Bench
from tests.support import script, unique
from tests.support.processes import children
from tests.support.provider import ScriptedProvider
from tests.support.site import PROVIDER_PORT, USERS, site_config

ROUNDS, TOKENS, A_SECOND = 5, 120, 20


def main() -> None:
	bench, chats = Bench(Path(sys.argv[1]), sys.argv[2]), int(sys.argv[3]) if sys.argv[3:] else 16
	url = f"http://{bench.site}:{bench.setting('webserver_port', 8000)}"
	socketio_url = f"http://{bench.site}:{bench.setting('socketio_port', 9000)}"
	memory: list[float] = []
	with ScriptedProvider(PROVIDER_PORT) as provider:
		config = {**site_config(provider), "timeouts": {"first_token_s": 60, "total_background_s": 600}}
		bench.inside("allow_tests")
		try:
			tokens = bench.inside("prepare", users=USERS, config=config)
			client = Client(url, bench.site, socketio_url, token=tokens[next(iter(USERS))])
			client.connect()
			with client, bench.worker(chats) as pool:
				# The first of each worker is none of those that count.
				_at_once(client, provider, chats, rounds=1, apart_s=0.0)
				measured = threading.Event()
				watch = threading.Thread(target=_watch, args=(pool.pid, memory, measured))
				watch.start()
				apart = _at_once(client, provider, chats, ROUNDS, apart_s=TOKENS / A_SECOND / chats)
				together = _at_once(client, provider, chats, rounds=1, apart_s=0.0)
				measured.set()
				watch.join()
				accepted = [_accepted(client) for _ in range(50)]
		finally:
			bench.inside("restore")
	print(f"{chats} chats at once, {TOKENS} tokens each, {A_SECOND} a second")
	for name, unit, found in (
		("answer `queued`", "ms", accepted),
		("provider's first chunk to the client", "ms", apart),
		("the same where all start in one moment", "ms", together),
		("private memory of a worker and its chat", "MB", memory),
	):
		ordered = sorted(found)
		p99 = ordered[min(len(ordered) - 1, int(len(ordered) * 0.99))]
		print(
			f"{name}: p50 {statistics.median(ordered):.1f} {unit}, p99 {p99:.1f}, largest {ordered[-1]:.1f}"
			f" ({len(ordered)})"
		)


def _accepted(client: Client) -> float:
	stream = client.chat("warm")
	stream.wait()
	started = time.perf_counter()
	messages = [{"role": "user", "content": script({"text": "Yes."})}]
	client.post("chat_completion", messages=messages, background=True)
	return (time.perf_counter() - started) * 1000


def _at_once(
	client: Client, provider: ScriptedProvider, chats: int, rounds: int, apart_s: float
) -> list[float]:
	"""Milliseconds from the provider's write of its first chunk to the client, of `rounds` chats in each place."""
	late: list[float] = []

	def place(n: int) -> None:
		time.sleep(n * apart_s)
		for _ in range(rounds):
			marker, seen = unique(), 0.0
			prompt = script({"note": marker}, {"text": "word ", "repeat": TOKENS, "every": 1 / A_SECOND})
			for event in client.chat(prompt, background=True):
				if event["type"] == "text" and not seen:
					seen = time.perf_counter()
			asked = provider.wait_for(marker)
			late.append((seen - next(at for at, data in asked.written if b"word" in data)) * 1000)

	threads = [threading.Thread(target=place, args=(n,)) for n in range(chats)]
	for thread in threads:
		thread.start()
	for thread in threads:
		thread.join()
	return late


def _watch(pool: int, memory: list[float], measured: threading.Event) -> None:
	while not measured.wait(1):
		memory.extend(_private(pool))


def _private(pool: int) -> list[float]:
	"""MB that each worker of the pool and the child that runs its chat have for themselves alone."""

	def own(pid: int) -> float:
		found = re.findall(r"Private_\w+:\s+(\d+) kB", Path(f"/proc/{pid}/smaps_rollup").read_text())
		return sum(int(kilobytes) for kilobytes in found) / 1024

	try:
		return [own(worker) + own(child) for worker in children(pool) for child in children(worker)]
	except OSError:
		# One of them ended meanwhile.
		return []


if __name__ == "__main__":
	main()
