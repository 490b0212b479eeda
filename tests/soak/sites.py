"""The sites under test: processes of a bench, or the standalone site. Their parts can be killed and started again."""

import os
import platform
import shutil
import signal
import sqlite3
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, closing, contextmanager
from pathlib import Path
from typing import Any

from ai_assistant.client import Client
from tests.faults.bench.stack import Stack
from tests.support.bench import Bench
from tests.support.processes import cpu_seconds, descendants, resident_mb
from tests.support.site import USERS, StandaloneSite

Config = dict[str, Any]


class OnBench:
	"""Web process, worker, realtime server, Redis and MariaDB of a bench, all started here."""

	faults = ("the worker killed with -9", "Redis killed and restarted")
	killed = "worker"

	def __init__(self, stack: Stack, token: str) -> None:
		self._stack, self._token = stack, token
		self.version = f"Frappe {stack.bench.frappe_version()}"

	def client(self) -> Client:
		stack = self._stack
		return Client(stack.url, stack.bench.site, stack.socketio_url, token=self._token)

	def kill_worker(self) -> None:
		self._stack.kill("worker")
		self._stack.start("worker")

	def restart_web(self) -> None:
		self._stack.kill("web")
		self._stack.start("web")

	def restart_redis(self) -> None:
		for name in ("queue", "cache"):
			self._stack.kill(name)
		# The realtime server ends with Redis.
		self._stack.running.pop("realtime").wait(20)
		for name in ("queue", "cache", "realtime"):
			self._stack.start(name)

	def configure(self, config: Config) -> None:
		self._stack.bench.inside("configure", config=config)

	def leases(self) -> dict[str, float]:
		"""The seconds that the lease of each running request has left, by the id of the request."""
		query = (
			"SELECT request_id, lease - UNIX_TIMESTAMP(NOW(6)) FROM `tabAI Request` WHERE status = 'running'"
		)
		lines = self._stack.sql(query).communicate()[0].splitlines()[1:]
		return {request_id: float(left_s) for request_id, left_s in (line.split("\t") for line in lines)}

	def memory_mb(self) -> dict[str, float]:
		return {name: self._stack.figures(name)["memory"] / 1024 for name in ("web", "worker")}

	def cpu_s(self) -> float:
		web = self._stack.running["web"].pid
		return cpu_seconds((web, *descendants(web)))


@contextmanager
def on_bench(folder: Path, site: str, config: Config) -> Iterator[OnBench]:
	"""Starts processes of a bench on a copy of a site: its folder and its database. The bench itself is not touched."""
	bench = Bench(folder, site)
	with tempfile.TemporaryDirectory(prefix="soak-") as temporary:
		bench.sites = _copied(bench, Path(temporary))
		stack = Stack(bench, Path(temporary))
		bench.environment = stack.environment
		try:
			for name in ("queue", "cache"):
				stack.start(name)
			stack.make_database()
			print("→ migrating the copy of the site", flush=True)
			bench.command("migrate", stdout=subprocess.DEVNULL, check=True)
			tokens = bench.inside("prepare", users=USERS, config=config)
			for name in ("realtime", "web", "worker"):
				stack.start(name)
			yield OnBench(stack, tokens[next(iter(USERS))])
		finally:
			stack.stop_all()


def _copied(bench: Bench, folder: Path) -> Path:
	"""Copies the folder of a site, without its files and logs. Returns the folder of sites, which has links to the rest."""
	sites = folder / "sites"
	sites.mkdir()
	(folder / "logs").mkdir()
	for path in bench.sites.iterdir():
		if path.name == bench.site:
			shutil.copytree(path, sites / path.name, ignore=shutil.ignore_patterns("private", "*.log*"))
		elif path.is_file() or path.name == "assets":
			(sites / path.name).symlink_to(path)
	for name in ("files", "backups"):
		(sites / bench.site / "private" / name).mkdir(parents=True)
	return sites


class Standalone:
	"""The standalone site, which is one process: it is web server, worker and realtime server, and has no Redis."""

	faults = ("the site killed with -9",)
	killed = "site"
	version = f"Python {platform.python_version()}"

	def __init__(self, folder: Path, config: Config) -> None:
		self._process = StandaloneSite(folder, config)
		self._site = self._process.__enter__()

	def client(self) -> Client:
		return self._site.client(self._site.first, by_token=True)

	def kill_worker(self) -> None:
		os.kill(self._process.pid, signal.SIGKILL)
		self._process.__exit__()
		self._process.port = int(self._site.url.rpartition(":")[2])
		self._process.__enter__()

	restart_redis: Callable[[], None] | None = None

	def configure(self, config: Config) -> None:
		self._process.configure(config)

	def leases(self) -> dict[str, float]:
		"""The seconds that the lease of each running request has left, by the id of the request."""
		with closing(sqlite3.connect(self._process.data / "site.sqlite")) as database:
			rows = database.execute(
				"SELECT request_id, lease FROM request WHERE status = 'running'"
			).fetchall()
		return {request_id: lease - time.time() for request_id, lease in rows}

	def memory_mb(self) -> dict[str, float]:
		return {"site": resident_mb([self._process.pid])}

	def cpu_s(self) -> float:
		return cpu_seconds([self._process.pid])

	def stop(self) -> None:
		self._process.__exit__()


@contextmanager
def standalone(config: Config) -> Iterator[Standalone]:
	"""Starts the standalone site."""
	with tempfile.TemporaryDirectory(prefix="soak-") as temporary:
		site = Standalone(Path(temporary), config)
		try:
			yield site
		finally:
			site.stop()


def started(
	bench: Path | None, site: str, config: Config
) -> AbstractContextManager[OnBench] | AbstractContextManager[Standalone]:
	"""Starts a copy of a bench's site, or the standalone site if there is no bench."""
	return on_bench(bench, site, config) if bench else standalone(config)
