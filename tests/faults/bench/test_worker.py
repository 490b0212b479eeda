"""`ai-assistant worker`: one process of many chats, stopped, killed in part, and given jobs that go wrong."""

import json
import os
import shutil
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest
import redis

from ai_assistant.client import Client
from tests.support import script, unique
from tests.support.ledger import LEDGER
from tests.support.provider import ScriptedProvider

from .jobs import TOGETHER
from .stack import Stack
from .test_bench_faults import chats, pieces, spoken

pytestmark = pytest.mark.timeout(120)


def test_the_first_signal_lets_chats_finish_and_the_second_ends_them(
	stack: Stack, client: Client, provider: ScriptedProvider
) -> None:
	gate = unique("gate")
	with chats(client) as chat:
		short = chat(script(*pieces(0, 3), {"gate": gate}, *pieces(3, 3)), True)
		long = [chat(script(*pieces(0, 3), {"hang": True}), True) for _ in range(4)]
		for running in (short, *long):
			running.wait_for(4)
		worker, log = stack.running["worker"], stack.folder / "worker.log"
		before = len(log.read_bytes())
		worker.terminate()
		provider.open(gate)
		fault = "the worker stopped once"
		LEDGER.settle(f"{fault}, a short chat", spoken(6), *short.result(), end="completed")
		while b"takes no more" not in log.read_bytes()[before:]:
			time.sleep(0.05)
		waiting = chat(script(*pieces(0, 3)), True)
		worker.terminate()
		try:
			assert worker.wait(30) == 0
		finally:
			# Who follows a chat would wait as long as it runs.
			stack.stop("worker", within_s=0)
		# The worker itself has ended them: the leases were as good as new.
		for running in long:
			LEDGER.settle("the worker stopped twice", spoken(3), *running.result(), end="worker_lost")
		assert client.get("get_request", request_id=waiting.stream.request_id)["status"] == "queued"
		stack.start("worker")
		LEDGER.settle(f"{fault}, a queued chat", spoken(3), *waiting.result(), end="completed")


def test_a_job_that_desk_stops_is_one_chat(stack: Stack, client: Client, provider: ScriptedProvider) -> None:
	gate = unique("gate")
	with chats(client) as chat:
		one, other = (chat(script(*pieces(0, 3), {"gate": gate}, *pieces(3, 1)), True) for _ in range(2))
		for running in (one, other):
			running.wait_for(4)
		(row,) = stack.inside("row", request_id=one.stream.request_id)
		stack.inside("force_stop", name=row)
		LEDGER.settle('"Force Stop running job" in Desk', spoken(3), *one.result(), end="worker_lost")
		# RQ says that the worker is idle as a job ends, and the worker each second what it does.
		while stack.inside("worker", pid=stack.running["worker"].pid) != ["busy", True]:
			pass
		provider.open(gate)
		LEDGER.settle("another chat during a Force Stop", spoken(4), *other.result(), end="completed")


def test_a_worker_comes_back_to_a_redis_that_has_lost_everything(stack: Stack, client: Client) -> None:
	"""And not only when its connection broke."""
	worker = stack.running["worker"].pid
	redis.Redis(port=stack.ports["queue"]).flushall()
	_wait_for_worker(stack)
	stack.kill("queue")
	stack.running.pop("realtime").wait(20)
	for name in ("queue", "realtime"):
		stack.start(name)
	_wait_for_worker(stack)
	assert stack.running["worker"].pid == worker and stack.running["worker"].poll() is None
	with chats(client) as chat:
		one = chat(script(*pieces(0, 4)), True)
		LEDGER.settle("Redis lost its data before the chat", spoken(4), *one.result(), end="completed")


