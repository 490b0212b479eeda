"""Tests each alert by its cause: sent once, and once more when it is over."""

import signal
import socket
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from typing import Any

import pytest

from ai_assistant.client import Client
from tests.support import script

from .stack import Stack

# Each look at the bench starts a Python that loads Frappe: five or six of them in a test, seconds each on a busy machine.
pytestmark = pytest.mark.timeout(180)


@pytest.fixture(autouse=True)
def _nothing_before(stack: Stack) -> None:
	stack.inside("clear")


def ask(client: Client, *prompts: str) -> list[dict[str, Any]]:
	"""All at once; the answers."""
	with ThreadPoolExecutor(len(prompts)) as threads:
		return list(threads.map(lambda prompt: client.chat(prompt).wait(), prompts))


def begins(stack: Stack, text: str, *alerts: str) -> None:
	"""That is what is told, by the first check and not again by the next."""
	first = stack.inside("check")
	assert sorted(first["open"]) == sorted(alerts)
	assert len(first["told"]) == len(alerts) and all(text in event for event in first["told"])
	assert stack.inside("check")["told"] == first["told"]


def is_over(stack: Stack, count: int = 1) -> None:
	last = stack.inside("check")
	assert last["open"] == {}
	assert len([event for event in last["told"] if "it is over" in event]) == count


def test_where_all_is_well_nothing_is_told(stack: Stack, client: Client) -> None:
	# The first requests of a new process are slower than the limit of the alert allows on a busy machine.
	ask(client, *["hello"] * 5)
	stack.inside("clear")
	ask(client, *["hello"] * 5)
	assert stack.inside("check") == {"open": {}, "told": []}


def test_the_realtime_server_is_gone(stack: Stack) -> None:
	stack.kill("realtime")
	begins(stack, "no realtime server is subscribed", "realtime_gone")
	stack.start("realtime")
	stack.inside("pass_time")
	is_over(stack)


def test_a_realtime_server_that_is_frozen_delivers_nothing(stack: Stack) -> None:
	"""It is subscribed all the while: a socket alone can tell."""
	with stack.without("realtime", signal.SIGSTOP):
		begins(stack, "did not come back", "slow_delivery")
	stack.inside("pass_time")
	is_over(stack)


@contextmanager
def long_way(port: int, seconds: float) -> Iterator[int]:
	"""A port that passes on to another at once, and what that answers so much later."""
	server = socket.create_server(("127.0.0.1", 0))

	def serve() -> None:
		while True:
			try:
				here, _ = server.accept()
			except OSError:
				return
			there = socket.create_connection(("127.0.0.1", port))
			for way in ((here, there, 0.0), (there, here, seconds)):
				threading.Thread(target=pass_on, args=way, daemon=True).start()

	def pass_on(source: socket.socket, target: socket.socket, late: float) -> None:
		with suppress(OSError):
			while text := source.recv(65536):
				time.sleep(late)
				target.sendall(text)
			target.shutdown(socket.SHUT_RDWR)

	threading.Thread(target=serve, daemon=True).start()
	try:
		yield server.getsockname()[1]
	finally:
		# A close alone would leave the accept of the other thread waiting, and the port open.
		server.shutdown(socket.SHUT_RDWR)
		server.close()


def test_an_event_that_comes_but_late(stack: Stack, monkeypatch: pytest.MonkeyPatch) -> None:
	with long_way(stack.ports["realtime"], seconds=1.5) as port:
		monkeypatch.setitem(stack.environment, "FRAPPE_SOCKETIO_PORT", str(port))
		begins(stack, "to come back through a socket; the limit is 1000 ms", "slow_delivery")
		monkeypatch.undo()
	stack.inside("pass_time")
	is_over(stack)


def test_events_meet_no_realtime_server(stack: Stack, client: Client) -> None:
	stack.kill("realtime")
	(answer,) = ask(client, "hello")
	assert answer["realtime"]["failed"] == answer["realtime"]["events"] > 0
	stack.start("realtime")
	begins(stack, "met no realtime server", "event_failures")
	stack.inside("pass_time")
	assert stack.inside("check")["open"], "until somebody asks again, nobody can tell"
	ask(client, "hello")
	is_over(stack)


def test_event_1_comes_late(stack: Stack, client: Client) -> None:
	"""Somebody holds for a second what all who ask stand in line for."""
	line = "SELECT name FROM `tabAI Lock` WHERE name = 'admission' FOR UPDATE"
	with stack.sql(f"BEGIN; {line}; DO SLEEP(1)") as database:
		assert database.stdout and database.stdout.readline()
		ask(client, *["hello"] * 5)
	begins(stack, "the limit is 500 ms", "late_first_event")
	stack.inside("pass_time")
	ask(client, *["hello"] * 5)
	is_over(stack)


def test_a_provider_fails_more_often_than_not(stack: Stack, client: Client) -> None:
	ask(client, *[script({"status": 401})] * 5)
	failing = [f"provider_failing {name}" for name in ("claude", "detached", "scripted")]
	begins(stack, "failed 5 of 5 times", *failing)
	stack.inside("pass_time")
	ask(client, *["hello"] * 5)
	# The others were not asked.
	last = stack.inside("check")
	assert sorted(last["open"]) == failing[:2]
