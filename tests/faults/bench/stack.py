"""A bench's own processes beside the running ones, which tests kill, freeze and restart.

The code and the site's folder are the bench's; Redis, the database (a copy of the site's), the realtime server, gunicorn
and the workers are others on ports of their own, told by the variables that Frappe reads (frappe/__init__.py,
`get_site_config`; node_utils.js). So no fault reaches what somebody may be working with.
"""

import json
import os
import signal
import socket
import subprocess
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import psutil
import redis

from tests.support.bench import CHECKOUT, Bench
from tests.support.processes import descendants

INSIDE = Path(__file__).with_name("inside.py")


class Stack:
	def __init__(self, bench: Bench, folder: Path) -> None:
		self.bench, self.folder = bench, folder
		self.ports = {
			name: _free_port() for name in ("queue", "cache", "database", "realtime", "web", "app web")
		}
		self.url = f"http://{bench.site}:{self.ports['web']}"
		self.socketio_url = f"http://{bench.site}:{self.ports['realtime']}"
		redis = "redis://127.0.0.1:{}"
		self.environment = {
			**os.environ,
			"FRAPPE_REDIS_QUEUE": redis.format(self.ports["queue"]),
			"FRAPPE_REDIS_CACHE": redis.format(self.ports["cache"]),
			"FRAPPE_DB_HOST": "127.0.0.1",
			"FRAPPE_DB_PORT": str(self.ports["database"]),
			"FRAPPE_SOCKETIO_PORT": str(self.ports["realtime"]),
			# Where the worker finds jobs.py.
			"PYTHONPATH": str(CHECKOUT),
		}
		self._mariadb = ["mariadb", "--no-defaults", "-h127.0.0.1", f"-P{self.ports['database']}", "-uroot"]
		self.running: dict[str, subprocess.Popen[bytes]] = {}
		frappe = bench.folder / "apps" / "frappe"
		gunicorn = ["--worker-class", "gthread", "--threads", "32", "-t", "120", "--graceful-timeout", "30"]
		self._commands: dict[str, list[str | Path]] = {
			"queue": self._redis("queue"),
			"cache": self._redis("cache"),
			"database": ["mariadbd", *self._database_options()],
			"realtime": ["node", frappe / "socketio.js"],
			"web": [
				bench.folder / "env" / "bin" / "gunicorn",
				*("-b", f"127.0.0.1:{self.ports['web']}", "-w", "1", *gunicorn, "frappe.app:application"),
			],
			"app web": [
				*(bench.python, *bench.helper, "ai-assistant", "web"),
				*("--address", f"127.0.0.1:{self.ports['app web']}", "--chats", "12"),
			],
			"worker": [bench.python, *bench.helper, "ai-assistant", "worker", "--chats", "12"],
			"plain worker": [bench.python, *bench.helper, "worker", "--queue", "ai"],
		}

	def make_database(self) -> None:
		"""A copy of the site's database on a server of our own."""
		data = self.folder / "mariadb"
		install = ["mariadb-install-db", "--no-defaults", f"--datadir={data}", "--skip-test-db"]
		subprocess.run(
			[*install, "--auth-root-authentication-method=normal"], check=True, capture_output=True
		)
		self.start("database")
		name = self.bench.setting("db_name", "")
		password = self.bench.setting("db_password", "")
		host = self.bench.setting("db_host", "127.0.0.1")
		theirs = [f"-h{host}", f"-P{self.bench.setting('db_port', 3306)}", f"-u{name}", f"-p{password}"]
		ours = self._mariadb
		grant = (
			f"CREATE DATABASE `{name}` CHARACTER SET utf8mb4 COLLATE utf8mb4_unicode_ci;"
			f" CREATE USER '{name}'@'%' IDENTIFIED BY '{password}';"
			f" GRANT ALL ON `{name}`.* TO '{name}'@'%';"
		)
		subprocess.run([*ours, "-e", grant], check=True)
		dump = subprocess.Popen(
			["mariadb-dump", "--no-defaults", *theirs, "--single-transaction", name], stdout=subprocess.PIPE
		)
		subprocess.run([*ours, name], stdin=dump.stdout, check=True)
		assert dump.wait() == 0

	def start(self, name: str) -> None:
		"""Starts a process and waits until it can do its work.

		The realtime server listens on its port before it has subscribed to Redis (frappe/realtime/index.js). A
		worker has no port.
		"""
		log = self.folder / f"{name.replace(' ', '-')}.log"
		with log.open("ab") as output:
			before = output.tell()
			self.running[name] = subprocess.Popen(
				[str(part) for part in self._commands[name]],
				cwd=self.bench.sites,
				env=self.environment,
				stdout=output,
				stderr=subprocess.STDOUT,
				# A group of its own, which can be killed with all it has forked.
				start_new_session=True,
			)
		deadline = time.monotonic() + 60
		while time.monotonic() < deadline and self.running[name].poll() is None:
			if (
				name in self.ports
				and _answers(self.ports[name])
				and (name != "realtime" or self._subscribed())
			):
				return
			if name not in self.ports and b"Listening on" in log.read_bytes()[before:]:
				return
			time.sleep(0.1)
		raise AssertionError(f"{name} did not start: {log.read_text()[-2000:]}")

	def inside(self, step: str, **fields: Any) -> Any:
		"""Returns the result of a step of inside.py, which runs in the bench's own Python."""
		command = (str(INSIDE), self.bench.site, self.url, step, json.dumps(fields))
		done = self.bench.run(*command, env=self.environment, stdout=subprocess.PIPE, check=True)
		return json.loads(done.stdout.splitlines()[-1])

	def sql(self, statements: str) -> subprocess.Popen[str]:
		"""MariaDB's client with these, as it prints what they give."""
		command = [*self._mariadb, "--unbuffered", self.bench.setting("db_name", ""), "-e", statements]
		return subprocess.Popen(command, text=True, stdout=subprocess.PIPE)

	@contextmanager
	def without(self, name: str, how: signal.Signals) -> Iterator[None]:
		"""A process is killed, or frozen for the while."""
		if how == signal.SIGKILL:
			self.kill(name)
		else:
			self.signal(name, how)
		try:
			yield
		finally:
			if how == signal.SIGSTOP:
				self.signal(name, signal.SIGCONT)

	def signal(self, name: str, number: signal.Signals) -> None:
		self.running[name].send_signal(number)

	def kill(self, name: str) -> None:
		"""Kill -9 of a process and of all that it has forked, the work horses in sessions of their own too.

		Waits until all of them are gone: one that dies last still answers on its port.
		"""
		killed: list[psutil.Process] = []
		with suppress(psutil.NoSuchProcess):
			process = psutil.Process(self.running[name].pid)
			killed = [process, *process.children(recursive=True)]
		for one in killed:
			with suppress(psutil.NoSuchProcess):
				one.kill()
		self.running.pop(name).wait()
		psutil.wait_procs(killed, timeout=10)

	def stop(self, name: str, within_s: float = 30) -> None:
		"""As supervisor stops it: TERM, and KILL where that was not enough."""
		if name not in self.running:
			return
		process = self.running[name]
		process.terminate()
		try:
			process.wait(within_s)
			del self.running[name]
		except subprocess.TimeoutExpired:
			self.kill(name)

	def stop_all(self) -> None:
		for name in list(self.running):
			self.signal(name, signal.SIGCONT)
			self.kill(name)

	def figures(self, name: str) -> dict[str, int]:
		"""Counts threads and kB of memory of a process and its descendants."""
		totals = {"threads": 0, "memory": 0}
		for pid in self._pids(name):
			totals["threads"] += len(os.listdir(f"/proc/{pid}/task"))
			status = Path(f"/proc/{pid}/status").read_text()
			totals["memory"] += int(status.split("VmRSS:")[1].split()[0])
		return totals

	def open_files(self, name: str) -> Counter[str]:
		"""Counts what a process and its descendants have open.

		Returns:
			The number of connections that clients opened to the process as "clients", of those that the process
			opened by their other end, and of all else as "other".
		"""
		ends = {port: name for name, port in self.ports.items()}
		kinds: Counter[str] = Counter()
		for pid in self._pids(name):
			process = psutil.Process(pid)
			sockets = process.net_connections("tcp")
			kinds.update(
				"clients"
				if connection.laddr.port == self.ports.get(name)
				else ends.get(connection.raddr.port, str(connection.raddr.port))
				for connection in sockets
				if connection.raddr
			)
			kinds["other"] += process.num_fds() - sum(bool(connection.raddr) for connection in sockets)
		return kinds

	def _pids(self, name: str) -> list[int]:
		pid = self.running[name].pid
		return [pid, *descendants(pid)]

	def _subscribed(self) -> bool:
		with redis.Redis(port=self.ports["queue"]) as client:
			return bool(client.pubsub_numsub("events")[0][1])

	def _redis(self, name: str) -> list[str | Path]:
		return ["redis-server", "--port", str(self.ports[name]), "--bind", "127.0.0.1", "--save", ""]

	def _database_options(self) -> list[str]:
		data = self.folder / "mariadb"
		options: dict[str, Any] = {
			"datadir": data,
			"port": self.ports["database"],
			"bind-address": "127.0.0.1",
			"socket": self.folder / "mariadb.sock",
			"pid-file": self.folder / "mariadb.pid",
			"user": "root",
			"character-set-server": "utf8mb4",
			"collation-server": "utf8mb4_unicode_ci",
		}
		return ["--no-defaults", *(f"--{name}={value}" for name, value in options.items())]


def _free_port() -> int:
	with socket.create_server(("127.0.0.1", 0)) as listener:
		port: int = listener.getsockname()[1]
		return port


def _answers(port: int) -> bool:
	try:
		with socket.create_connection(("127.0.0.1", port), timeout=1):
			return True
	except OSError:
		return False