def test_jobs_that_go_wrong_hold_no_place(stack: Stack, client: Client) -> None:
	site = stack.bench.site
	before = _connections(stack)
	wrong = [
		*[stack.inside("enqueue", job="fail", site=site) for _ in range(3)],
		*[stack.inside("enqueue", job="fail", site="none.localhost") for _ in range(3)],
		*[stack.inside("enqueue", job="fail", site=site, garbled=True) for _ in range(3)],
		# Together these are more jobs than the worker has places.
		*[stack.inside("enqueue", job="idle", site=site, timeout=1, seconds=60) for _ in range(4)],
	]
	outcomes = stack.inside("ended", jobs=wrong)
	assert [how for how, _returned, _raised in outcomes] == ["failed"] * len(wrong)
	raised = [last for _how, _returned, (last,) in outcomes]
	assert raised[:3] == ["ValueError: as it should"] * 3
	assert all("none.localhost" in last for last in raised[3:6]), raised
	assert all("DeserializationError" in last for last in raised[6:9]), raised
	assert all("exceeded maximum timeout value" in last for last in raised[9:]), raised
	with chats(client) as chat:
		for one in [chat(script(*pieces(0, 4)), True) for _ in range(14)]:
			LEDGER.settle(
				"other jobs of the worker failed before the chats", spoken(4), *one.result(), end="completed"
			)
	while _connections(stack) > before:
		time.sleep(0.1)


@pytest.fixture
def second_site(stack: Stack) -> Iterator[str]:
	"""Another name of the same site."""
	name = f"{unique('second')}.localhost"
	folder: Path = stack.bench.sites / name
	shutil.copytree(
		stack.bench.sites / stack.bench.site, folder, ignore=shutil.ignore_patterns("private", "*.log*")
	)
	(folder / "site_config.json").write_text(
		json.dumps({**json.loads((folder / "site_config.json").read_text()), "lang": "de"})
	)
	yield name
	shutil.rmtree(folder)


def test_jobs_of_two_users_and_two_sites_run_beside_each_other(stack: Stack, second_site: str) -> None:
	whose = [
		(site, user)
		for site in (stack.bench.site, second_site)
		for user in ("Administrator", "Guest")
		for _ in range(TOGETHER // 4)
	]
	jobs = [stack.inside("enqueue", job="who", site=site, user=user) for site, user in whose]
	results = [returned for _how, returned, _raised in stack.inside("ended", jobs=jobs)]
	assert [(site, user) for site, user, *_rest in results] == whose
	assert [Path(path).name for _site, _user, _lang, path, _connection in results] == [
		site for site, _user in whose
	]
	# None shares another's connection to the database, nor what is uncommitted on it.
	assert len({connection for *_rest, connection in results}) == TOGETHER


@pytest.mark.timeout(240)
def test_thirty_chats_leave_nothing_behind(stack: Stack) -> None:
	token = os.environ["AI_ASSISTANT_TOKEN"]

	def thirty() -> tuple[int, Counter[str], int]:
		# gunicorn hangs up on a connection that has been idle, at any moment.
		with (
			Client(stack.url, stack.bench.site, stack.socketio_url, token=token) as fresh,
			chats(fresh) as chat,
		):
			for one in [chat(script(*pieces(0, 4)), True) for _ in range(30)]:
				one.result()
		while stack.inside("worker", pid=stack.running["worker"].pid)[0] == "busy":
			pass
		return stack.figures("worker")["threads"], stack.open_files("worker"), _connections(stack)

	counts = [thirty(), thirty()]
	# The pools of connections to both Redis servers fill as many chats ask at once, over several rounds, and hold at
	# most one connection for each chat at a time. If a chat left something behind, the count would grow by thirty in each round.
	while len(counts) < 12 and counts[-1][1] - counts[-2][1]:
		counts.append(thirty())
	(threads, _files, connections), *_between, last = counts
	assert last[0] <= threads
	assert last[1] <= counts[-2][1], counts
	assert last[2] <= connections


def _wait_for_worker(stack: Stack) -> None:
	"""Waits until Redis has exactly one registration of the worker."""
	client = redis.Redis(port=stack.ports["queue"])
	while len(client.pubsub_channels("rq:pubsub:*")) != 1 or len(client.smembers("rq:workers")) != 1:
		time.sleep(0.1)


def _connections(stack: Stack) -> int:
	counted = "select count(*) from information_schema.processlist where db is not null"
	return int(str(stack.sql(counted).communicate()[0]).split()[-1])
