"""How the direct adapter reaches a provider: connections that are kept, headers, certificates, and proxies that fail."""

import asyncio
import itertools
import json
import socket
import socketserver
import ssl
import struct
import subprocess
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from ai_assistant.gateway import Provider, ProviderError, Text, http, http_client
from ai_assistant.gateway.adapters import openai_chat
from ai_assistant.gateway.chunks import Ask
from tests.support.serving import serving

from .asking import Heard, gateway, hear, scripted
from .test_faults import nobody, somebody_who_says

CHUNK = {"choices": [{"index": 0, "delta": {"content": "Hi"}, "finish_reason": "stop"}]}
EVENTS = f"data: {json.dumps(CHUNK)}\n\ndata: [DONE]\n\n".encode()
HEAD = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n%scontent-length: %d\r\n\r\n"
ANSWER = HEAD % (b"", len(EVENTS)) + EVENTS
RESET = struct.pack("ii", 1, 0)
# Returns the answer to the n-th request of the m-th connection.
Play = Callable[[int, int], bytes]


class Counting(socketserver.ThreadingTCPServer):
	"""Answers what `play` says, keeps connections, and hangs up after what does not end as an answer does."""

	daemon_threads = True

	def __init__(self, play: Play, reset: bool) -> None:
		self.play = play
		self.reset = reset
		self.requests: list[tuple[int, int]] = []
		self._connections = itertools.count(1)
		super().__init__(("127.0.0.1", 0), _Requests)

	def next_connection(self) -> int:
		return next(self._connections)


class _Requests(socketserver.StreamRequestHandler):
	server: Counting

	def handle(self) -> None:
		connection = self.server.next_connection()
		for request in itertools.count(1):
			if not self._read():
				return
			self.server.requests.append((connection, request))
			text = self.server.play(connection, request)
			self.wfile.write(text)
			if not text.endswith(EVENTS):
				if self.server.reset:
					self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
				return

	def _read(self) -> bool:
		length = 0
		while (line := self.rfile.readline()) not in (b"\r\n", b""):
			if line.lower().startswith(b"content-length:"):
				length = int(line.split(b":")[1])
		return bool(line) and len(self.rfile.read(length)) == length


@contextmanager
def counting(play: Play, reset: bool = False) -> Iterator[tuple[Counting, str]]:
	server = Counting(play, reset)
	with serving(server) as address:
		yield server, address


def ask(address: str, **fields: Any) -> Heard:
	one = Provider("p", "openai", "-", "m", api_base=address, **fields)
	return hear(gateway(one).stream_generate(scripted([])))


# Connections that are kept


@pytest.mark.parametrize("reset", [False, True])
def test_a_kept_connection_that_has_ended_is_not_the_end_of_the_question(reset: bool) -> None:
	with counting(lambda *at: b"" if at == (1, 2) else ANSWER, reset) as (server, address):
		assert [ask(address).text for _ in range(3)] == ["Hi"] * 3
	assert server.requests[:3] == [(1, 1), (1, 2), (2, 1)]


def test_all_kept_connections_may_have_ended_together() -> None:
	both = threading.Barrier(2)

	def play(_connection: int, request: int) -> bytes:
		if len(server.requests) <= 2 and request == 1:
			both.wait(timeout=20)
		return ANSWER if request == 1 else b""

	with counting(play) as (server, address):
		together = [threading.Thread(target=ask, args=(address,)) for _ in range(2)]
		for stream in together:
			stream.start()
		for stream in together:
			stream.join()
		assert ask(address).text == "Hi"
	assert [request for _connection, request in server.requests] == [1, 1, 2, 1]


def test_a_question_is_sent_once_more_and_no_oftener() -> None:
	with counting(lambda *at: ANSWER if at == (1, 1) else b"") as (server, address):
		assert ask(address).text == "Hi"
		assert ask(address).failure.kind == "broke_off"
		assert server.requests == [(1, 1), (1, 2), (2, 1)]
		# On a new connection the request may have been processed.
		assert ask(address).failure.kind == "broke_off"
		assert server.requests[3:] == [(3, 1)]


def test_an_answer_that_has_begun_is_not_asked_for_again() -> None:
	begun = HEAD % (b"", 9999) + b'data: {"choices": [{"delta": {"content": "H"}}]}\n\n'
	with counting(lambda *at: begun if at == (1, 2) else ANSWER) as (server, address):
		assert ask(address).text == "Hi"
		heard = ask(address)
		assert (heard.text, heard.failure.kind) == ("H", "broke_off")
	assert server.requests == [(1, 1), (1, 2)]


# Headers


@pytest.mark.parametrize(("size", "count"), [(9000, 1), (100, 200)])
def test_headers_may_be_as_long_and_as_many_as_browsers_take(size: int, count: int) -> None:
	headers = b"".join(b"x-policy-%d: %s\r\n" % (n, b"a" * size) for n in range(count))
	with somebody_who_says(HEAD % (headers, len(EVENTS)) + EVENTS) as address:
		assert ask(address).text == "Hi"


def test_a_configured_header_is_sent_without_the_line_end_of_its_file(server: Any, marker: str) -> None:
	extra = {"extra_headers": {"X-Team": "seven\n"}}
	one = Provider("p", "openai", "-", "m", api_base=server.base("openai"), extra=extra)
	assert hear(gateway(one).stream_generate(scripted([{"text": "Yes."}], marker))).text == "Yes."
	assert server.wait_for(marker).headers["x-team"] == "seven"


