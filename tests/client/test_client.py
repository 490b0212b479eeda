"""The client yields all events in order, whatever the socket does to them."""

import random
from typing import Any

import httpx
import pytest

from ai_assistant.client import ApiError, Client
from ai_assistant.client.conformance import violations
from ai_assistant.client.event_socket import EventSocket
from tests.support import script, unique
from tests.support.provider import ScriptedProvider
from tests.support.site import Site

STEPS = [{"reasoning": "Hm."}, *({"text": "word "} if n % 2 else {"reasoning": "so "} for n in range(20))]


class UnreliableSocket(EventSocket):
	"""A socket that loses, repeats and reorders what it receives."""

	def __init__(self, url: str, site: str, fault: str) -> None:
		super().__init__(url, site)
		self.fault = fault
		self.random = random.Random(7)
		self.delayed: list[tuple[str, dict[str, Any]]] = []

	def deliver(self, name: str, message: dict[str, Any]) -> None:
		lost = {
			"loses every second": message.get("seq", 1) % 2 == 0,
			"loses the first": message.get("seq") == 1,
			"loses the second": message.get("seq") == 2,
			"loses the last": message["type"] == "completion" if "type" in message else False,
			"loses all": True,
		}
		if lost.get(self.fault):
			return
		if self.fault == "reorders":
			self.delayed.append((name, message))
			if len(self.delayed) < 4 and message.get("type") != "completion":
				return
			self.random.shuffle(self.delayed)
			while self.delayed:
				super().deliver(*self.delayed.pop())
			return
		super().deliver(name, message)
		if self.fault == "repeats":
			super().deliver(name, message)


def unreliable(site: Site, fault: str) -> Client:
	"""A client with such a socket."""
	client = Client(site.url, site.name, user=site.first.user, password=site.first.password)
	client.events = UnreliableSocket(client.url, site.name, fault)
	return client


@pytest.mark.parametrize(
	"fault",
	["loses every second", "loses the first", "loses the last", "loses all", "repeats", "reorders"],
)
def test_a_socket_that_misbehaves_is_made_good(site: Site, fault: str) -> None:
	with unreliable(site, fault) as client:
		client.connect()
		stream = client.chat(script(*STEPS))
		events = [event for event in stream if event["type"] != "ai_status"]
	assert stream.answer and stream.answer["response"] == "word " * 10
	assert violations(events, stream.answer) == []
	assert len(events) > 20


def test_a_lost_event_is_asked_for_while_the_chat_still_runs(site: Site, provider: ScriptedProvider) -> None:
	gate = unique("gate")
	with unreliable(site, "loses every second") as client:
		client.connect()
		stream = client.chat(script({"reasoning": "one"}, {"text": "two"}, {"gate": gate}, {"text": "three"}))
		seen = []
		for event in stream:
			if event["type"] != "ai_status":
				seen.append(event["text"])
			if seen == ["", "one", "two"]:
				provider.open(gate)
	assert stream.answer and stream.answer["response"] == "twothree"


def test_a_socket_that_breaks_is_opened_again(site: Site, provider: ScriptedProvider) -> None:
	gate = unique("gate")
	with site.client(site.first) as client:
		client.connect()
		stream = client.chat(script({"reasoning": "one"}, {"gate": gate}, {"text": "two"}))
		events = []
		for event in stream:
			if event["type"] == "ai_status":
				continue
			events.append(event)
			if event["text"] == "one":
				before = client.socket.sid
				client.socket.client.eio.ws.close()
				client.socket.connected_event.clear()
				assert client.socket.connected_event.wait(20)
				provider.open(gate)
		assert client.socket.sid != before
	assert stream.answer and violations(events, stream.answer) == []


def test_a_client_that_may_not_log_in_is_told_so(site: Site) -> None:
	with pytest.raises(Exception, match="Invalid login credentials"):
		Client(site.url, site.name, user=site.first.user, password="wrong")


