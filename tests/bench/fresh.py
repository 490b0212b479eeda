"""The first chat of a fresh web process of a bench: `python -m tests.bench.fresh BENCH SITE`.

All processes are started here, on a copy of the site (`tests.soak.sites.on_bench`). gunicorn starts anew for each run and
answers one `ping`, which is Frappe's own start. The next request is the chat.
"""

import asyncio
import statistics
import sys
from pathlib import Path

import httpx

from tests.soak.sites import on_bench

from . import asking
from .compare import configured, question, run
from .servers import listening

RUNS = 7


def main() -> None:
	runs: list[tuple[float, float, float]] = []
	with (
		listening("provider") as (_pid, base),
		on_bench(Path(sys.argv[1]), sys.argv[2], configured("openai", base)) as site,
		site.client() as client,
	):
		# The realtime server asks the web process for the user, and then keeps the connection.
		ask = run(asking.of_site(client))
		for _ in range(RUNS):
			site.restart_web()
			httpx.get(f"{client.url}/api/method/ping", timeout=60).raise_for_status()
			# The loop sees then that the connection to the process before is closed.
			run(asyncio.sleep(0.1))
			before = site.memory_mb()["web"]
			chat = run(ask(question(1)))
			runs.append((chat.accepted_ms, chat.took_ms, site.memory_mb()["web"] - before))
		run(asking.close())
		version = site.version
	event_1, first_chunk, megabytes = zip(*runs, strict=True)
	print(f"{version}: the first chat of a fresh web process, median of {RUNS} and the most")
	for name, values, unit, goal in (
		("event 1", event_1, "ms", 300),
		("first chunk", first_chunk, "ms", 500),
		("memory above Frappe's own", megabytes, "MB", 30),
	):
		print(f"{name}: {statistics.median(values):.0f} and {max(values):.0f} {unit}, goal {goal} {unit}")


if __name__ == "__main__":
	main()
