"""The bridge between the event loop and the threads of the requests."""

import asyncio
import threading
from collections.abc import Iterator
from typing import Any

import pytest

from ai_assistant.standalone import wsgi
from ai_assistant.standalone.workers import Workers

SCOPE = {
	"type": "http",
	"method": "GET",
	"path": "/",
	"query_string": b"",
	"http_version": "1.1",
	"scheme": "http",
	"headers": [],
}


@pytest.fixture
def workers() -> Iterator[Workers]:
	pool = Workers(1)
	yield pool
	pool.shutdown()


def served(application: Any, workers: Workers, send: Any) -> None:
	"""Answers one GET."""

	async def serve() -> None:
		received = [{"type": "http.request", "body": b"", "more_body": False}]

		async def receive() -> dict[str, Any]:
			if received:
				return received.pop()
			await asyncio.Event().wait()
			raise AssertionError

		await wsgi.WsgiServer(application, workers, lambda: 1)(SCOPE, receive, send)

	asyncio.run(asyncio.wait_for(serve(), 10))


@pytest.mark.parametrize(("headers", "waits"), [([], True), ([("Content-Length", "2")], False)])
def test_a_stream_goes_on_when_its_first_part_is_sent(
	workers: Workers, monkeypatch: pytest.MonkeyPatch, headers: list[tuple[str, str]], waits: bool
) -> None:
	monkeypatch.setattr(wsgi, "SEND_S", 10)
	sent: list[bytes] = []
	sent_before: list[bytes] = []
	may_send = threading.Event()

	def application(_environ: Any, start_response: Any) -> Iterator[bytes]:
		start_response("200 OK", headers)
		yield b"a"
		sent_before[:] = sent
		may_send.set()
		yield b"b"

	async def send(message: dict[str, Any]) -> None:
		# A thread that does not wait goes on meanwhile.
		await asyncio.get_running_loop().run_in_executor(None, may_send.wait, 0.1 if waits else 5)
		sent.append(message.get("body", b"head"))

	served(application, workers, send)
	assert sent_before == ([b"head", b"a"] if waits else [])
	assert sent == [b"head", b"a", b"b", b""]


def test_a_client_that_does_not_read_does_not_stop_the_thread(workers: Workers) -> None:
	goes_on = threading.Event()

	def application(_environ: Any, start_response: Any) -> Iterator[bytes]:
		start_response("200 OK", [])
		yield b"a"
		goes_on.set()

	async def send(_message: dict[str, Any]) -> None:
		assert await asyncio.get_running_loop().run_in_executor(None, goes_on.wait, 5)

	served(application, workers, send)