@pytest.mark.parametrize("body", ["<html>log in</html>", '{"login": true}', "[]"])
def test_what_answers_in_the_place_of_the_site_is_an_error_in_words(site: Site, body: str) -> None:
	with site.client(site.first) as client:
		client.http = httpx.Client(
			base_url=site.url, transport=httpx.MockTransport(lambda _request: httpx.Response(200, text=body))
		)
		with pytest.raises(httpx.HTTPError, match=r"in the place of the site \(HTTP 200\)"):
			client.get("list_models")


def test_one_lost_event_does_not_hold_up_those_that_follow(site: Site, provider: ScriptedProvider) -> None:
	gate = unique("gate")
	# More events after the lost one than the patience of the client lasts, one a second.
	steps = [{"reasoning": "lost "}, {"repeat": 60, "text": "word ", "every": 0.05}, {"gate": gate}]
	with unreliable(site, "loses the second") as client:
		client.connect()
		stream = client.chat(script(*steps, {"text": "end"}))
		for event in stream:
			if event["type"] == "text":
				# It came before the end, for the provider still waits at the gate.
				provider.open(gate)
	assert stream.answer and stream.answer["response"] == "word " * 60 + "end"
	assert stream.read_back >= 1


def test_what_the_journal_made_good_is_counted(site: Site) -> None:
	for fault, all_of_them in (("loses all", True), ("", False)):
		with unreliable(site, fault) as client:
			client.connect()
			stream = client.chat("hello")
			count = len([event for event in stream if event["type"] != "ai_status"])
		assert stream.read_back == (count if all_of_them else 0)


def test_a_stream_can_be_left_and_taken_up_again(site: Site) -> None:
	with site.client(site.first) as client:
		client.connect()
		stream = client.chat(script(*STEPS))
		seen = []
		for event in stream:
			seen.append(event)
			if len(seen) == 3:
				break
		seen += list(stream)
		assert list(stream) == []
		assert stream.wait() == stream.answer
		assert violations([event for event in seen if event["type"] != "ai_status"], stream.wait()) == []


@pytest.mark.parametrize(
	"field", [{"temperature": float("nan")}, {"task_id": b"bytes"}, {"task_id": "\ud800"}]
)
def test_what_cannot_be_sent_is_an_error_and_no_endless_wait(site: Site, field: dict[str, Any]) -> None:
	with site.client(site.first) as client:
		client.connect()
		stream = client.chat("hello", **field)
		assert list(stream) == []
		assert stream.error and stream.answer is None
		with pytest.raises(type(stream.error)):
			stream.wait()


def test_two_streams_of_one_request_id_do_not_disturb_each_other(
	site: Site, provider: ScriptedProvider
) -> None:
	gate, request_id = unique("gate"), unique("request")[:60]
	with site.client(site.first) as client:
		client.connect()
		first = client.chat(script({"gate": gate}, {"text": "first"}), request_id=request_id)
		provider.wait_for(gate)
		second = client.chat("hello", request_id=request_id)
		with pytest.raises(Exception, match="409"):
			second.wait()
		provider.open(gate)
		assert first.wait()["response"] == "first"
		assert first.read_back == 0


@pytest.mark.parametrize(
	("status", "body", "sentence"),
	[
		(503, {"exc_type": "SessionStopped", "exception": "Session Stopped"}, "maintenance mode"),
		(
			417,
			{"exc_type": "ValidationError", "exception": "… ai_assistant.api.list_models … is not installed"},
			"has no app ai_assistant",
		),
		(417, {"exc_type": "ValidationError", "exception": "something else"}, "gave no reason"),
		(502, None, "gave no reason"),
	],
)
def test_what_frappe_answers_in_the_place_of_the_app_is_said_in_a_sentence(
	status: int, body: Any, sentence: str
) -> None:
	assert sentence in str(ApiError(status, body))
