"""`make test-bench`: the app's own tests on an existing bench, then the contract suite, the JavaScript client and the
page in Chromium against its running site.

This checkout's Python runs the suites in order. The steps that need Frappe are in `bench_site_inside.py`, which the bench's
own Python runs. During a run the site has the users and the configuration of the suite. After it the site has its own
again; the next run tidies up after one that was killed. Use a site for tests all the same: `bench run-tests` calls the
`before_tests` of all its apps.
"""

import argparse
import json
import os
import re
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

from tests.support.bench import APP, CHECKOUT, Bench, Unusable
from tests.support.provider import ScriptedProvider
from tests.support.site import (
	MANAGER,
	PATIENT,
	PROVIDER_PORT,
	USERS,
	browser_config,
	clients_config,
	conversations_config,
	each_adapter,
	faults_config,
	site_config,
)


def main() -> int:
	parser = argparse.ArgumentParser(prog="make test-bench")
	parser.add_argument("bench", type=Path, nargs="?")
	parser.add_argument("site", nargs="?")
	parser.add_argument("--url")
	parser.add_argument("--socketio-url")
	parser.add_argument(
		"--clients",
		action="store_true",
		help="only the clients of other makers, on the app that the bench has, from whatever checkout",
	)
	parser.add_argument(
		"--open-responses",
		metavar="SUITE",
		help="only Open Responses' compliance suite, of which SUITE is a checkout, as --clients",
	)
	options = parser.parse_args()
	only_clients = options.clients or options.open_responses
	if not options.bench or not options.site:
		raise Unusable("Name a bench and a site of it: BENCH=folder SITE=name.")
	bench = Bench(options.bench, options.site)
	url = options.url or f"http://{options.site}:{bench.setting('webserver_port', 8000)}"
	socketio_url = options.socketio_url or f"http://{options.site}:{bench.setting('socketio_port', 9000)}"
	if not only_clients:
		bench.install()
	_expect_app(url)

	bench.inside("allow_tests")
	if only_clients:
		print(f"→ the clients ask {url}, Frappe {bench.frappe_version()}")
		try:
			return _clients(bench, url, socketio_url, options.open_responses)
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


def _clients(bench: Bench, url: str, socketio_url: str, suite: str | None) -> int:
	"""Runs the clients of other makers, or Open Responses' suite in a folder. Returns the exit code."""
	environment = _prepared(bench, url, socketio_url, clients_config(ScriptedProvider(PROVIDER_PORT)))
	if suite:
		return _pytest(
			"tests/clients/test_open_responses.py", AI_ASSISTANT_OPEN_RESPONSES=suite, **environment
		)[0]
	return _pytest("tests/clients", AI_ASSISTANT_CLIENTS="1", **environment)[0]


def _outside(bench: Bench, url: str, socketio_url: str) -> dict[str, tuple[int, str]]:
	"""The suites that know the site by its address alone; what each of them came to."""

	def prepared(config: dict[str, Any]) -> dict[str, str]:
		return _prepared(bench, url, socketio_url, config)

	environment = prepared(site_config(ScriptedProvider(PROVIDER_PORT)))
	done = {
		f"contract suite on {url}": _pytest("tests/contract", **environment),
		f"JavaScript client on {url}": _pytest("tests/js", **environment),
	}
	if page := _with_assets([url, f"http://{bench.site}"]):
		# Not before: another bench with this checkout would have put its own bundle in the place of this one's.
		bench.build()
		more = {"REDIS_PID": str(bench.redis_pid()), "AI_ASSISTANT_BROWSER": "1"}
		(more["MANAGER_LOGIN"], manager) = next(iter(MANAGER.items()))
		more["MANAGER_PASSWORD"] = manager["password"]
		if page != url:
			# nginx brings both together.
			more.update(AI_ASSISTANT_URL=page, AI_ASSISTANT_SOCKETIO_URL=page)
		environment = prepared(browser_config(ScriptedProvider(PROVIDER_PORT))) | more
		done[f"page in Chromium on {page}"] = _pytest("tests/browser", **environment)
		environment = prepared(conversations_config(ScriptedProvider(PROVIDER_PORT))) | more
		conversations = "tests/browser/test_browser.py::test_the_conversations_in_chromium"
		done[f"conversations in Chromium on {page}"] = _pytest(
			conversations, AI_ASSISTANT_KEEPS_QUESTIONS="1", **environment
		)
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
	config = faults_config(ScriptedProvider(PROVIDER_PORT))
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


if __name__ == "__main__":
	try:
		sys.exit(main())
	except Unusable as error:
		sys.exit(f"make: {error}")