# Certificates


@pytest.fixture(scope="module")
def of_its_own(tmp_path_factory: pytest.TempPathFactory) -> Path:
	"""A certificate for loopback that no authority has signed, with its key in one file."""
	folder = tmp_path_factory.mktemp("certificate")
	key, certificate = folder / "key.pem", folder / "certificate.pem"
	value = "-newkey rsa:2048 -nodes -days 2 -subj /CN=127.0.0.1 -addext subjectAltName=IP:127.0.0.1"
	command = ["openssl", "req", "-x509", *value.split(), "-keyout", str(key), "-out", str(certificate)]
	subprocess.run(command, check=True, capture_output=True)
	certificate.write_bytes(key.read_bytes() + certificate.read_bytes())
	return certificate


@contextmanager
def over_tls(certificate: Path) -> Iterator[str]:
	context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
	context.load_cert_chain(certificate)
	server = Counting(lambda *_: ANSWER, False)
	server.socket = context.wrap_socket(server.socket, server_side=True)
	# A client that does not trust the certificate hangs up during the handshake.
	server.handle_error = lambda *_: None  # type: ignore[method-assign]
	with serving(server) as address:
		yield address.replace("http:", "https:")


@pytest.mark.parametrize("api", ["openai", "litellm/openai"])
def test_a_certificate_that_is_not_trusted_is_told_by_name(of_its_own: Path, api: str) -> None:
	with over_tls(of_its_own) as address:
		one = Provider("p", api, "-", "m", api_base=address)
		failure = hear(gateway(one).stream_generate(scripted([]))).failure
	assert (failure.kind, failure.retryable) == ("untrusted", False)


@pytest.fixture
def own_authorities() -> Iterator[None]:
	http_client.certificates_of_environment.cache_clear()
	yield
	http_client.certificates_of_environment.cache_clear()


async def _answered(address: str) -> list[str]:
	"""The texts of an answer on a loop of its own: its client has read the environment anew."""
	one = Provider("p", "openai", "-", "m", api_base=address)
	try:
		return [
			piece.text
			async for piece in openai_chat.answer(one, Ask(scripted([]), "m"))
			if isinstance(piece, Text)
		]
	finally:
		if client := http_client._clients.pop(asyncio.get_running_loop(), None):
			await client.close()


@pytest.mark.usefixtures("own_authorities")
@pytest.mark.parametrize("name", ["SSL_CERT_FILE", "SSL_CERT_DIR"])
def test_the_environment_names_whom_to_trust(
	of_its_own: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, name: str
) -> None:
	for variable in ("SSL_CERT_FILE", "SSL_CERT_DIR"):
		monkeypatch.delenv(variable, raising=False)
	command = ["openssl", "x509", "-hash", "-noout", "-in", str(of_its_own)]
	found_by = subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()
	(tmp_path / f"{found_by}.0").symlink_to(of_its_own)
	monkeypatch.setenv(name, str(of_its_own if name == "SSL_CERT_FILE" else tmp_path))
	with over_tls(of_its_own) as address:
		assert asyncio.run(_answered(address)) == ["Hi"]


@pytest.mark.usefixtures("own_authorities")
def test_authorities_that_cannot_be_read_are_told_by_name(
	monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
	monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "missing.pem"))
	with pytest.raises(ProviderError) as raised:
		asyncio.run(_answered("https://127.0.0.1:9/v1"))
	assert (raised.value.kind, raised.value.retryable) == ("unreadable_authorities", False)


# Proxies


@pytest.fixture
def _own_proxies(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
	for name in ("http", "https", "all", "no"):
		monkeypatch.delenv(f"{name}_proxy", raising=False)
		monkeypatch.delenv(f"{name}_proxy".upper(), raising=False)
	http._proxy.cache_clear()
	yield
	http._proxy.cache_clear()


@pytest.mark.usefixtures("_own_proxies")
def test_a_proxy_that_is_not_there_is_told_apart_from_the_provider(monkeypatch: pytest.MonkeyPatch) -> None:
	with nobody() as address:
		monkeypatch.setenv("all_proxy", address)
		failure = ask("http://provider.invalid/v1").failure
	assert (failure.kind, failure.code) == ("proxy", "provider_unavailable")


@pytest.mark.usefixtures("_own_proxies")
def test_a_proxy_that_refuses_is_told_apart_from_the_provider(monkeypatch: pytest.MonkeyPatch) -> None:
	with somebody_who_says(b"HTTP/1.1 407 Who are you\r\ncontent-length: 0\r\n\r\n") as address:
		monkeypatch.setenv("all_proxy", address)
		assert ask("https://provider.invalid/v1").failure.kind == "proxy"


@pytest.mark.usefixtures("_own_proxies")
def test_a_proxy_of_another_kind_is_no_reason_to_go_without(
	monkeypatch: pytest.MonkeyPatch, server: Any
) -> None:
	monkeypatch.setenv("all_proxy", "socks5://127.0.0.1:1080")
	failure = ask(server.base("openai")).failure
	assert (failure.kind, failure.retryable) == ("unusable_proxy", False)
