"""Whether anybody hears is asked of Redis itself; here a Redis of the test's own, that can be silent or gone."""

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import frappe
import pytest
import redis
from frappe.utils import background_jobs

from ai_assistant.realtime import redis_health


@contextmanager
def redis_that(answer: bytes | list[bytes | None] | None, at: Path | None = None) -> Iterator[str]:
	"""A server that answers who is subscribed with this in Redis' protocol, or never (None); with the newest of a list.

	It has a port, or `at` a path a Unix socket.
	"""
	answers = answer if isinstance(answer, list) else [answer]
	server = socket.socket(socket.AF_UNIX if at else socket.AF_INET)
	server.bind(str(at) if at else ("127.0.0.1", 0))
	server.listen()

	def serve() -> None:
		while True:
			try:
				connection, _ = server.accept()
			except OSError:
				return
			threading.Thread(target=talk, args=(connection,), daemon=True).start()

	def talk(connection: socket.socket) -> None:
		with connection:
			while data := connection.recv(4096):
				for command in data.split(b"*")[1:]:
					if b"NUMSUB" in command:
						connection.sendall(answers[-1] or b"")
					elif b"PING" in command:
						connection.sendall(b"+PONG\r\n")
					else:
						connection.sendall(b"+OK\r\n")

	threading.Thread(target=serve, daemon=True).start()
	try:
		yield f"unix://{at}" if at else f"redis://127.0.0.1:{server.getsockname()[1]}"
	finally:
		# A close alone would leave the accept of the other thread waiting, and the port open.
		server.shutdown(socket.SHUT_RDWR)
		server.close()


@pytest.fixture
def conf() -> Iterator[dict[str, str]]:
	"""The site's configuration, to write into; asked anew without the memory of earlier failures."""
	redis_health._failures.clear()
	frappe.local.conf = {}
	yield frappe.local.conf
	redis_health._failures.clear()
	del frappe.local.conf


def numsub(count: int) -> bytes:
	return b"*2\r\n$6\r\nevents\r\n:%d\r\n" % count


def test_a_site_without_redis_has_its_realtime_server_in_the_process(conf: dict[str, str]) -> None:
	assert redis_health.why_not() is None


def test_a_subscribed_realtime_server_is_heard_of(conf: dict[str, str]) -> None:
	with redis_that(numsub(1)) as conf["redis_queue"]:
		assert redis_health.why_not() is None


def test_redis_without_a_realtime_server_is_no_listener(conf: dict[str, str]) -> None:
	with redis_that(numsub(0)) as conf["redis_queue"]:
		assert redis_health.why_not() == "no realtime server is subscribed"
	# It is asked for anew with each event: one that comes back hears the next.
	assert not redis_health._failures


def test_a_redis_that_is_gone_is_no_listener(conf: dict[str, str]) -> None:
	with redis_that(numsub(1)) as conf["redis_queue"]:
		pass
	assert redis_health.why_not() == "redis cannot be reached"


def test_each_event_asks_anew_so_that_those_after_a_death_count_as_failed(conf: dict[str, str]) -> None:
	answers: list[bytes | None] = [numsub(1)]
	with redis_that(answers) as conf["redis_queue"]:
		assert redis_health.why_not() is None
		answers[0] = numsub(0)
		assert redis_health.why_not() == redis_health.NO_SUBSCRIBER


def test_a_redis_at_a_unix_socket_is_asked_too(conf: dict[str, str], tmp_path: Path) -> None:
	with redis_that(numsub(1), tmp_path / "redis") as conf["redis_queue"]:
		assert redis_health.why_not() is None
	conf["redis_queue"] = f"unix://{tmp_path / 'another'}"
	assert redis_health.why_not() == "redis cannot be reached"


@pytest.mark.parametrize("url", ["localhost:6379", "redis://127.0.0.1:port"])
def test_what_is_no_address_of_a_redis_ends_no_chat(conf: dict[str, str], url: str) -> None:
	conf["redis_queue"] = url
	assert redis_health.why_not() == "redis cannot be reached"


def test_a_frozen_redis_is_waited_for_once_however_long_it_is_frozen(
	conf: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
	asked_by = []
	ask = redis_health._ask
	monkeypatch.setattr(redis_health, "_ask", lambda url: asked_by.append(threading.get_ident()) or ask(url))
	with redis_that(None) as conf["redis_queue"]:
		assert [redis_health.why_not() for _ in range(20)] == ["redis does not answer"] * 20
		assert not redis_health.redis_answers()
		# A thread of its own asks on.
		while len(asked_by) < 3:
			assert redis_health.why_not() == "redis does not answer"
	assert asked_by.count(threading.get_ident()) == 1


def test_one_that_comes_back_is_heard_of(conf: dict[str, str]) -> None:
	answers: list[bytes | None] = [None]
	with redis_that(answers) as conf["redis_queue"]:
		assert redis_health.why_not() == "redis does not answer"
		answers[0] = numsub(1)
		while redis_health.why_not():
			pass


def test_a_publish_to_a_redis_that_freezes_under_it_is_ended(
	conf: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
	with redis_that(None) as conf["redis_queue"]:
		connection = redis.Redis.from_url(conf["redis_queue"])
		monkeypatch.setattr(
			background_jobs, "get_redis_connection_without_auth", lambda: connection, raising=False
		)
		with pytest.raises(redis.exceptions.ConnectionError), redis_health.bounded():
			# As Frappe asks: without a timeout.
			connection.pubsub_numsub("events")
		with redis_health.bounded():
			# And one that answers is left alone.
			assert connection.ping()
