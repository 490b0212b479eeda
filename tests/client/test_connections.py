"""The client when its connections end at the wrong moment, and what is left when the client is dropped."""

import gc
import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import httpx
import pytest

from ai_assistant.client import ApiError, Client
from ai_assistant.client.event_socket import _ClosableClient
from tests.support import script, unique
from tests.support.provider import ScriptedProvider
from tests.support.serving import serving
from tests.support.site import Site, StandaloneSite, site_config

# The answer to the n-th request of a method: status and message, or None to hang up without an answer.
Play = Callable[[str, int], tuple[int, Any] | None]
REALTIME = {"events": 0, "failed": 0, "last_seq": 0}
NOT_FOUND = (404, {"success": False, "error": {"code": "not_found", "message": "No.", "retryable": False}})
CONFLICT = (409, {"success": False, "error": {"code": "conflict", "message": "It runs.", "retryable": False}})


def answer(request_id: str) -> dict[str, Any]:
	return {"status": "completed", "request_id": request_id, "response": "whole", "realtime": REALTIME}


class Scripted(ThreadingHTTPServer):
	"""A site that plays a part, keeps connections, and notes what it was asked."""

	def __init__(self, play: Play) -> None:
		self.play = play
		self.requests: list[tuple[str, dict[str, Any]]] = []
		self.hung_up = threading.Event()
		super().__init__(("127.0.0.1", 0), _Handler)

	def times(self, method: str) -> int:
		return sum(name == method for name, _body in self.requests)


class _Handler(BaseHTTPRequestHandler):
	server: Scripted
	protocol_version = "HTTP/1.1"

	def do_POST(self) -> None:
		body = self.rfile.read(int(self.headers.get("content-length", 0)))
		method = self.path.partition("?")[0].rpartition(".")[2]
		is_json = self.headers.get("content-type") == "application/json"
		self.server.requests.append((method, json.loads(body) if is_json else {}))
		text = self.server.play(method, self.server.times(method))
		self.close_connection = text is None
		if text:
			told = json.dumps({"message": text[1]}).encode()
			self.send_response(text[0])
			self.send_header("content-type", "application/json")
			self.send_header("content-length", str(len(told)))
			self.end_headers()
			self.wfile.write(told)

	do_GET = do_POST

	def finish(self) -> None:
		super().finish()
		self.server.hung_up.set()

	def log_message(self, *_: object) -> None: ...


@contextmanager
def playing(play: Play) -> Iterator[tuple[Scripted, str]]:
	server = Scripted(play)
	with serving(server) as address:
		yield server, address


def asks(server: Scripted) -> list[str]:
	return [body["request_id"] for method, body in server.requests if method == "chat_completion"]


# Connections that end


def test_a_question_that_never_arrived_is_sent_once_more_under_its_id() -> None:
	def play(method: str, n: int) -> tuple[int, Any] | None:
		if method == "chat_completion":
			return (200, answer("r1234567")) if n == 2 else None
		return NOT_FOUND

	with playing(play) as (server, url), Client(url, "x", token="k:s") as client:
		stream = client.chat("hello", request_id="r1234567")
		assert stream.wait()["response"] == "whole" and stream.error is None
		assert asks(server) == ["r1234567"] * 2


def test_a_question_is_sent_no_third_time() -> None:
	def play(method: str, _n: int) -> tuple[int, Any] | None:
		return None if method == "chat_completion" else NOT_FOUND

	with playing(play) as (server, url), Client(url, "x", token="k:s") as client:
		with pytest.raises(httpx.RemoteProtocolError):
			client.chat("hello").wait()
		assert len(asks(server)) == 2


def test_a_question_that_had_arrived_after_all_is_read_back() -> None:
	def play(method: str, n: int) -> tuple[int, Any] | None:
		if method == "chat_completion":
			return None if n == 1 else CONFLICT
		if method == "get_request" and n > 1:
			return 200, answer("r1234567")
		return NOT_FOUND

	with playing(play) as (_server, url), Client(url, "x", token="k:s") as client:
		assert client.chat("hello", request_id="r1234567").wait()["response"] == "whole"


