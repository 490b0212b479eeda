"""A bench whose processes are killed, frozen and restarted under chats: nothing lost, nothing twice, one completion."""

import signal
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

import pytest

from ai_assistant.client import ChatStream, Client
from tests.faults.rounds import rounds
from tests.support import script, unique
from tests.support.ledger import LEDGER
from tests.support.provider import ScriptedProvider

from .stack import Stack

Result = tuple[list[dict[str, Any]], dict[str, Any]]

BOTH = pytest.mark.parametrize("background", [False, True], ids=["in the request", "in the background"])


def pieces(first: int, count: int) -> list[dict[str, Any]]:
	"""Steps of which each makes an event: the first chunk of a phase leaves at once."""
	return [{"text" if n % 2 else "reasoning": f"piece {n} "} for n in range(first, first + count)]


def spoken(count: int) -> str:
	"""What `count` pieces say to somebody who reads reasoning and text as they come."""
	return "".join(f"piece {n} " for n in range(count))


def in_three_parts() -> tuple[list[str], str]:
	"""The two gates of a prompt that is answered with ten pieces, and stops after four and after eight."""
	gates = [unique("gate"), unique("gate")]
	return gates, script(*pieces(0, 4), {"gate": gates[0]}, *pieces(4, 4), {"gate": gates[1]}, *pieces(8, 2))


class Chat:
	"""A chat that is followed on a thread of its own, and whose progress can be waited for."""

	def __init__(
		self, threads: ThreadPoolExecutor, client: Client, prompt: str, background: bool, **fields: Any
	) -> None:
		self.stream: ChatStream = client.chat(prompt, background=background, **fields)
		self.events: list[dict[str, Any]] = []
		self._changed = threading.Condition()
		self._done: Future[Result] = threads.submit(self._follow)

	def wait_for(self, seq: int) -> None:
		with self._changed:
			assert self._changed.wait_for(lambda: len(self.events) >= seq, 30), f"only {len(self.events)}"

	def result(self) -> Result:
		return self._done.result()

	def _follow(self) -> Result:
		for event in self.stream:
			if event["type"] != "ai_status":
				with self._changed:
					self.events.append(event)
					self._changed.notify_all()
		if self.stream.answer is None:
			raise self.stream.error or AssertionError("no answer")
		return self.events, self.stream.answer


@contextmanager
def chats(client: Client) -> Iterator[Callable[..., Chat]]:
	with ThreadPoolExecutor(32) as threads:
		yield lambda prompt, background, **fields: Chat(threads, client, prompt, background, **fields)


@pytest.mark.timeout(180)
@BOTH
def test_a_process_killed_at_every_tenth_event(stack: Stack, client: Client, background: bool) -> None:
	name = "worker" if background else "web"
	lengths = range(10, 101, 10)
	with chats(client) as chat:
		running = {n: chat(script(*pieces(0, n), {"hang": True}), background) for n in lengths}
		for n, running_chat in running.items():
			running_chat.wait_for(n + 1)
		stack.kill(name)
		stack.start(name)
		# Several clients ask for their answers at once. The first of them ends the request.
		for n, running_chat in running.items():
			fault = f"kill -9 of the {name} process, at every tenth event"
			LEDGER.settle(fault, spoken(n), *running_chat.result(), end="worker_lost")


@pytest.mark.timeout(180)
def test_a_restart_of_the_bench_lets_what_is_short_end(
	stack: Stack, client: Client, provider: ScriptedProvider
) -> None:
	fault, gate = "bench restart: TERM, and KILL after 30 s", unique("gate")
	short, long = [*pieces(0, 3), {"gate": gate}, *pieces(3, 3)], [*pieces(0, 3), {"hang": True}]
	with chats(client) as chat:
		running = [(chat(script(*steps), bg), steps) for steps in (short, long) for bg in (False, True)]
		for running_chat, _steps in running:
			running_chat.wait_for(4)
		stopping = [
			threading.Thread(target=stack.stop, args=(name,), kwargs={"within_s": 30})
			for name in ("web", "worker")
		]
		for thread in stopping:
			thread.start()
		provider.open(gate)
		for thread in stopping:
			thread.join()
		for name in ("web", "worker"):
			stack.start(name)
		for running_chat, steps in running:
			end, count = ("completed", 6) if steps is short else ("worker_lost", 3)
			LEDGER.settle(f"{fault}; {end}", spoken(count), *running_chat.result(), end=end)


