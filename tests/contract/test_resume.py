"""Tests that a client gets every character although it lost its socket or connection, or stopped waiting."""

import socket
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
import pytest

from ai_assistant.client import ApiError, Client
from ai_assistant.client.conformance import violations
from tests.support import script, unique
from tests.support.ledger import LEDGER
from tests.support.provider import ScriptedProvider
from tests.support.site import Site


def test_a_wait_ends_with_the_next_event(site: Site, client: Client, provider: ScriptedProvider) -> None:
	gate = unique("gate")
	stream = client.chat(script({"reasoning": "Hm."}, {"gate": gate}, {"text": "Yes."}))
	events = iter(stream)
	assert [next(events)["seq"], next(events)["seq"]] == [1, 2]
	arrived: list[dict[str, Any]] = []

	def wait() -> None:
		arrived.append(client.get("get_events", request_id=stream.request_id, after_seq=2, wait=20))

	waiting = threading.Thread(target=wait)
	waiting.start()
	provider.open(gate)
	waiting.join()
	for _ in events:
		pass
	# A site whose process serves one request at a time answers at once, without an event.
	assert [event["text"] for event in arrived[0]["events"]] in (["Yes."], ["Yes.", ""], [])


def test_a_wait_on_an_ended_request_answers_at_once(client: Client) -> None:
	answer = client.chat("hello").wait()
	last = answer["realtime"]["last_seq"]
	page = client.get("get_events", request_id=answer["request_id"], after_seq=last, wait=25)
	assert (page["events"], page["status"], page["last_seq"]) == ([], "completed", last)


@pytest.mark.parametrize("wait", ["x", "-1", "26", "nan"])
def test_a_wait_that_is_none_is_refused_by_name(client: Client, wait: str) -> None:
	answer = client.chat("hello").wait()
	with pytest.raises(ApiError) as refused:
		client.get("get_events", request_id=answer["request_id"], wait=wait)
	assert refused.value.status == 417
	assert "wait accepts a number from 0 to 25" in str(refused.value)


def test_without_any_socket_the_chat_still_streams(site: Site, provider: ScriptedProvider) -> None:
	gates = [unique("gate"), unique("gate")]
	with site.client(site.first) as client:
		stream = client.chat(
			script(
				{"reasoning": "one"},
				{"gate": gates[0]},
				{"text": "two"},
				{"gate": gates[1]},
				{"text": "three"},
			)
		)
		events = []
		for event in stream:
			events.append(event)
			# The provider goes on only when the piece before has been seen.
			if event["text"] == "one":
				provider.open(gates[0])
			if event["text"] == "two":
				provider.open(gates[1])
	assert stream.answer and stream.answer["response"] == "twothree"
	assert violations(events, stream.answer) == []


def test_the_same_request_again_gives_the_stored_answer_and_asks_nobody(
	client: Client, provider: ScriptedProvider
) -> None:
	marker, request_id = unique("marker"), unique("request")[:60]
	prompt = script({"reasoning": "Hm."}, {"text": marker})
	fields = {"request_id": request_id, "task_id": "a task", "temperature": 0.5}
	first = client.chat(prompt, **fields).wait()
	again = client.chat(prompt, **fields)
	assert again.wait() == first
	assert provider.count(marker) == 1
	for other in ({"temperature": 0.6}, {"task_id": "another"}, {"mode": "agent"}, {"provider": "claude"}):
		stream = client.chat(prompt, **{**fields, **other})
		for _ in stream:
			pass
		assert stream.error and stream.error.status == 409
	assert provider.count(marker) == 1


def test_a_failed_request_again_gives_its_failure_again(client: Client, provider: ScriptedProvider) -> None:
	marker, request_id = unique("marker"), unique("request")[:60]
	prompt = script({"text": marker}, {"error": "x"})
	answers = []
	for _ in range(2):
		stream = client.chat(prompt, request_id=request_id)
		for _event in stream:
			pass
		assert stream.error and stream.error.status == 502
		answers.append(stream.answer)
	assert answers[0] == answers[1] and answers[0]["response"] == marker
	assert provider.count(marker) == 1


def test_a_dropped_connection_cancels_nothing(site: Site, client: Client, provider: ScriptedProvider) -> None:
	gate, request_id = unique("gate"), unique("request")[:60]
	body = {
		"messages": [
			{"role": "user", "content": script({"text": "So "}, {"gate": gate}, {"text": "it is."})}
		],
		"request_id": request_id,
	}
	with pytest.raises(httpx.ReadTimeout):
		client.http.post(
			"/api/method/ai_assistant.api.chat_completion", json=body, timeout=httpx.Timeout(10, read=0.5)
		)
	request = provider.wait_for(gate)
	provider.open(gate)
	page: dict[str, Any] = {"status": "running", "last_seq": 0}
	while page["status"] == "running":
		page = client.get("get_events", request_id=request_id, after_seq=page["last_seq"], wait=20)
	answer = client.get("get_request", request_id=request_id)
	assert (answer["status"], answer["response"]) == ("completed", "So it is.")
	assert not request.hung_up.is_set()


def test_a_client_whose_connection_breaks_reads_its_answer_back(
	site: Site, provider: ScriptedProvider
) -> None:
	gate = unique("gate")
	with site.client(site.first) as client:
		client.connect()
		client.http.timeout = httpx.Timeout(10, read=1)
		read = client.get

		def get(method: str, **params: Any) -> Any:
			# The POST has been given up by the time its answer is looked for.
			provider.open(gate)
			return read(method, **params)

		client.get = get  # type: ignore[method-assign]
		stream = client.chat(script({"text": "So "}, {"gate": gate}, {"text": "it is."}))
		events = [event for event in stream if event["type"] != "ai_status"]
	assert stream.error is None and stream.answer
	LEDGER.settle("the client's HTTP connection dropped", "So it is.", events, stream.answer, end="completed")


def drop_the_socket(client: Client) -> None:
	"""Drops the connection without closing it, as a network that is lost does."""
	client.socket.client.eio.ws.sock.shutdown(socket.SHUT_RDWR)


@pytest.mark.parametrize("background", [False, True])
def test_a_socket_that_is_dropped_at_any_event_loses_none(
	site: Site, provider: ScriptedProvider, background: bool
) -> None:
	pieces = [{"text" if n % 2 else "reasoning": f"piece {n} "} for n in range(8)]

	def chat(dropped_at: int) -> tuple[list[dict[str, Any]], dict[str, Any]]:
		gates, events = [unique("gate"), unique("gate")], []
		before, after = pieces[: dropped_at - 1], pieces[dropped_at - 1 :]
		steps = [*before, {"gate": gates[0]}, *after[:1], {"gate": gates[1]}, *after[1:]]
		# Not by password: parallel logins of one user are refused beside MariaDB 11.8 (docs/troubleshooting.md).
		with site.client(site.first, by_token=True) as client:
			client.connect()
			stream = client.chat(script(*steps), background=background)
			for event in stream:
				if event["type"] == "ai_status":
					continue
				events.append(event)
				if event["seq"] == dropped_at:
					drop_the_socket(client)
					provider.open(gates[0])
				# The answer goes on once its reader has, without a socket.
				if event["seq"] == dropped_at + 1:
					provider.open(gates[1])
			return events, stream.wait()

	with ThreadPoolExecutor(3) as threads:
		for events, answer in threads.map(chat, range(1, len(pieces) + 1)):
			whole_text = "".join(text for piece in pieces for text in piece.values())
			LEDGER.settle(
				"the client's socket dropped, at every event", whole_text, events, answer, end="completed"
			)
