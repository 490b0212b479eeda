"""Tests the head of a streamed response, which is sent with the first part of its body."""

import inspect
import json
from collections.abc import Iterator
from contextlib import suppress
from typing import Any

import pytest
from werkzeug.test import EnvironBuilder
from werkzeug.wrappers import Request, Response

from ai_assistant.api import requests
from ai_assistant.chat.errors import ChatError
from tests.security.conftest import InProcess, in_process
from tests.support import script
from tests.support.site import USERS
from tests.support.v1 import PATH

from .conftest import provider

__all__ = ["in_process", "provider"]

USER, *_OTHERS = USERS


class Answer:
	"""A streamed response of a WSGI application, with its head once the application has given it."""

	def __init__(self, in_process: InProcess, *steps: dict[str, Any]) -> None:
		self.heads: list[tuple[str, list[tuple[str, str]]]] = []
		messages = [{"role": "user", "content": script(*steps)}]
		asked: dict[str, Any] = {"model": "other/any", "messages": messages, "stream": True}
		builder = EnvironBuilder(
			f"{PATH}/chat/completions",
			method="POST",
			json=asked,
			headers=[("Authorization", f"token {USER}:secret")],
		)
		self.body: Any = in_process.wsgi(builder.get_environ(), self._start)
		self.parts: Iterator[bytes] = iter(self.body)

	def _start(self, status: str, headers: list[tuple[str, str]], _error: object = None) -> Any:
		self.heads.append((status, headers))

	@property
	def status(self) -> str:
		((status, _headers),) = self.heads
		return status

	def header(self, name: str) -> list[str]:
		((_status, headers),) = self.heads
		return [value for key, value in headers if key.lower() == name.lower()]


def test_the_head_is_sent_with_the_first_part(in_process: InProcess) -> None:
	answer = Answer(in_process, {"text": "So"})
	assert answer.heads == []
	assert b"So" in next(answer.parts)
	assert answer.status == "200 OK"
	assert answer.header("Content-Type") == ["text/event-stream; charset=utf-8"]
	assert answer.header("Content-Length") == []
	assert answer.header("X-Accel-Buffering") == ["no"]
	assert answer.header("Set-Cookie")
	assert b"[DONE]" in b"".join(answer.parts)
	answer.body.close()


def test_a_provider_that_fails_before_the_first_part_gives_the_response_the_status_of_its_error(
	in_process: InProcess,
) -> None:
	answer = Answer(in_process, {"status": 401})
	error = json.loads(b"".join(answer.parts))["error"]
	assert error["code"] == "provider_auth"
	assert answer.status == "502 BAD GATEWAY"
	assert answer.header("Content-Type") == ["application/json"]
	assert answer.header("X-Should-Retry") == ["false"]
	assert len(answer.header("X-Request-Id")) == 1
	# What the site adds to each response is there as well.
	assert answer.header("Set-Cookie")
	answer.body.close()


def test_a_hook_of_another_app_that_reads_or_sets_the_body_does_not_empty_the_stream(
	in_process: InProcess, monkeypatch: pytest.MonkeyPatch
) -> None:
	def reads(response: Response, request: Request) -> None:
		# Frappe logs the error of a hook.
		with suppress(RuntimeError):
			response.get_data()

	def sets(response: Response, request: Request) -> None:
		response.set_data(b"other")

	for hook in (reads, sets):
		monkeypatch.setattr(in_process.wsgi, "_after_request", [hook])
		answer = Answer(in_process, {"text": "So"})
		assert b"So" in b"".join(answer.parts)
		assert answer.header("Content-Length") == []
		answer.body.close()


def test_a_hang_up_before_the_first_part_is_read_ends_the_request(
	in_process: InProcess, monkeypatch: pytest.MonkeyPatch
) -> None:
	"""A web server closes the body all the same."""
	running: list[Any] = []
	chunks_of = requests.chunks_of

	def kept(*given: Any) -> Any:
		running.append(chunks_of(*given))
		return running[0]

	monkeypatch.setattr(requests, "chunks_of", kept)
	answer = Answer(in_process, {"text": "So"}, {"hang": True})
	# The status comes with the first part.
	assert answer.heads == []
	answer.body.close()
	assert inspect.getgeneratorstate(running[0]) == inspect.GEN_CLOSED


def fails_to_begin(in_process: InProcess, monkeypatch: pytest.MonkeyPatch, error: Exception) -> Answer:
	"""An answer of which the site raises an error while it waits for the first chunk."""
	answer = Answer(in_process, {"hang": True})

	def fails(*_given: object) -> Any:
		raise error

	monkeypatch.setattr(requests, "_first", fails)
	return answer


def test_a_refusal_before_the_first_part_has_its_own_status(
	in_process: InProcess, monkeypatch: pytest.MonkeyPatch
) -> None:
	answer = fails_to_begin(in_process, monkeypatch, ChatError("busy", "The site is busy.", 3))
	assert json.loads(b"".join(answer.parts))["error"]["message"] == "The site is busy."
	assert answer.status == "503 SERVICE UNAVAILABLE"
	assert answer.header("Retry-After") == ["3"]
	assert answer.header("Cache-Control") == ["no-store"]
	answer.body.close()


def test_a_defect_before_the_first_part_is_an_error_of_the_site(
	in_process: InProcess, monkeypatch: pytest.MonkeyPatch
) -> None:
	answer = fails_to_begin(in_process, monkeypatch, ValueError("secret"))
	content = b"".join(answer.parts)
	assert answer.status == "500 INTERNAL SERVER ERROR"
	assert json.loads(content)["error"]["code"] == "internal_error" and b"secret" not in content
	answer.body.close()
