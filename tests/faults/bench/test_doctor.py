"""`bench --site S ai-assistant doctor` under each fault: it names only that fault."""

import json
import os
import select
import signal
import subprocess
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import redis

from ai_assistant.client import Client
from ai_assistant.operations.doctor.check import CheckResult, run_checks
from ai_assistant.operations.doctor.remote_checks import of_site
from tests.support.provider import WRONG_KEY, ScriptedProvider

from .stack import Stack

pytestmark = pytest.mark.timeout(180)

# Takes changes of the configuration, and returns the doctor's results by their names.
Doctor = Callable[..., dict[str, CheckResult]]


@pytest.fixture(scope="module", autouse=True)
def _scheduled(whole_stack: Stack) -> Iterator[None]:
	"""No scheduler runs here. The app's job counts as done for longer than the tests take."""
	whole_stack.inside("schedule", minutes=60)
	yield
	for name in ("web", "worker"):
		# Frappe 16 caches the configuration of a site for a minute.
		whole_stack.stop(name)
		whole_stack.start(name)


@pytest.fixture
def doctor(stack: Stack, provider: ScriptedProvider) -> Iterator[Doctor]:
	file = stack.bench.sites / stack.bench.site / "site_config.json"
	before = file.read_text()

	def look(
		second: dict[str, Any] | None = None, total_s: int = 110, **changes: Any
	) -> dict[str, CheckResult]:
		entry = {
			"api": "openai",
			"api_base": provider.base("openai"),
			"api_key": "sk-test",
			"models": ["*"],
			"default_model": "scripted",
		}
		one, two = {"name": "one", "priority": 1, **entry}, {"name": "two", "priority": 2, **entry}
		config = {
			# The suite's limits stay: Frappe 16 serves this configuration for a minute after it was taken back.
			"ai_assistant": {
				**json.loads(before)["ai_assistant"],
				"providers": [one, {**two, **(second or {})}],
				"timeouts": {"total_s": total_s},
			},
			# The bench's own configuration has the addresses of its own processes.
			"host_name": stack.url,
			"webserver_port": stack.ports["web"],
			"socketio_port": stack.ports["realtime"],
		}
		file.write_text(json.dumps({**json.loads(before), **config, **changes}))
		done = stack.bench.command(
			"ai-assistant", "doctor", "--json", env=stack.environment, capture_output=True
		)
		assert "Traceback" not in done.stderr, done.stderr
		assert WRONG_KEY not in done.stdout + done.stderr
		lines = [json.loads(line) for line in done.stdout.splitlines()]
		results = {
			line["name"]: CheckResult(line["name"], line["ok"], line["seen"], line["remedy"])
			for line in lines
		}
		assert done.returncode == int(any(finding.ok is False for finding in results.values()))
		return results

	yield look
	file.write_text(before)


def names(findings: dict[str, CheckResult], ok: bool | None) -> list[str]:
	return [name for name, finding in findings.items() if finding.ok is ok]


def failures(findings: dict[str, CheckResult]) -> str:
	return "".join(f"\n{finding.name}: {finding.finding}" for finding in findings.values() if not finding.ok)


def only(findings: dict[str, CheckResult], wrong: str, *skipped: str) -> CheckResult:
	"""Assert that only `wrong` has failed and exactly these checks were skipped. Returns the failure."""
	assert (names(findings, False), names(findings, None)) == ([wrong], list(skipped)), failures(findings)
	assert findings[wrong].remedy
	return findings[wrong]


def test_a_bench_that_is_well(doctor: Doctor) -> None:
	findings = doctor()
	assert (names(findings, False), names(findings, None)) == ([], []), failures(findings)
	assert "came back through a socket" in findings["event"].finding
	assert "1 of ai, 0 busy" in findings["workers"].finding


def test_watch_prints_what_smoke_asks_and_smoke_leaves_no_session(stack: Stack, doctor: Doctor) -> None:
	doctor()
	before = stack.inside("sessions")
	command = [str(stack.bench.python), *stack.bench.helper, "ai-assistant", "watch", "--json"]
	watch = subprocess.Popen(
		command, cwd=stack.bench.sites, env=stack.environment, stdout=subprocess.PIPE, text=True
	)
	try:
		assert watch.stdout
		# A watch that was not ready yet has missed the chat, and sees the next one.
		for _attempt in range(4):
			done = stack.bench.command("ai-assistant", "smoke", env=stack.environment, capture_output=True)
			assert (done.returncode, done.stdout[:1]) == (0, "✓"), done.stdout + done.stderr
			assert "whole and in order" in done.stdout
			if select.select([watch.stdout], [], [], 5)[0]:
				break
		events = []
		while not events or events[-1]["type"] != "completion":
			events.append(json.loads(watch.stdout.readline()))
	finally:
		watch.kill()
		watch.communicate()
	assert {event["user"] for event in events} == {"Administrator"}
	assert stack.inside("sessions") == before


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGSTOP], ids=["killed", "frozen"])
def test_no_redis_queue(stack: Stack, doctor: Doctor, how: signal.Signals) -> None:
	try:
		with stack.without("queue", how):
			if how == signal.SIGKILL:
				# The realtime server ends with Redis, and is started again with it.
				stack.running.pop("realtime").wait(20)
			finding = only(
				doctor(), "redis_queue", "realtime server", "event", "workers", "scheduler", "versions"
			)
	finally:
		if how == signal.SIGKILL:
			# It reconnects by itself (test_worker.py), for which the next test must not wait.
			stack.kill("worker")
	assert ("cannot be reached" if how == signal.SIGKILL else "does not answer") in finding.finding


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGSTOP], ids=["killed", "frozen"])
def test_no_redis_cache(stack: Stack, doctor: Doctor, how: signal.Signals) -> None:
	with stack.without("cache", how):
		findings = doctor()
	if how == signal.SIGKILL:
		only(findings, "redis_cache", "web server", "event")
	else:
		# Frappe itself would wait for it without limit.
		finding = only(findings, "redis_cache", *(name for name in findings if name != "redis_cache"))
		assert len(findings) == 13 and "does not answer" in finding.finding


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGSTOP], ids=["killed", "frozen"])
def test_no_database(stack: Stack, doctor: Doctor, how: signal.Signals) -> None:
	with stack.without("database", how):
		findings = doctor()
	only(findings, "database", "configuration", "web server", "event", "scheduler", "timeouts", "versions")


