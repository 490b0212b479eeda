"""A Frappe bench and one of its sites, for tests that run against an existing bench."""

import json
import re
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

APP = "ai_assistant"
CHECKOUT = Path(__file__).parents[2]
# The bench's own Python runs its text.
INSIDE = CHECKOUT / "tests" / "bench_site_inside.py"


class Unusable(Exception):
	"""A problem that the person at the terminal must solve, in one sentence."""


class Bench:
	def __init__(self, folder: Path, site: str) -> None:
		self.folder, self.site = folder.resolve(), site
		# That of the commands; None for this process's.
		self.environment: dict[str, str] | None = None
		self.sites = self.folder / "sites"
		self.python = self.folder / "env" / "bin" / "python"
		for needed in (self.python, self.folder / "apps" / "frappe", self.sites / "apps.txt"):
			if not needed.exists():
				raise Unusable(f"There is no bench in {folder}: {needed} is missing.")
		if not (self.sites / site / "site_config.json").exists():
			raise Unusable(f"The bench in {folder} has no site {site}.")

	def setting(self, key: str, default: Any) -> Any:
		common = json.loads((self.sites / "common_site_config.json").read_text())
		return (common | json.loads((self.sites / self.site / "site_config.json").read_text())).get(
			key, default
		)

	def command(self, *arguments: str, **how: Any) -> subprocess.CompletedProcess[str]:
		"""`bench --site SITE …`, which is this, whether `bench` itself is on the path or not."""
		return self.run(*self.helper, *arguments, **how)

	@property
	def helper(self) -> list[str]:
		return ["-m", "frappe.utils.bench_helper", "frappe", "--site", self.site]

	@contextmanager
	def worker(self, chats: int = 12) -> Iterator[subprocess.Popen[str]]:
		"""`bench --site SITE ai-assistant worker`, which runs for as long as the context lasts."""
		command = [self.python, *self.helper, "ai-assistant", "worker", "--chats", str(chats)]
		process = subprocess.Popen(
			command, cwd=self.sites, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
		)
		assert process.stdout
		said = ""
		for line in process.stdout:
			if "Listening on" in line:
				break
			said = line.strip() or said
		else:
			raise Unusable(f"The bench's AI worker ended at once, with {process.wait()}: {said}")
		# Read on, or a full pipe would stop it.
		reader = threading.Thread(target=process.stdout.read, daemon=True)
		reader.start()
		try:
			yield process
		finally:
			process.terminate()
			process.wait()

	def web_pids(self) -> list[int]:
		"""Of gunicorn and its workers."""
		pids = []
		for process in Path("/proc").glob("[0-9]*"):
			try:
				# A process in a container sees the folder by another path.
				is_ours = (process / "cwd").samefile(self.sites)
				command = (process / "cmdline").read_bytes()
			except OSError:
				continue
			if is_ours and b"frappe.app:application" in command:
				pids.append(int(process.name))
		if not pids:
			raise Unusable(f"No gunicorn of the bench in {self.folder} runs on this machine; start it.")
		return pids

	def frappe_version(self) -> str:
		code = "import frappe; print(frappe.__version__)"
		return self.run("-c", code, stdout=subprocess.PIPE, check=True).stdout.strip()

	def run(self, *arguments: str, **how: Any) -> subprocess.CompletedProcess[str]:
		how.setdefault("env", self.environment)
		return subprocess.run([self.python, *arguments], cwd=self.sites, text=True, **how)

	def inside(self, step: str, **fields: Any) -> Any:
		"""Runs a step of `bench_site_inside.py` in the bench's own Python. Returns its answer."""
		# As text: the bench's user may not be able to read this checkout.
		done = self.run(
			"-c",
			INSIDE.read_text(),
			step,
			self.site,
			input=json.dumps(fields),
			stdout=subprocess.PIPE,
			check=True,
		)
		answer = json.loads(done.stdout.splitlines()[-1])
		if isinstance(answer, dict) and "unusable" in answer:
			raise Unusable(answer["unusable"])
		return answer

	def install(self) -> None:
		"""The app from this checkout, where it is not there yet."""
		where = self.run(
			"-c",
			f"import {APP}; print(list({APP}.__path__)[0])",
			stdout=subprocess.PIPE,
			stderr=subprocess.DEVNULL,
		).stdout.strip()
		if where and Path(where).resolve() != CHECKOUT / APP:
			raise Unusable(f"The bench has the app from {where}, not from this checkout.")
		if not where:
			print(f"→ installing {APP} from {CHECKOUT}")
			folder = self.folder / "apps" / APP
			if not folder.exists():
				folder.symlink_to(CHECKOUT)
			self.run("-m", "pip", "install", "--quiet", "--editable", str(folder), check=True)
			self.run("-m", "pip", "check", check=True)
		listed = (self.sites / "apps.txt").read_text().split()
		if APP not in listed:
			(self.sites / "apps.txt").write_text("\n".join([*listed, APP]) + "\n")
		installed = self.command("list-apps", stdout=subprocess.PIPE, check=True).stdout
		if not re.search(rf"^{APP}\b", installed, re.MULTILINE):
			# Frappe 15.72 remembers which modules there are, and would find none of the app's (`app_modules`).
			self.command("clear-cache", check=True)
			self.command("install-app", APP, check=True)

	def build(self) -> None:
		"""The page's bundle, as `bench build` makes it."""
		if (CHECKOUT / "node_modules" / "socket.io-client").exists():
			self.command("build", "--app", APP, check=True)

	def redis_pid(self) -> int:
		import redis

		info: Any = redis.from_url(self.setting("redis_queue", "")).info("server")
		return int(info["process_id"])
