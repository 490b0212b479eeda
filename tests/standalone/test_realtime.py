"""The socket: who gets in, into which rooms, and what arrives there. As Frappe's own realtime server."""

import asyncio
import json
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
import pytest

from ai_assistant.standalone.realtime_server import RealtimeServer
from ai_assistant.standalone.server import RunningSite

from .conftest import ANN, BOB, call, log_in

COOKIE = {"Cookie": "any=1"}
GUEST = {"Cookie": "sid=Guest"}


def publish(http: httpx.Client, *events: Any, **where: Any) -> None:
	assert call(http, "publish", events=list(events), headers=ANN, **where).status_code == 200


def publish_later(http: httpx.Client, *events: Any, then: str = "", method: str = "POST") -> None:
	body = {"events": list(events), "user": "ann@example.com", "then": then}
	http.request(method, "/api/method/ai_assistant.api.publish_later", json=body, headers=ANN)


def test_the_user_of_an_api_key_is_in_the_users_room(http: httpx.Client, listen: Any) -> None:
	ann = listen({**ANN, **COOKIE})

	publish(http, {"n": 1}, user="ann@example.com")

	assert ann.wait_for(lambda got: len(got) == 1) == [("news", {"n": 1})]


def test_the_user_of_a_sid_is_in_the_users_room(http: httpx.Client, listen: Any) -> None:
	log_in(http, "ann@example.com")
	sid = http.cookies["sid"]
	http.cookies.clear()
	ann = listen({"Cookie": f"sid={sid}"})

	publish(http, {"n": 1}, user="ann@example.com")

	assert ann.wait_for(lambda got: len(got) == 1) == [("news", {"n": 1})]


def test_nobody_but_the_user_gets_the_users_events(http: httpx.Client, listen: Any) -> None:
	ann, bob, guest = listen({**ANN, **COOKIE}), listen({**BOB, **COOKIE}), listen(GUEST)

	publish(http, {"for": "ann"}, user="ann@example.com")
	publish(http, {"for": "guests"}, user="Guest")
	publish(http, "end", room="website")

	assert ann.messages("end") == [{"for": "ann"}]
	assert bob.messages("end") == []
	assert guest.messages("end") == [{"for": "guests"}]


def test_an_event_without_a_room_goes_to_system_users_alone(http: httpx.Client, listen: Any) -> None:
	ann, guest = listen({**ANN, **COOKIE}), listen(GUEST)

	publish(http, {"for": "all"})
	publish(http, "end", room="website")

	assert ann.messages("end") == [{"for": "all"}]
	assert guest.messages("end") == []


@pytest.mark.parametrize("subscribe", ["task_subscribe", "progress_subscribe"])
def test_any_socket_may_join_the_room_of_a_task_but_gets_no_users_events_there(
	http: httpx.Client, listen: Any, subscribe: str
) -> None:
	guest = listen(GUEST)
	guest.emit(subscribe, "task-1")
	guest.round_trip()

	publish(http, {"for": "task"}, task_id="task-1", user="ann@example.com")
	publish(http, {"for": "ann"}, user="ann@example.com")
	publish(http, {"for": "another"}, task_id="task-2")
	publish(http, "end", room="website")

	assert guest.messages("end") == [{"for": "task", "task_id": "task-1"}]


def test_a_socket_that_left_the_room_of_a_task_gets_nothing_there(http: httpx.Client, listen: Any) -> None:
	guest = listen(GUEST)
	guest.emit("task_subscribe", "task-1")
	guest.emit("task_unsubscribe", "task-1")
	guest.round_trip()

	publish(http, {"for": "task"}, task_id="task-1")
	publish(http, "end", room="website")

	assert guest.messages("end") == []


def test_a_socket_cannot_make_itself_somebody_else(
	http: httpx.Client, listen: Any, caplog: pytest.LogCaptureFixture
) -> None:
	guest = listen(GUEST)
	forged = {"HTTP_AUTHORIZATION": ANN["Authorization"], "HTTP_COOKIE": "any=1"}
	guest.emit("connect", forged)
	guest.emit("task_subscribe")
	guest.emit("task_subscribe", {"any": ["thing"]}, "more")
	guest.emit("nosuch", 1)
	guest.round_trip()

	publish(http, {"for": "ann"}, user="ann@example.com")
	publish(http, "end", room="website")

	assert guest.messages("end") == []
	assert caplog.messages == []


def test_an_event_is_refused_before_the_server_has_started_and_after_it_has_stopped() -> None:
	realtime = RealtimeServer("standalone")

	async def live() -> None:
		assert realtime.emit("news", {}, "all") is False
		await realtime.start(lambda authorization, sid: (200, {}), ThreadPoolExecutor(1))
		assert realtime.emit("news", {}, "all") is True
		await realtime.stop()
		assert realtime.emit("news", {}, "all") is False

	asyncio.run(live())


def test_a_ping_is_answered_by_a_pong(listen: Any) -> None:
	listen(GUEST).round_trip()


def test_five_hundred_events_arrive_in_their_order(http: httpx.Client, listen: Any) -> None:
	ann = listen({**ANN, **COOKIE})

	publish(http, *({"n": n} for n in range(500)), user="ann@example.com")

	got = ann.wait_for(lambda got: len(got) == 500)
	assert [data["n"] for _event, data in got] == list(range(500))