def test_no_web_server(stack: Stack, doctor: Doctor) -> None:
	stack.kill("web")
	finding = only(doctor(), "web server", "event")
	assert "Start the web server" in finding.remedy


def test_a_wrong_host_name_and_so_a_wrong_origin(stack: Stack, doctor: Doctor) -> None:
	finding = only(doctor(host_name=f"http://wrong.localhost:{stack.ports['web']}"), "web server", "event")
	assert "http://wrong.localhost" in finding.finding and "host_name" in finding.remedy


def test_a_site_in_maintenance(doctor: Doctor) -> None:
	finding = only(doctor(maintenance_mode=1), "maintenance", "web server", "event", "scheduler")
	assert "set-maintenance-mode off" in finding.remedy


def test_no_realtime_server(stack: Stack, doctor: Doctor) -> None:
	stack.kill("realtime")
	finding = only(doctor(), "realtime server", "event")
	assert finding.finding == "no realtime server is subscribed"


def test_a_realtime_server_that_hangs(stack: Stack, doctor: Doctor) -> None:
	with stack.without("realtime", signal.SIGSTOP):
		findings = doctor()
	only(findings, "event")


def test_a_wrong_key(doctor: Doctor) -> None:
	finding = only(doctor({"api_key": WRONG_KEY}), "provider two")
	assert "refused its API key" in finding.finding and "Enter its API key anew" in finding.remedy


def test_an_unreachable_provider(doctor: Doctor) -> None:
	finding = only(doctor({"api_base": "http://127.0.0.1:9/v1"}), "provider two")
	assert "could not be reached" in finding.finding and "http://127.0.0.1:9/v1" in finding.remedy


def test_a_frozen_worker(stack: Stack, doctor: Doctor) -> None:
	frozen = stack.running["worker"].pid
	with stack.without("worker", signal.SIGSTOP):
		finding = only(doctor(), "workers")
	assert finding.finding == f"1 of 1 workers of ai are frozen: pid {frozen} is stopped"


def test_a_killed_worker_does_not_count(stack: Stack, doctor: Doctor) -> None:
	# Redis lists it for minutes.
	stack.kill("worker")
	assert "no worker serves the queue ai" in only(doctor(), "workers").finding


def test_workers_that_redis_has_forgotten(stack: Stack, doctor: Doctor) -> None:
	# The app's own worker registers again by itself.
	stack.stop("worker")
	stack.start("plain worker")
	try:
		client = redis.Redis(port=stack.ports["queue"])
		client.delete(*client.keys("rq:worker*"))
		finding = only(doctor(), "workers")
	finally:
		stack.kill("plain worker")
	assert "Redis has forgotten 1 worker," in finding.finding and "restart" in finding.remedy


def test_no_worker(stack: Stack, doctor: Doctor) -> None:
	stack.stop("worker")
	finding = only(doctor(), "workers")
	assert "no worker serves the queue ai" in finding.finding


def test_jobs_of_the_scheduler_that_do_not_run(stack: Stack, doctor: Doctor) -> None:
	stack.inside("schedule", minutes=-17)
	try:
		finding = only(doctor(), "scheduler")
	finally:
		stack.inside("schedule", minutes=60)
	assert "has not run for" in finding.finding and "bench schedule" in finding.remedy


def test_chats_that_outlast_the_web_server(stack: Stack, doctor: Doctor) -> None:
	# gunicorn was started before this configuration. If its title hides the options, supervisor's file has them.
	written = stack.bench.folder / "config" / "supervisor.conf"
	before = written.read_text() if written.exists() else None
	written.write_text("command=/bench/env/bin/gunicorn -w 1 --threads 32 -t 120 frappe.app:application")
	try:
		finding = only(doctor(total_s=150, http_timeout=200), "timeouts")
	finally:
		written.unlink() if before is None else written.write_text(before)
	assert "a chat may take 150 s, but it is ended earlier by gunicorn's limit of 120 s" in finding.finding


def from_outside(stack: Stack, socketio_url: str) -> dict[str, CheckResult]:
	"""The results of `ai-assistant doctor --url`."""
	token = os.environ["AI_ASSISTANT_TOKEN"]

	def log_in() -> Client:
		return Client(stack.url, stack.bench.site, socketio_url, token=token)

	return {check.name: check for check in run_checks(of_site(stack.url, socketio_url, log_in))}


def test_from_outside_a_wrong_origin_is_named(stack: Stack) -> None:
	well = from_outside(stack, stack.socketio_url)
	assert names(well, True) == list(well), failures(well)
	# The Origin is the address of the web server. Its host differs from that of the realtime server.
	finding = only(from_outside(stack, stack.socketio_url.replace(stack.bench.site, "127.0.0.1")), "event")
	assert "Invalid origin" in finding.finding
