"""Only the user who asked receives events, can read them back, and can tell that the request exists."""

import re
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

import httpx
import pytest
import socketio

from ai_assistant.client import ApiError, Client
from tests.support import script, unique
from tests.support.provider import ScriptedProvider
from tests.support.site import Account, Site, live_site


def test_another_user_cannot_cancel(client: Client, second: Client, provider: ScriptedProvider) -> None:
	gate, task = unique("gate"), unique("task")
	stream = client.chat(script({"gate": gate}, {"text": "unharmed"}), task_id=task)
	provider.wait_for(gate)
	for ids in ({"request_id": stream.request_id}, {"task_id": task}):
		with pytest.raises(ApiError):
			second.post("cancel", **ids)
	provider.open(gate)
	assert stream.wait()["response"] == "unharmed"


def test_the_same_task_id_of_two_users_stays_two_tasks(client: Client, second: Client) -> None:
	task = unique("task")
	mine = client.chat("hello", task_id=task).wait()
	theirs = second.chat("hello", task_id=task).wait()
	assert client.get("get_events", task_id=task)["request_id"] == mine["request_id"]
	assert second.get("get_events", task_id=task)["request_id"] == theirs["request_id"]


def _guest_socket(site: Site) -> socketio.SimpleClient:
	socket = socketio.SimpleClient(websocket_extra_options={"origin": site.url})
	socket.connect(
		site.socketio_url,
		headers={"Cookie": "sid=Guest"},
		namespace=f"/{site.name}",
		transports=["websocket"],
	)
	return socket


def _heard(socket: socketio.SimpleClient) -> list[Any]:
	"""What has come to the socket by now: the answer to a ping comes after all that was sent before."""
	socket.emit("ping")
	heard = []
	while (message := socket.receive(timeout=10))[0] != "pong":
		heard.append(message)
	return [message for message in heard if message[0] in ("ai_progress", "ai_status")]


@contextmanager
def _ear(site: Site, account: Account | None) -> Iterator[socketio.SimpleClient]:
	"""A socket of a user, or of a guest, that the test reads itself."""
	if account is None:
		guest = _guest_socket(site)
		try:
			yield guest
		finally:
			guest.disconnect()
		return
	with site.client(account) as client:
		client.events.listen = lambda socket: None  # type: ignore[method-assign]
		client.connect()
		yield client.socket


def _join(socket: socketio.SimpleClient, user: str, task_id: str, request_id: str) -> None:
	"""Asks for whatever Frappe's realtime server lets a socket ask for, and for more, in the name of a user's chat."""
	names = (task_id, request_id, f"user:{user}", f"task_progress:{task_id}")
	for event in ("task_subscribe", "progress_subscribe", "subscribe", "join"):
		for name in names:
			socket.emit(event, name)
	for doctype in ("AI Request", "AI Request Event", "User"):
		socket.emit("doctype_subscribe", doctype)
	for event in ("doc_subscribe", "doc_open"):
		socket.emit(event, ("AI Request", request_id))
		socket.emit(event, ("User", user))


def test_no_room_that_another_may_ask_for_has_a_users_events(
	site: Site, client: Client, provider: ScriptedProvider
) -> None:
	gate, task = unique("gate"), unique("task")
	ids = [unique("request")[:60] for _ in range(2)]
	with ExitStack() as stack:
		ears = [stack.enter_context(_ear(site, who)) for who in (site.second, site.third, None)]

		def join() -> None:
			for ear in ears:
				for request_id in ids:
					_join(ear, site.first.user, task, request_id)
				assert _heard(ear) == []

		join()
		prompt = script({"reasoning": "Hm."}, {"gate": gate}, {"text": "Yes."})
		streams = [
			client.chat(prompt, task_id=task, request_id=request_id, background=request_id == ids[1])
			for request_id in ids
		]
		provider.wait_for(gate)
		# A room may be there only while it runs.
		join()
		provider.open(gate)
		for stream in streams:
			assert [event["type"] for event in stream][-1] == "completion"
			assert stream.answer and stream.answer["response"] == "Yes."
		for ear in ears:
			assert _heard(ear) == []


def test_two_users_at_once_hear_their_own_events_alone(site: Site, client: Client, second: Client) -> None:
	with _ear(site, site.first) as first_ear, _ear(site, site.second) as second_ear:
		task = unique("task")
		streams = [chatting.chat(script({"text": "mine"}), task_id=task) for chatting in (client, second)]
		ids = [stream.wait()["request_id"] for stream in streams]
		for ear, own in zip((first_ear, second_ear), ids, strict=True):
			heard = _heard(ear)
			assert {message["request_id"] for _, message in heard} == {own}


@pytest.mark.parametrize(
	("headers", "origin", "namespace", "refusal"),
	[
		# Frappe says "Invalid namespace" and then "Invalid origin"; a client that hangs up hears the first alone.
		({"Cookie": "sid=Guest"}, "http://elsewhere.example", None, "Invalid"),
		({"Cookie": "sid=Guest"}, None, "/no-such-site", "Invalid namespace"),
		# Frappe 15.72's words, and those of 15.101 and 16.
		({}, None, None, "(No|Missing) cookie"),
		({"Cookie": "other=1"}, None, None, "No authentication method"),
		({"Cookie": "x=1", "Authorization": "token no:body"}, None, None, "Unauthorized"),
	],
)
def test_a_socket_without_the_right_to_is_refused(
	site: Site, headers: dict[str, str], origin: str | None, namespace: str | None, refusal: str
) -> None:
	if origin and live_site() and site.socketio_url == site.url:
		pytest.skip("the nginx of a bench puts the site's own Origin in the place of the client's")
	socket = socketio.Client(websocket_extra_options={"origin": origin or site.url}, reconnection=False)
	refused: list[Any] = []
	socket.on("connect_error", refused.append, namespace=namespace or f"/{site.name}")
	with pytest.raises(socketio.exceptions.ConnectionError):
		socket.connect(
			site.socketio_url,
			headers=headers,
			namespaces=[namespace or f"/{site.name}"],
			transports=["websocket"],
			wait_timeout=5,
		)
	assert re.search(refusal, str(refused))


def test_a_stale_session_is_no_session(site: Site) -> None:
	response = httpx.get(site.method("list_models"), cookies={"sid": "0" * 40})
	assert response.status_code in (401, 403)
