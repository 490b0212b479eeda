"""Tests the messages that addresses of the configuration get when a request ends, with a real receiver on loopback."""

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import SimpleNamespace
from typing import Any

import frappe
import openai
import pytest

from ai_assistant.chat import jobs, lifecycle, termination, webhooks
from ai_assistant.chat.errors import worker_lost
from ai_assistant.operations import scheduled
from tests.chat.conftest import ANN, ChatSite
from tests.chat.runs import run
from tests.support import script
from tests.support.serving import serving

SECRET = "whsec_dGhlIHNlY3JldCBvZiB0aGUgd2ViaG9vaw=="


class Receiver:
	"""An address. It answers with `statuses`, one after the other, and then with 200."""

	def __init__(self) -> None:
		self.statuses: list[int] = []
		self.got: list[tuple[dict[str, str], str]] = []
		receiver = self

		class Handler(BaseHTTPRequestHandler):
			def do_POST(self) -> None:
				body = self.rfile.read(int(self.headers["Content-Length"])).decode()
				receiver.got.append(({name.lower(): value for name, value in self.headers.items()}, body))
				self.send_response(receiver.statuses.pop(0) if receiver.statuses else 200)
				self.send_header("Location", receiver.url)
				self.end_headers()

			def log_message(self, *args: Any) -> None: ...

		self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
		self.url = f"http://127.0.0.1:{self.server.server_port}/hook"

	@property
	def messages(self) -> list[dict[str, Any]]:
		return [json.loads(body) for _headers, body in self.got]


@contextmanager
def receiving() -> Iterator[Receiver]:
	receiver = Receiver()
	with serving(receiver.server):
		yield receiver


@pytest.fixture
def receiver() -> Iterator[Receiver]:
	with receiving() as receiver:
		yield receiver


@pytest.fixture
def enqueued(monkeypatch: pytest.MonkeyPatch) -> list[str]:
	"""The jobs that were enqueued. None of them runs."""
	methods: list[str] = []
	monkeypatch.setattr(jobs, "enqueue", lambda method, *_args, **_options: methods.append(method))
	return methods


def ask(site: ChatSite, content: str, *addresses: str, **sections: Any) -> dict[str, Any]:
	configured = [{"url": url, "secret": SECRET} for url in addresses]
	settings = site.configure(webhooks=configured, **sections)
	chat = lifecycle.begin(site.request(content, task_id="t1", metadata={"a": "b"}), settings, 0.0)
	_chunks, answer = run(lifecycle.run(chat))
	return answer


def deliveries(site: ChatSite) -> list[tuple[Any, ...]]:
	return site.database.read("SELECT status, attempts, error FROM delivery ORDER BY rowid")


def make_due(site: ChatSite) -> None:
	site.database.write("UPDATE delivery SET next_at = 0")
	site.database.commit()


def test_a_completed_request_is_told_in_a_signed_message_without_its_text(
	chat_site: ChatSite, receiver: Receiver, enqueued: list[str]
) -> None:
	answer = ask(chat_site, script({"text": "The secret answer."}), receiver.url)
	assert enqueued == [webhooks.JOB] and receiver.got == []
	webhooks.deliver()
	((headers, body),) = receiver.got
	# OpenAI's SDK checks signatures of Standard Webhooks.
	openai.OpenAI(api_key="k").webhooks.verify_signature(body, headers, secret=SECRET)
	with pytest.raises(openai.InvalidWebhookSignatureError):
		openai.OpenAI(api_key="k").webhooks.verify_signature(f"{body} ", headers, secret=SECRET)
	message = json.loads(body)
	assert message["type"] == "request.completed"
	data = message["data"]
	assert (data["user"], data["request_id"], data["task_id"]) == (ANN, answer["request_id"], "t1")
	assert data["usage"] == answer["usage"] and data["timing"] == answer["timing"]
	assert "secret answer" not in body and "metadata" not in data
	assert deliveries(chat_site) == [("delivered", 1, None)]
	webhooks.deliver()
	assert len(receiver.got) == 1


