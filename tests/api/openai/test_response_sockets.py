"""The WebSocket of the Responses API and the threads of the web server."""

import json
from typing import Any

import pytest

from ai_assistant.api.openai.response_socket import ACCEPT, APPLICATION
from ai_assistant.chat import capacity
from tests.security.conftest import InProcess, in_process
from tests.support import script
from tests.support.site import USERS
from tests.support.v1 import PATH

__all__ = ["in_process"]

HANDSHAKE = {
	"Authorization": f"token {next(iter(USERS))}:secret",
	"Connection": "Upgrade",
	"Upgrade": "websocket",
	"Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==",
}


class Socket:
	"""A client that sends these messages and is silent after them."""

	connected = True

	def __init__(self, *messages: dict[str, Any]) -> None:
		self._messages = list(messages)
		self.sent: list[dict[str, Any]] = []
		self.closed = False

	def receive(self, timeout: float) -> str | None:
		assert timeout > 0
		return json.dumps(self._messages.pop(0)) if self._messages else None

	def send(self, text: str) -> None:
		self.sent.append(json.loads(text))

	def close(self) -> None:
		self.closed = True


def handshake(site: InProcess, socket: Socket | None = None) -> Any:
	environ = {ACCEPT: lambda: socket, APPLICATION: site.wsgi} if socket else {}
	return site.client.get(f"{PATH}/responses", headers=HANDSHAKE, environ_overrides=environ, buffered=True)


def test_a_socket_that_is_silent_is_closed(in_process: InProcess) -> None:
	socket = Socket()
	with pytest.raises(BrokenPipeError):
		handshake(in_process, socket)
	assert socket.closed


def test_a_socket_holds_one_thread_with_its_turn(
	in_process: InProcess, monkeypatch: pytest.MonkeyPatch
) -> None:
	monkeypatch.setattr(capacity, "_threads", 1)
	message = {"type": "response.create", "model": "scripted", "input": script({"text": "Hi."})}
	socket = Socket(message, message)
	with pytest.raises(BrokenPipeError):
		handshake(in_process, socket)
	ends = [event for event in socket.sent if event["type"] == "response.completed"]
	assert len(ends) == 2 and not capacity._held


def test_a_socket_for_which_no_thread_is_free_is_refused(
	in_process: InProcess, monkeypatch: pytest.MonkeyPatch
) -> None:
	monkeypatch.setattr(capacity, "_threads", 0)
	answer = handshake(in_process, Socket())
	assert (answer.status_code, answer.headers["Retry-After"]) == (503, "2")
	assert "threads" in answer.json["error"]["message"]


def test_a_web_server_without_threads_serves_no_socket(in_process: InProcess) -> None:
	answer = handshake(in_process)
	assert answer.status_code == 426 and "POST" in answer.json["error"]["message"]