def test_a_question_that_is_refused_is_not_sent_again() -> None:
	with playing(lambda *_: CONFLICT) as (server, url), Client(url, "x", token="k:s") as client:
		with pytest.raises(ApiError, match="It runs"):
			client.chat("hello").wait()
		assert len(asks(server)) == 1


def test_what_is_only_read_is_asked_for_once_more() -> None:
	with playing(lambda _method, n: (200, n) if n != 2 else None) as (server, url):
		with Client(url, "x", token="k:s") as client:
			assert [client.get("list_models") for _ in range(2)] == [1, 3]
			assert server.times("list_models") == 3


# What is let go of


def test_a_client_that_may_not_log_in_leaves_no_connection() -> None:
	with playing(lambda *_: (401, "Invalid login credentials")) as (server, url):
		# The frames keep the client alive, so only the client can close itself.
		with pytest.raises(ApiError) as raised:
			Client(url, "x", user="a", password="wrong")
		assert server.hung_up.wait(20)
	assert raised.value.status == 401


def ends_all(before: set[threading.Thread]) -> bool:
	"""Whether every thread that was begun since comes to its end."""
	for thread in set(threading.enumerate()) - before:
		thread.join(20)
	return not set(threading.enumerate()) - before


def test_a_closed_client_leaves_no_thread(site: Site) -> None:
	before = set(threading.enumerate())
	with site.client(site.first) as client:
		client.connect()
		assert client.chat("hello").wait()["status"] == "completed"
	assert ends_all(before)


def test_a_client_that_is_closed_while_the_site_is_away_does_not_come_back(
	provider: ScriptedProvider, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
	tried_again = threading.Event()
	monkeypatch.setattr(_ClosableClient, "_keep_refusal", lambda *_: tried_again.set())
	before = set(threading.enumerate())
	with StandaloneSite(tmp_path, site_config(provider)) as site:
		client = site.client(site.first)
		client.connect()
	assert tried_again.wait(20)
	client.close()
	assert ends_all(before)


def test_an_attempt_that_succeeds_while_the_client_is_closed_is_ended(
	site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
	connects, goes_on = threading.Event(), threading.Event()
	before = set(threading.enumerate())
	connect = _ClosableClient.connect
	with site.client(site.first) as client:
		client.connect()

		def slowly(self: _ClosableClient, *args: Any, **options: Any) -> None:
			connects.set()
			assert goes_on.wait(20)
			connect(self, *args, **options)

		monkeypatch.setattr(_ClosableClient, "connect", slowly)
		client.socket.client.eio.ws.close()
		assert connects.wait(20)
		closing = threading.Thread(target=client.close)
		closing.start()
		goes_on.set()
		closing.join(20)
	assert ends_all(before)


def test_a_second_socket_takes_the_place_of_the_first(site: Site) -> None:
	before = set(threading.enumerate())
	with site.client(site.first) as client:
		client.connect()
		first = client.socket
		client.connect()
		assert (first.client.connected, client.socket.client.connected) == (False, True)
		assert client.chat("hello").wait()["status"] == "completed"
	assert ends_all(before)


@pytest.mark.parametrize("connected", [True, False])
def test_a_stream_that_is_left_early_lets_go_of_its_inbox(
	site: Site, provider: ScriptedProvider, connected: bool
) -> None:
	gate = unique("gate")
	with site.client(site.first) as client:
		if connected:
			client.connect()
		stream = client.chat(script({"text": "one"}, {"gate": gate}, {"text": "two"}))
		texts = []
		for event in stream:
			if event["type"] == "text":
				texts.append(event["text"])
				break
		assert client.events._inboxes == {}
		provider.open(gate)
		texts += [event["text"] for event in stream if event["type"] == "text"]
		assert "".join(texts) == stream.wait()["response"] == "onetwo"
		assert client.events._inboxes == {}


def test_a_stream_that_nobody_looks_at_lets_go_of_its_inbox(site: Site) -> None:
	before = set(threading.enumerate())
	with site.client(site.first) as client:
		client.chat("hello")
		assert ends_all(before)
		gc.collect()
		assert client.events._inboxes == {}