@BOTH
@pytest.mark.parametrize("how", ["frozen until the answer is there", "killed", "killed and restarted"])
def test_redis_goes_away(
	stack: Stack, client: Client, provider: ScriptedProvider, how: str, background: bool
) -> None:
	gates, prompt = in_three_parts()
	with chats(client) as chat:
		one = chat(prompt, background)
		one.wait_for(5)
		request = provider.wait_for(gates[0])
		if how.startswith("frozen"):
			stack.signal("queue", signal.SIGSTOP)
		else:
			stack.kill("queue")
			# The realtime server ends when Redis does.
			stack.running.pop("realtime").wait(20)
		provider.open(gates[0])
		if how == "killed and restarted":
			for name in ("queue", "realtime"):
				stack.start(name)
		provider.open(gates[1])
		# A publisher that waits for Redis would delay the provider, or would not end.
		assert request.answered.wait(20)
		page = {"status": "running"}
		while page["status"] in ("queued", "running"):
			page = client.get("get_request", request_id=one.stream.request_id)
		if how.startswith("frozen"):
			stack.signal("queue", signal.SIGCONT)
		events, answer = one.result()
		LEDGER.settle(f"Redis {how}", spoken(10), events, answer, end="completed")
		if how != "killed and restarted":
			assert answer["realtime"]["failed"] == answer["realtime"]["events"] - 5


@BOTH
def test_the_realtime_server_is_killed_and_restarted(
	stack: Stack, client: Client, provider: ScriptedProvider, background: bool
) -> None:
	gates, prompt = in_three_parts()
	with chats(client) as chat:
		one = chat(prompt, background)
		one.wait_for(5)
		stack.kill("realtime")
		provider.open(gates[0])
		# From the journal, while there is no socket.
		one.wait_for(9)
		stack.start("realtime")
		provider.open(gates[1])
		events, answer = one.result()
		LEDGER.settle("the realtime server killed and restarted", spoken(10), events, answer, end="completed")
		assert answer["realtime"]["failed"] >= 1


@BOTH
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL], ids=["stopped", "killed"])
@pytest.mark.parametrize("at_the_end", [False, True], ids=["midway", "at the end"])
def test_the_database_restarts(
	stack: Stack,
	client: Client,
	provider: ScriptedProvider,
	background: bool,
	number: signal.Signals,
	at_the_end: bool,
) -> None:
	gates, prompt = in_three_parts()
	with chats(client) as chat:
		one = chat(prompt, background)
		one.wait_for(5)
		request = provider.wait_for(gates[0])
		stack.signal("database", number)
		stack.running.pop("database").wait(30)
		provider.open(gates[0])
		if at_the_end:
			provider.open(gates[1])
			assert request.answered.wait(20)
		stack.start("database")
		provider.open(gates[1])
		where = "at the end of the answer" if at_the_end else "midway"
		how = "stopped" if number == signal.SIGTERM else "killed"
		fault = f"MariaDB {how} and started again, {where}"
		LEDGER.settle(fault, spoken(10), *one.result(), end="completed")
		# The socket was there all along, and had them all.
		assert one.stream.read_back == 0


def test_what_is_accepted_while_redis_is_away_is_answered_when_it_is_back(
	stack: Stack, client: Client, provider: ScriptedProvider
) -> None:
	stack.kill("queue")
	with chats(client) as chat:
		one = chat(script(*pieces(0, 4)), True)
		page = {"status": "queued", "events": []}
		while not page["events"]:
			try:
				page = client.get("get_events", request_id=one.stream.request_id)
			except Exception:
				# Not accepted yet.
				continue
		assert page["status"] == "queued"
		for name in ("queue", "realtime"):
			stack.stop(name, within_s=1)
			stack.start(name)
		# The scheduler calls this every minute.
		execute = ["execute", "ai_assistant.chat.queue.enqueue_again"]
		assert stack.bench.command(*execute, env=stack.environment).returncode == 0
		LEDGER.settle("background, accepted without Redis", spoken(4), *one.result(), end="completed")


def test_a_plain_worker_of_frappe_answers_too(stack: Stack, client: Client) -> None:
	stack.stop("worker")
	stack.start("plain worker")
	try:
		with chats(client) as chat:
			one = chat(script(*pieces(0, 4)), True)
			LEDGER.settle(
				"no fault: a plain `bench worker --queue ai` instead of the app's worker",
				spoken(4),
				*one.result(),
				end="completed",
			)
	finally:
		stack.stop("plain worker")


@pytest.mark.timeout(480)
def test_a_hundred_rounds_of_faults_leave_nothing_behind(
	stack: Stack, client: Client, provider: ScriptedProvider
) -> None:
	def hundred() -> tuple[dict[str, int], Counter[str]]:
		rounds(client, provider, 100)
		# gunicorn closes a client's connection that has been idle for two seconds.
		while (kinds := stack.open_files("web"))["clients"]:
			time.sleep(0.1)
		return stack.figures("web"), kinds

	# gunicorn makes its threads as they are needed.
	rounds(client, provider, 200)
	counts = [hundred(), hundred()]
	# Pools of connections fill as many ask at once, and hold at most one connection for each thread. What each round
	# left behind would be there a hundred times more after each hundred, or for each kind of fault 25 times.
	while len(counts) < 8 and counts[-1][1] - counts[-2][1]:
		counts.append(hundred())
	(before, files_before), (after, files_after) = counts[-2:]
	assert files_after <= files_before, counts
	assert after["threads"] <= before["threads"] + 10
	assert after["memory"] <= before["memory"] * 1.05
