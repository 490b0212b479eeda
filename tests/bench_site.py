"""`make test-bench`: the app's own tests on a bench that stands, then the contract suite, the JavaScript client and
the page in Chromium against its running site.

Run by this checkout's Python it looks after the order of things; what needs Frappe it does in the bench's own
Python, by running itself there (`inside`). The site gets the suite's users and configuration for as long as it
takes, and everything back afterwards; a run that was killed is tidied up by the next. It should be a site for
tests all the same: `bench run-tests` calls the `before_tests` of all its apps.
"""

import argparse
import json
import os
import re
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

APP = "ai_assistant"
CHECKOUT = Path(__file__).resolve().parent.parent
# Where the site's own configuration waits meanwhile, in its site_config.json.
KEPT = "before_test_bench"
# The first name of the suite's users: one without it is a real user's and left alone.
OWN = "Contract suite"


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
		for line in process.stdout:
			if "Listening on" in line:
				break
		else:
			raise Unusable(f"The bench's AI worker ended at once, with {process.wait()}.")
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
		"""What `_inside` answers from the bench's own Python."""
		done = self.run(
			__file__,
			"--inside",
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


def main() -> int:
	parser = argparse.ArgumentParser(prog="make test-bench")
	parser.add_argument("bench", type=Path, nargs="?")
	parser.add_argument("site", nargs="?")
	parser.add_argument("--url")
	parser.add_argument("--socketio-url")
	parser.add_argument("--clients", action="store_true", help="only the clients of other makers")
	options = parser.parse_args()
	if not options.bench or not options.site:
		raise Unusable("Name a bench and a site of it: make test-bench BENCH=folder SITE=name.")
	bench = Bench(options.bench, options.site)
	url = options.url or f"http://{options.site}:{bench.setting('webserver_port', 8000)}"
	socketio_url = options.socketio_url or f"http://{options.site}:{bench.setting('socketio_port', 9000)}"
	bench.install()
	_expect_app(url)

	bench.inside("allow_tests")
	if options.clients:
		try:
			return _clients(bench, url, socketio_url)[0]
		finally:
			bench.inside("restore")
	try:
		own = _run_tests(bench)
		with bench.worker():
			outside = _outside(bench, url, socketio_url)
			outside["what is left behind"] = _leftovers(bench, url, socketio_url)
		outside["faults"] = _faults(bench)
		outside["upgrade from the first version and back"] = _pytest(
			"tests/upgrade/bench", AI_ASSISTANT_BENCH=str(bench.folder), AI_ASSISTANT_SITE=bench.site
		)
	finally:
		bench.inside("restore")
	print(f"\nbench run-tests --app {APP}: {own[1]}")
	for suite, (_status, output) in outside.items():
		print(f"{suite}: {output}")
	return int(any(status for status, _said in [own, *outside.values()]))


def _expect_app(url: str) -> None:
	"""That the running web server has the app: one that was started before it was installed has not."""
	try:
		with urllib.request.urlopen(f"{url}/api/method/{APP}.api.list_models", timeout=60) as response:
			status = response.status
	except urllib.error.HTTPError as error:
		status = error.code
	except OSError as error:
		raise Unusable(
			f"No web server answers at {url} ({error}); start the bench, or name its URL."
		) from None
	if status != 403:
		raise Unusable(
			f"The web server at {url} does not know the app yet (HTTP {status}); restart the bench."
		)


def _run_tests(bench: Bench) -> tuple[int, str]:
	done = bench.command("run-tests", "--app", APP, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
	print(done.stdout)
	ran = sum(int(count) for count in re.findall(r"^Ran (\d+) tests?", done.stdout, re.MULTILINE))
	wrong = sum(int(n) for n in re.findall(r"(?:failures|errors)=(\d+)", done.stdout))
	if not ran and not done.returncode:
		return 1, "no test was found"
	# Frappe 15 ends with 0 when tests have failed, unless CI is set (frappe/commands/utils.py, `run_tests`).
	return done.returncode or int(wrong > 0), f"{ran} ran, {wrong} failed"


def _prepared(bench: Bench, url: str, socketio_url: str, config: dict[str, Any]) -> dict[str, str]:
	"""Gives the site a configuration. Returns the environment in which tests find the site and its users."""
	from tests.support.site import MANAGER, USERS

	first, second, third, spender = USERS
	tokens = bench.inside("prepare", users=USERS | MANAGER, config=config)
	_wait_for_config(url, tokens[first], config)
	return {
		"AI_ASSISTANT_URL": url,
		"AI_ASSISTANT_SOCKETIO_URL": socketio_url,
		"AI_ASSISTANT_SITE": bench.site,
		"AI_ASSISTANT_TOKEN": tokens[first],
		"AI_ASSISTANT_SECOND_TOKEN": tokens[second],
		"AI_ASSISTANT_THIRD_TOKEN": tokens[third],
		"AI_ASSISTANT_SPENDER_TOKEN": tokens[spender],
	}


def _clients(bench: Bench, url: str, socketio_url: str) -> tuple[int, str]:
	from tests.support.provider import ScriptedProvider
	from tests.support.site import PROVIDER_PORT, clients_config

	environment = _prepared(bench, url, socketio_url, clients_config(ScriptedProvider(PROVIDER_PORT)))
	return _pytest("tests/clients", AI_ASSISTANT_CLIENTS="1", **environment)


def _outside(bench: Bench, url: str, socketio_url: str) -> dict[str, tuple[int, str]]:
	"""The suites that know the site by its address alone; what each of them came to."""
	from tests.support.provider import ScriptedProvider
	from tests.support.site import MANAGER, PROVIDER_PORT, browser_config, site_config

	def prepared(config: dict[str, Any]) -> dict[str, str]:
		return _prepared(bench, url, socketio_url, config)

	environment = prepared(site_config(ScriptedProvider(PROVIDER_PORT)))
	done = {
		f"contract suite on {url}": _pytest("tests/contract", **environment),
		f"JavaScript client on {url}": _pytest("tests/js", **environment),
	}
	if page := _with_assets([url, f"http://{bench.site}"]):
		environment = prepared(browser_config(ScriptedProvider(PROVIDER_PORT)))
		environment["AI_ASSISTANT_BROWSER"] = "1"
		(environment["MANAGER_LOGIN"], manager) = next(iter(MANAGER.items()))
		environment["MANAGER_PASSWORD"] = manager["password"]
		environment["REDIS_PID"] = str(bench.redis_pid())
		if page != url:
			# nginx brings both together.
			environment.update(AI_ASSISTANT_URL=page, AI_ASSISTANT_SOCKETIO_URL=page)
		# Not before: another bench with this checkout would have put its own bundle in the place of this one's.
		bench.build()
		done[f"page in Chromium on {page}"] = _pytest("tests/browser", **environment)
	else:
		done["page in Chromium"] = (0, "left out: no web server here serves /assets; nginx would")
	return done


def _with_assets(urls: list[str]) -> str | None:
	"""The first address that serves the page's files too: gunicorn alone does not."""
	for url in urls:
		try:
			with urllib.request.urlopen(f"{url}/assets/{APP}/images/{APP}.svg", timeout=30):
				return url
		except OSError:
			continue
	return None


def _leftovers(bench: Bench, url: str, socketio_url: str) -> tuple[int, str]:
	from tests.support.provider import ScriptedProvider
	from tests.support.site import PATIENT, PROVIDER_PORT, USERS, each_adapter

	# A dump of a large database takes longer than a provider may be silent.
	more = {"retention": {"keep_content": False}, "timeouts": PATIENT}
	config = each_adapter(ScriptedProvider(PROVIDER_PORT), **more)
	first, *_others = USERS
	tokens = bench.inside("prepare", users=USERS, config=config)
	_wait_for_config(url, tokens[first], config)
	return _pytest(
		"tests/security/bench",
		AI_ASSISTANT_BENCH=str(bench.folder),
		AI_ASSISTANT_SITE=bench.site,
		AI_ASSISTANT_URL=url,
		AI_ASSISTANT_SOCKETIO_URL=socketio_url,
		AI_ASSISTANT_TOKEN=tokens[first],
	)


def _faults(bench: Bench) -> tuple[int, str]:
	from tests.support.provider import ScriptedProvider
	from tests.support.site import PATIENT, PROVIDER_PORT, USERS, site_config

	config = site_config(ScriptedProvider(PROVIDER_PORT)) | {"timeouts": PATIENT}
	tokens = bench.inside("prepare", users=USERS, config=config)
	return _pytest(
		"tests/faults/bench",
		AI_ASSISTANT_BENCH=str(bench.folder),
		AI_ASSISTANT_SITE=bench.site,
		AI_ASSISTANT_TOKEN=tokens[next(iter(USERS))],
	)


def _pytest(folder: str, **environment: str) -> tuple[int, str]:
	process = subprocess.Popen(
		[sys.executable, "-m", "pytest", folder],
		cwd=CHECKOUT,
		env={**os.environ, **environment},
		text=True,
		stdout=subprocess.PIPE,
	)
	assert process.stdout
	last = ""
	for line in process.stdout:
		print(line, end="", flush=True)
		last = line.strip() or last
	return process.wait(), re.sub(r"^=+ | =+$", "", last)


def _wait_for_config(url: str, token: str, config: dict[str, Any]) -> None:
	"""Waits until the site offers the models of this configuration.

	Frappe 16 caches site_config.json for a minute in each process (frappe/config.py).
	"""
	expected = {provider["name"]: provider["models"] for provider in config["providers"]}
	deadline = time.monotonic() + 90
	while time.monotonic() < deadline:
		request = urllib.request.Request(
			f"{url}/api/method/{APP}.api.list_models", headers={"Authorization": f"token {token}"}
		)
		try:
			with urllib.request.urlopen(request, timeout=30) as response:
				providers = json.load(response)["message"]["providers"]
				if {provider["name"]: provider["models"] for provider in providers} == expected:
					return
		except urllib.error.HTTPError:
			pass
		time.sleep(1)
	raise Unusable(f"The site at {url} does not take the configuration in its site_config.json.")


def _inside(step: str, site: str, arguments: dict[str, Any]) -> Any:
	"""Runs in the bench's Python, in its sites folder."""
	import frappe

	frappe.init(site)
	frappe.connect()
	try:
		frappe.set_user("Administrator")
		steps = {
			"allow_tests": _allow_tests,
			"prepare": _prepare,
			"configure": _configure,
			"restore": _restore,
		}
		answer = steps[step](**arguments)
		frappe.db.commit()
		return answer
	finally:
		frappe.destroy()


def _allow_tests() -> None:
	import frappe
	from frappe.installer import get_site_config_path, update_site_config
	from frappe.utils.password import get_encryption_key

	from ai_assistant.bench_tests import delete_left_users, delete_requests

	# The first process that needs the key makes it. A web server with an older site_config.json in memory would make
	# another one and put it in the place of this process's.
	get_encryption_key()
	own = json.loads(Path(get_site_config_path()).read_text())
	# A run that was killed left its users and their requests.
	delete_left_users()
	for user in frappe.get_all("User", filters={"first_name": OWN}, pluck="name"):
		delete_requests(user)
	if KEPT not in own:
		update_site_config(KEPT, {key: own.get(key) for key in (APP, "allow_tests")})
	update_site_config("allow_tests", True)
	# The tests begin with the site's forms alone.
	update_site_config(APP, "None")


def _prepare(users: dict[str, Any], config: dict[str, Any]) -> Any:
	import frappe
	from frappe.core.doctype.user.user import generate_keys
	from frappe.installer import update_site_config
	from frappe.utils.password import update_password

	from ai_assistant.bench_tests import delete_requests

	update_site_config(APP, config)
	tokens = {}
	for name, entry in users.items():
		if (first_name := frappe.db.get_value("User", name, "first_name")) not in (None, OWN):
			return {"unusable": f"The site has a user {name} of its own; test on another site."}
		if not first_name:
			user = frappe.new_doc("User")
			user.update(
				{
					"email": name,
					"first_name": OWN,
					"user_type": entry.get("user_type", "System User"),
					"send_welcome_email": 0,
					# Frappe ends a user's oldest session with the third login.
					"simultaneous_sessions": 1000,
				}
			)
			user.append_roles(*entry["roles"])
			user.insert()
		# Each suite starts without the requests of the suite before it, which kept their content.
		delete_requests(name)
		update_password(name, entry["password"])
		secret = generate_keys(name)["api_secret"]
		tokens[name] = f"{frappe.db.get_value('User', name, 'api_key')}:{secret}"
	return tokens


def _configure(config: dict[str, Any]) -> None:
	from frappe.installer import update_site_config

	update_site_config(APP, config)


def _restore() -> None:
	import frappe
	from frappe.installer import update_site_config

	from ai_assistant.bench_tests import delete_requests

	users = frappe.get_all("User", filters={"first_name": OWN}, pluck="name")
	for user in users:
		delete_requests(user)
		frappe.delete_doc("User", user, force=True, delete_permanently=True)
	for key, value in (frappe.conf.get(KEPT) or {}).items():
		# The string removes the key (frappe/installer.py).
		update_site_config(key, "None" if value is None else value)
	update_site_config(KEPT, "None")


if __name__ == "__main__":
	if sys.argv[1:2] == ["--inside"]:
		# Not this folder: it holds what the app is, and the bench has its own.
		sys.path.pop(0)
		print(json.dumps(_inside(sys.argv[2], sys.argv[3], json.load(sys.stdin))))
	else:
		sys.path.insert(0, str(CHECKOUT))
		try:
			sys.exit(main())
		except Unusable as error:
			sys.exit(f"make test-bench: {error}")