def test_the_client_does_not_wait_until_the_job_is_enqueued(
	chat_site: ChatSite, receiver: Receiver, enqueued: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
	after_response: list[Callable[[], None]] = []
	callbacks = SimpleNamespace(add=after_response.append)
	# A bench has it, the standalone site has not.
	monkeypatch.setattr(
		frappe.local, "request", SimpleNamespace(after_response=callbacks, headers={}), raising=False
	)
	assert ask(chat_site, script({"text": "Yes."}), receiver.url)["status"] == "completed"
	assert enqueued == []
	for run_callback in after_response:
		run_callback()
	assert enqueued == [webhooks.JOB]


def test_each_address_gets_each_end(chat_site: ChatSite, receiver: Receiver, enqueued: list[str]) -> None:
	with receiving() as second:
		failed = ask(chat_site, script({"status": 401}), receiver.url, second.url)
		# A request whose process died, which two processes find.
		publisher = lifecycle.accept(
			chat_site.request("hello"), chat_site_settings(chat_site, receiver, second), "running", 0.0
		)
		row = chat_site.row(publisher.ids["request_id"])
		for _process in range(2):
			termination.end(row, worker_lost())
		webhooks.deliver()
		for address in (receiver, second):
			assert [message["type"] for message in address.messages] == ["request.failed"] * 2
			codes = [message["data"]["error"]["code"] for message in address.messages]
			assert codes == [failed["error"]["code"], "worker_lost"]
			assert set(address.messages[0]["data"]["error"]) == {"code", "message", "retryable"}
		ids = {headers["webhook-id"] for headers, _body in (*receiver.got, *second.got)}
		assert len(ids) == 4


def chat_site_settings(site: ChatSite, *receivers: Receiver) -> Any:
	return site.configure(webhooks=[{"url": receiver.url, "secret": SECRET} for receiver in receivers])


def test_a_failed_attempt_is_repeated_with_growing_pauses_and_the_same_id(
	chat_site: ChatSite, receiver: Receiver, enqueued: list[str]
) -> None:
	receiver.statuses = [500, 307, *[503] * 5]
	ask(chat_site, "hello", receiver.url)
	pauses = []
	for _attempt in range(len(webhooks.RETRIES_S) + 1):
		before = chat_site.store.now()
		webhooks.deliver()
		((next_at,),) = chat_site.database.read("SELECT next_at FROM delivery")
		pauses.append(round((next_at - before) / 60))
		# It is not due yet.
		webhooks.deliver()
		make_due(chat_site)
	assert pauses[:-1] == [1, 5, 30, 120, 360, 1440]
	assert deliveries(chat_site) == [("failed", 7, "HTTP 503")]
	assert len(receiver.got) == 7
	assert len({headers["webhook-id"] for headers, _body in receiver.got}) == 1
	webhooks.deliver()
	assert len(receiver.got) == 7


def test_an_address_that_is_away_is_asked_once_a_run_and_keeps_no_other_waiting(
	chat_site: ChatSite, receiver: Receiver, enqueued: list[str]
) -> None:
	with receiving() as gone:
		pass
	for _request in range(3):
		ask(chat_site, "hello", gone.url, receiver.url)
	webhooks.deliver()
	assert len(receiver.got) == 3
	tried = [row for row in deliveries(chat_site) if row[0] == "waiting" and row[1]]
	assert tried == [("waiting", 1, "ConnectError")]


def test_an_address_that_left_the_configuration_gets_nothing(
	chat_site: ChatSite, receiver: Receiver, enqueued: list[str]
) -> None:
	ask(chat_site, "hello", receiver.url)
	chat_site.configure()
	webhooks.deliver()
	assert receiver.got == []
	assert deliveries(chat_site) == [("waiting", 0, None)]


def test_the_scheduler_enqueues_the_job_if_messages_are_due(
	chat_site: ChatSite, receiver: Receiver, enqueued: list[str]
) -> None:
	assert webhooks.deliver_later in scheduled.WORK
	ask(chat_site, "hello", receiver.url)
	enqueued.clear()
	webhooks.deliver_later()
	assert enqueued == [webhooks.JOB]
	webhooks.deliver()
	webhooks.deliver_later()
	assert enqueued == [webhooks.JOB]


def test_without_addresses_nothing_is_stored_or_enqueued(chat_site: ChatSite, enqueued: list[str]) -> None:
	ask(chat_site, "hello")
	assert (enqueued, deliveries(chat_site)) == ([], [])