def test_text_arrives_whole_whatever_it_is(http: httpx.Client, listen: Any) -> None:
	ann = listen({**ANN, **COOKIE})
	texts = ["", "💭 👩‍👩‍👧", "\0\n\u2028", '"\\', "x" * 32768, "ש" * 1000]

	publish(http, *({"text": text} for text in texts), user="ann@example.com")

	got = ann.wait_for(lambda got: len(got) == len(texts))
	assert [data["text"] for _event, data in got] == texts


def test_an_event_that_cannot_be_sent_does_not_stop_those_after_it(http: httpx.Client, listen: Any) -> None:
	ann = listen({**ANN, **COOKIE})

	call(http, "publish_what_cannot_be_sent", headers=ANN)
	publish(http, "end", room="website")

	assert ann.messages("end") == []


def test_after_a_commit_each_event_that_waited_leaves_once_and_in_order(
	http: httpx.Client, listen: Any
) -> None:
	ann = listen({**ANN, **COOKIE})

	publish_later(http, {"n": 1}, {"n": 2}, {"n": 1}, {"n": 3})
	publish(http, "end", user="ann@example.com")

	assert ann.messages("end") == [{"n": 1}, {"n": 2}, {"n": 3}]


def test_an_equal_event_leaves_again_after_the_next_commit(http: httpx.Client, listen: Any) -> None:
	ann = listen({**ANN, **COOKIE})

	publish_later(http, {"n": 1}, then="commit")
	publish_later(http, {"n": 1})
	publish(http, "end", user="ann@example.com")

	assert ann.messages("end") == [{"n": 1}, {"n": 1}]


@pytest.mark.parametrize(
	("method", "then", "lost"),
	[
		("POST", "rollback", True),
		("POST", "raise", True),
		("GET", "", True),
		("GET", "commit", False),
	],
)
def test_a_rollback_loses_the_events_that_waited(
	http: httpx.Client, listen: Any, method: str, then: str, lost: bool
) -> None:
	ann = listen({**ANN, **COOKIE})

	publish_later(http, {"n": 1}, then=then, method=method)
	publish(http, "end", user="ann@example.com")

	assert ann.messages("end") == ([] if lost else [{"n": 1}])


@pytest.mark.parametrize(
	("headers", "how", "words"),
	[
		({**ANN, **COOKIE}, {"namespace": "/other"}, "Invalid namespace"),
		({**ANN, **COOKIE}, {"namespace": "/"}, "Invalid namespace"),
		({**ANN, **COOKIE, "X-Frappe-Site-Name": "other"}, {}, "Invalid namespace"),
		({**ANN, **COOKIE, "X-Frappe-Site-Name": "other"}, {"namespace": "/other"}, "Invalid namespace"),
		({**ANN, **COOKIE}, {"origin": "http://example.com"}, "Invalid origin"),
		({**ANN, **COOKIE}, {"origin": None}, "Invalid origin"),
		({**ANN, **COOKIE}, {"origin": "http://127.0.0.1:1"}, "Unauthorized: "),
		(ANN, {}, "No cookie transmitted."),
		(COOKIE, {}, "No authentication method used. Use cookie or authorization header."),
		({"Cookie": "sid="}, {}, "No authentication method used. Use cookie or authorization header."),
		({"Authorization": "token ann-key:wrong", **COOKIE}, {}, "Unauthorized: Error: Unauthorized"),
		({"Authorization": "Bearer what", **COOKIE}, {}, "Unauthorized: Error: Unauthorized"),
		({"Authorization": "Basic a", **COOKIE}, {}, "Unauthorized: Error: Bad Request"),
	],
)
def test_a_handshake_is_refused_in_frappes_words(
	listen: Any, headers: dict[str, str], how: dict[str, Any], words: str
) -> None:
	refused = listen(headers, **how)

	assert refused.refusal["message"].startswith(words)


def test_the_site_may_be_named_by_a_header_as_nginx_does(listen: Any) -> None:
	assert listen({**ANN, **COOKIE, "X-Frappe-Site-Name": "standalone"}).refusal is None


def test_an_unknown_sid_connects_as_a_guest(http: httpx.Client, listen: Any) -> None:
	nobody = listen({"Cookie": "sid=unknown"})

	publish(http, {"for": "guests"}, user="Guest")
	publish(http, "end", room="website")

	assert nobody.refusal is None
	assert nobody.messages("end") == [{"for": "guests"}]


def test_an_authorization_header_goes_before_the_sid_cookie(http: httpx.Client, listen: Any) -> None:
	log_in(http, "bob@example.com")
	sid = http.cookies["sid"]
	http.cookies.clear()
	ann = listen({**ANN, "Cookie": f"sid={sid}"})

	publish(http, {"for": "bob"}, user="bob@example.com")
	publish(http, {"for": "ann"}, user="ann@example.com")
	publish(http, "end", room="website")

	assert ann.messages("end") == [{"for": "ann"}]


def test_a_client_that_polls_gets_its_events_too(http: httpx.Client, site: RunningSite) -> None:
	headers = {**ANN, **COOKIE, "Origin": site.url}
	where = {"EIO": "4", "transport": "polling"}

	def poll() -> str:
		return http.get("/socket.io/", params=where, headers=headers).text

	def send(packet: str) -> None:
		http.post("/socket.io/", params=where, headers=headers, content=packet)

	where["sid"] = json.loads(poll()[1:])["sid"]
	send("40/standalone,")
	assert poll().startswith("40/standalone,")
	publish(http, {"n": 1}, user="ann@example.com")

	assert poll() == '42/standalone,["news",{"n":1}]'
	send("1")
