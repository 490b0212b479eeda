"""Responses over a WebSocket: one connection for the turns of an agent."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
import websocket

from ai_assistant.client import Client
from tests.support import script, unique
from tests.support.provider import ScriptedProvider
from tests.support.site import Account, Site, live_site
from tests.support.v1 import ask, base, headers

from .test_standard_requests import ended

ENDS = ("response.completed", "response.incomplete", "response.failed", "error")
CALL = {"call": 0, "id": "call_socket", "name": "clock", "arguments": '{"zone": "UTC"}'}
CLOCK = {"type": "function", "name": "clock", "parameters": {"type": "object", "properties": {}}}


@contextmanager
def connected(
	site: Site, account: Account | None = None, path: str = "/responses"
) -> Iterator[websocket.WebSocket]:
	address = base(site).replace("http", "ws", 1) + path
	try:
		socket = websocket.create_connection(address, timeout=30, header=headers(account or site.first))
	except websocket.WebSocketBadStatusException as error:
		if live_site() and error.status_code == 426:
			# bench's own configuration of nginx does not forward the header Upgrade.
			pytest.skip("left out: the proxy before the live site forwards no WebSocket")
		raise
	try:
		yield socket
	finally:
		socket.close()


def turn(socket: websocket.WebSocket, **body: Any) -> list[dict[str, Any]]:
	"""Sends one request and returns its events."""
	socket.send(json.dumps({"type": "response.create", "model": "scripted", **body}))
	events = []
	while not events or events[-1]["type"] not in ENDS:
		events.append(json.loads(socket.recv()))
	return events


def text_of(events: list[dict[str, Any]]) -> str:
	return "".join(event["delta"] for event in events if event["type"] == "response.output_text.delta")


def test_a_turn_has_the_events_of_a_stream(site: Site, provider: ScriptedProvider) -> None:
	prompt = script({"reasoning": "Hm."}, {"text": "Hello 💭"}, {"text": " there."})
	with connected(site) as socket:
		events = turn(socket, input=prompt)
		assert text_of(events) == "Hello 💭 there."
		assert [event["sequence_number"] for event in events] == list(range(len(events)))
		response = events[-1]["response"]
		assert response["status"] == "completed" and response["usage"]["total_tokens"]
		# It is a request like any other.
		stored = ask(site, f"/responses/{response['id']}").json()
		assert stored["output"] == response["output"]
		assert text_of(turn(socket, input=script({"text": "Again."}))) == "Again."


def test_a_stored_response_goes_on_in_another_socket(site: Site, provider: ScriptedProvider) -> None:
	marker = unique("marker")
	with connected(site) as socket:
		first = turn(socket, input=script({"text": f"One {marker}."}))[-1]["response"]
	with connected(site, path="/v1/responses") as socket:
		second = turn(socket, previous_response_id=first["id"], input=script({"text": f"Two {marker}."}))
	assert second[-1]["response"]["previous_response_id"] == first["id"]
	asked = provider.wait_for(f"Two {marker}").body["messages"]
	assert [message["role"] for message in asked] == ["user", "assistant", "user"]


def test_a_response_that_is_not_stored_goes_on_in_its_socket_alone(
	site: Site, provider: ScriptedProvider
) -> None:
	marker = unique("marker")
	with connected(site) as socket:
		prompt = script({"turn": [{"reasoning": "Hm."}, CALL]}, {"turn": [{"text": f"Noon {marker}."}]})
		first = turn(socket, store=False, input=prompt, tools=[CLOCK])[-1]["response"]
		result = {"type": "function_call_output", "call_id": "call_socket", "output": "12:00"}
		second = turn(socket, store=False, input=[result], tools=[CLOCK], previous_response_id=first["id"])
		assert text_of(second) == f"Noon {marker}."
		third = second[-1]["response"]["id"]
		prompt = script({"text": f"Later {marker}."})
		turn(socket, store=False, input=prompt, previous_response_id=third)
		asked = provider.wait_for(f"Later {marker}").body["messages"]
		assert [message["role"] for message in asked] == ["user", "assistant", "tool", "assistant", "user"]
		# Only the last response is remembered.
		[lost] = turn(socket, store=False, input="Hello", previous_response_id=third)
	assert (lost["status"], lost["error"]["code"]) == (400, "previous_response_not_found")
	with connected(site) as socket:
		[lost] = turn(socket, store=False, input="Hello", previous_response_id=third)
		assert lost["error"]["code"] == "previous_response_not_found"
		assert text_of(turn(socket, input=script({"text": "Anew."}))) == "Anew."


def test_a_turn_that_fails_makes_the_socket_forget_the_response_before_it(site: Site) -> None:
	with connected(site) as socket:
		first = turn(socket, store=False, input=script({"text": "One."}))[-1]["response"]
		result = {"type": "function_call_output", "call_id": "call_nobody", "output": "12:00"}
		[refused] = turn(socket, store=False, input=[result], previous_response_id=first["id"])
		assert refused["status"] == 400
		[lost] = turn(socket, store=False, input="Hello", previous_response_id=first["id"])
		assert lost["error"]["code"] == "previous_response_not_found"


def test_a_turn_is_prepared_without_asking_a_provider(site: Site, provider: ScriptedProvider) -> None:
	marker = unique("marker")
	with connected(site) as socket:
		item = {"type": "message", "role": "user", "content": f"Prepared {marker}."}
		*_, prepared = turn(socket, store=False, generate=False, input=[item])
		assert prepared["type"] == "response.completed" and prepared["response"]["output"] == []
		events = turn(socket, input=script({"text": "Yes."}), previous_response_id=prepared["response"]["id"])
		assert text_of(events) == "Yes."
	asked = [request for request in provider.requests if marker in request.text]
	assert len(asked) == 1 and len(asked[0].body["messages"]) == 2


def test_a_socket_that_closes_cancels_its_turn(
	site: Site, client: Client, provider: ScriptedProvider
) -> None:
	marker, request_id = unique("marker"), unique()
	with connected(site) as socket:
		prompt = script({"text": "So"}, {"hang": True}, {"note": marker})
		body = {"model": "scripted", "input": prompt, "metadata": {"request_id": request_id}}
		socket.send(json.dumps({"type": "response.create", **body}))
		while json.loads(socket.recv())["type"] != "response.output_text.delta":
			pass
		at_provider = provider.wait_for(marker)
	assert at_provider.hung_up.wait(20)
	answer = ended(client, request_id)
	assert (answer["status"], answer["response"]) == ("cancelled", "So")


def test_errors_have_the_form_of_websocket_mode(site: Site) -> None:
	with connected(site) as socket:
		[unknown] = turn(socket, input="hello", model="nobody-has-this")
		assert (unknown["status"], unknown["error"]["code"]) == (404, "model_not_found")
		for message in ("", "no JSON", "[]", '{"type": "response.steer"}'):
			socket.send(message)
			refused = json.loads(socket.recv())
			assert (refused["type"], refused["status"]) == ("error", 400)
			assert "response.create" in refused["error"]["message"]
		failed = turn(socket, input=script({"text": "So"}, {"error": "scripted"}))[-1]
		assert failed["type"] == "response.failed" and "scripted" in failed["response"]["error"]["message"]


@pytest.mark.parametrize(
	("key", "path", "status"), [("aik-nobody", "/responses", 401), (None, "/messages", 405)]
)
def test_a_handshake_that_is_refused_says_so(site: Site, key: str | None, path: str, status: int) -> None:
	sent = {"Authorization": f"Bearer {key}"} if key else headers(site.first)
	with pytest.raises(websocket.WebSocketBadStatusException) as raised:
		websocket.create_connection(base(site).replace("http", "ws", 1) + path, header=sent)
	assert raised.value.status_code == status
	assert json.loads(raised.value.resp_body)["error"]["message"]


def test_a_proxy_that_forwards_no_upgrade_is_named(site: Site) -> None:
	answer = ask(site, "/responses", headers={"Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ=="})
	assert answer.status_code == 426 and "proxy" in answer.json()["error"]["message"]
	assert ask(site, "/responses").status_code == 405
