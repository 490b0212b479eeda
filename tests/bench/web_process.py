"""How long the rest of a site waits while chats run: `python -m tests.bench.web_process BENCH SITE [CHATS]`.

Two gunicorn workers of bench's default class (sync) serve the site, as on a stock bench, and chats go to
`ai-assistant web`, as nginx would pass them on. The pings of the site are measured without chats and while all of them run
at 50 chunks a second, and the growth and CPU of the chats' process beside them.
"""

import asyncio
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import httpx

from ai_assistant.client import Client
from tests.support.bench import Bench
from tests.support.processes import cpu_seconds, descendants, resident_mb
from tests.support.site import USERS

from . import asking
from .asking import Stamps
from .compare import configured, percentile, question, run, told
from .servers import listening

CHATS, SECONDS, EVERY = 64, 10, 0.02
WEB, APP_WEB = 8790, 8791


@contextmanager
def served(bench: Bench, command: list[str], port: int) -> Iterator[subprocess.Popen[bytes]]:
	process = subprocess.Popen(command, cwd=bench.sites, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
	try:
		while True:
			try:
				httpx.get(f"http://127.0.0.1:{port}/", timeout=60)
				break
			except httpx.TransportError:
				assert process.poll() is None, f"{command} ended"
				time.sleep(0.2)
		yield process
	finally:
		process.terminate()
		process.wait()


def gunicorn_of(bench: Bench) -> list[str]:
	"""The beginning of a command that serves the site at WEB."""
	return [str(bench.folder / "env" / "bin" / "gunicorn"), "-b", f"127.0.0.1:{WEB}", "-t", "120"]


@contextmanager
def prepared(bench: Bench) -> Iterator[str]:
	"""Configures the site for a provider that runs meanwhile. Gives the token of a user."""
	with listening("provider") as (_pid, base):
		bench.inside("allow_tests")
		try:
			name = next(iter(USERS))
			tokens = bench.inside("prepare", users={name: USERS[name]}, config=configured("openai", base))
			yield tokens[name]
		finally:
			bench.inside("restore")


def client_of(bench: Bench, token: str) -> Client:
	"""A client of the site at WEB, with the bench's own realtime server."""
	socketio_url = f"http://{bench.site}:{bench.setting('socketio_port', 9000)}"
	return Client(f"http://{bench.site}:{WEB}", bench.site, socketio_url, token=token)


async def pings(site: str, seconds: float) -> list[float]:
	"""Milliseconds of `ping` on the site's own web server, twenty a second."""
	took: list[float] = []

	async def ping(client: httpx.AsyncClient) -> None:
		began = time.perf_counter()
		(await client.get("/api/method/ping")).raise_for_status()
		took.append((time.perf_counter() - began) * 1000)

	headers = {"X-Frappe-Site-Name": site}
	until = time.monotonic() + seconds
	async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{WEB}", headers=headers, timeout=60) as client:
		running: list[asyncio.Task[None]] = []
		while time.monotonic() < until:
			running.append(asyncio.create_task(ping(client)))
			await asyncio.sleep(0.05)
		await asyncio.gather(*running)
	return took


async def together(ask: asking.Ask, chats: int, site: str) -> tuple[list[Stamps], list[float]]:
	prompt = question(int((SECONDS + 3) / EVERY), EVERY)
	running = [asyncio.create_task(ask(prompt)) for _ in range(chats)]
	# Until all of them have begun.
	await asyncio.sleep(2)
	took = await pings(site, SECONDS)
	return list(await asyncio.gather(*running)), took


def main() -> None:
	bench = Bench(Path(sys.argv[1]), sys.argv[2])
	chats = int(sys.argv[3]) if len(sys.argv) > 3 else CHATS
	gunicorn = [*gunicorn_of(bench), "-w", "2"]
	app_web = [
		bench.python,
		*bench.helper,
		"ai-assistant",
		"web",
		"--address",
		f"127.0.0.1:{APP_WEB}",
		"--chats",
		str(chats),
	]
	with ExitStack() as stack:
		token = stack.enter_context(prepared(bench))
		stack.enter_context(served(bench, [*gunicorn, "frappe.app:application"], WEB))
		process = stack.enter_context(served(bench, [str(part) for part in app_web], APP_WEB))
		client = stack.enter_context(client_of(bench, token))
		ask = run(asking.of_site(client))
		# The realtime server asks the site's web server for the user. Then nginx passes the chats on.
		client.url = f"http://{bench.site}:{APP_WEB}"
		run(ask(question(1)))
		run(pings(bench.site, 2))
		print(
			"| chats | ping p50 / p99 / largest, ms | first chunk p50 / p99, ms | MB for each chat | cores |"
		)
		print("| --- | --- | --- | --- | --- |")
		print(f"| 0 | {told(run(pings(bench.site, SECONDS)))} | | | |", flush=True)
		pids = [process.pid, *descendants(process.pid)]
		memory, cpu, began = resident_mb(pids), cpu_seconds(pids), time.monotonic()
		stamps, took = run(together(ask, chats, bench.site))
		late = [(one.came - one.wrote) * 1000 for one in stamps]
		cores = (cpu_seconds(pids) - cpu) / (time.monotonic() - began)
		first = f"{percentile(late, 0.5):.0f} / {percentile(late, 0.99):.0f}"
		grown = (resident_mb(pids) - memory) / chats
		print(f"| {chats} | {told(took)} | {first} | {grown:.2f} | {cores:.2f} |")
		run(asking.close())


if __name__ == "__main__":
	main()
