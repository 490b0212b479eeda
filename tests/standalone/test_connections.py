"""Tests bodies that are cut or too large, streamed responses, hang-ups, and many requests at once."""

import socket
import threading
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest

from ai_assistant.standalone.server import RunningSite

from . import methods
from .conftest import ANN, call

API = "/api/method/ai_assistant.api"


def test_a_body_that_is_too_large_is_413(site: RunningSite) -> None:
	where = urlsplit(site.url)
	with socket.create_connection((where.hostname, where.port), timeout=10) as connection:
		connection.sendall(
			b"POST /api/method/ping HTTP/1.1\r\nHost: x\r\nContent-Length: 26214401\r\n\r\nthe first of it"
		)
		assert connection.recv(100).startswith(b"HTTP/1.1 413 ")


def test_a_client_that_hangs_up_does_not_end_its_request(site: RunningSite, http: httpx.Client) -> None:
	where = urlsplit(site.url)
	with socket.create_connection((where.hostname, where.port), timeout=10) as connection:
		head = (
			f"POST {API}.wait?request_id=hung-up HTTP/1.1\r\nHost: x\r\nAuthorization: {ANN['Authorization']}"
		)
		connection.sendall(f"{head}\r\nContent-Length: 0\r\n\r\n".encode())
		assert methods.entered.wait(10)

	# The server has read the hang-up before this, which came after it.
	assert http.get("/api/method/ping").status_code == 200
	methods.leave.set()

	assert methods.finished.wait(10)
	assert call(http, "is_stored", request_id="hung-up", headers=ANN).json() == {"message": True}


def test_a_body_cut_short_does_not_run(site: RunningSite, http: httpx.Client) -> None:
	where = urlsplit(site.url)
	form = b"request_id=cut-short&then="
	head = f"POST {API}.keep HTTP/1.1\r\nHost: x\r\nAuthorization: {ANN['Authorization']}\r\n"
	head += f"Content-Type: application/x-www-form-urlencoded\r\nContent-Length: {len(form) + 9}\r\n\r\n"
	with socket.create_connection((where.hostname, where.port), timeout=10) as connection:
		connection.sendall(head.encode() + form)
		connection.shutdown(socket.SHUT_WR)
		while connection.recv(1000):
			pass

	assert call(http, "is_stored", request_id="cut-short", headers=ANN).json() == {"message": False}


def test_a_streamed_response_is_sent_piece_by_piece_and_keeps_its_request(ann: httpx.Client) -> None:
	with ann.stream("GET", f"{API}.lines") as answer:
		assert "content-length" not in answer.headers
		pieces = answer.iter_text()
		assert next(pieces) == "first\n"
		assert methods.entered.wait(10)
		methods.leave.set()
		assert "".join(pieces) == "ann@example.com\n"


def test_a_hang_up_closes_a_streamed_body_at_its_next_part(http: httpx.Client) -> None:
	methods.closed_for.clear()

	with http.stream("POST", f"{API}.stream_until_closed", json={}, headers=ANN) as answer:
		assert next(answer.iter_text()).startswith("first")
		assert not methods.entered.is_set()

	assert methods.entered.wait(10)
	assert methods.closed_for == ["ann@example.com"]


@pytest.mark.parametrize(("http_method", "stored"), [("GET", "FalseFalse"), ("POST", "TrueTrue")])
def test_the_transaction_has_ended_when_a_response_is_streamed(
	http: httpx.Client, http_method: str, stored: str
) -> None:
	where = f"{API}.stream_whether_kept"

	answer = http.request(http_method, where, params={"request_id": "streamed"}, headers=ANN)

	assert answer.text == stored


def test_many_requests_wait_at_once_and_another_still_gets_through(site: RunningSite) -> None:
	limits = httpx.Limits(max_connections=100)
	with httpx.Client(base_url=site.url, timeout=15, limits=limits, headers=ANN) as client:
		done: list[Any] = []
		threads = [
			threading.Thread(target=lambda: done.append(call(client, "wait").json())) for _ in range(60)
		]
		for thread in threads:
			thread.start()
		assert methods.entered.wait(10)
		assert client.get("/api/method/ping").json() == {"message": "pong"}
		assert done == []
		methods.leave.set()
		for thread in threads:
			thread.join(15)
	assert done == [{"message": "waited"}] * 60
