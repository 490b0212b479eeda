"""The life of a request of the standard APIs: hang-ups, cancels, repeats, and what its user sees elsewhere."""

import threading
from typing import Any

import httpx
import pytest

from ai_assistant.client import Client
from ai_assistant.realtime.event import EVENT
from tests.support import script, unique
from tests.support.provider import ScriptedProvider
from tests.support.site import Site
from tests.support.v1 import ask, base, events, headers, streaming

from .test_chat_completions import body, chunks_of, deltas, finishes

PATH = "/chat/completions"
BEFORE: list[Any] = [
	pytest.param([], id="before the first chunk"),
	pytest.param([{"reasoning": "Hm."}], id="while it thinks"),
	pytest.param([{"reasoning": "Hm."}, {"text": "Ye"}], id="while it answers"),
]


def ended(client: Client, request_id: str) -> dict[str, Any]:
	"""The answer of a request, once it has ended."""
	after = 0
	while True:
		page = client.get("get_events", request_id=request_id, after_seq=after, wait=25)
		after = page["last_seq"]
		if page["status"] not in ("queued", "running"):
			answer: dict[str, Any] = client.get("get_request", request_id=request_id)
			return answer


@pytest.mark.parametrize("path", ["/chat/completions", "/responses", "/messages"])
@pytest.mark.parametrize(
	("sent", "content_type"),
	[
		(b'{"messages": [], "input": "hi", "temperature": NaN}', "text/plain"),
		(b'{"input": "hi", "messages": [], "metadata": {"n": 1e999}}', "application/json"),
		('{"messages": [], "input": "hi"}'.encode("utf-16"), "application/json; charset=utf-16"),
		(b'{"messages": "\xff", "input": "\xff"}', "application/json"),
	],
)
def test_a_body_that_is_no_json_is_refused_in_one_sentence(
	site: Site, path: str, sent: bytes, content_type: str
) -> None:
	answer = ask(site, path, sent, headers={"Content-Type": content_type})
	assert answer.status_code == 400, answer.text
	assert answer.json()["error"]["message"] == "The body is not valid JSON."


@pytest.mark.parametrize("steps", BEFORE)
@pytest.mark.parametrize("streamed", [True, False])
def test_a_hang_up_cancels_the_request_and_closes_the_providers_connection(
	site: Site, client: Client, provider: ScriptedProvider, steps: list[Any], streamed: bool
) -> None:
	marker, request_id = unique("marker"), unique()
	sent = body(script(*steps, {"hang": True}, {"note": marker}), stream=streamed)
	sent["metadata"] = {"request_id": request_id}
	with httpx.Client() as http:
		# The client gives up while the provider is silent.
		with pytest.raises(httpx.ReadTimeout):
			http.post(
				base(site) + PATH, json=sent, headers=headers(site.first), timeout=httpx.Timeout(30, read=1.5)
			)
		request = provider.wait_for(marker)
	assert request.hung_up.wait(10)
	answer = ended(client, request_id)
	assert (answer["status"], answer["finish_reason"]) == ("cancelled", "cancelled")
	assert answer["response"] == "".join(step.get("text", "") for step in steps)


def test_a_hang_up_lets_the_next_request_in(site: Site, provider: ScriptedProvider, client: Client) -> None:
	"""However a request ends, its place in the process is free again."""
	for _ in range(3):
		marker, request_id = unique("marker"), unique()
		sent = body(
			script({"text": "So"}, {"hang": True}, {"note": marker}), metadata={"request_id": request_id}
		)
		with streaming(site, PATH, sent) as response:
			assert response.status_code == 200
			provider.wait_for(marker)
		assert ended(client, request_id)["status"] == "cancelled"
	assert deltas(chunks_of(site, body("hello")), "content") == "Hello there."


def test_a_cancel_from_elsewhere_ends_the_stream_with_an_error(
	site: Site, client: Client, provider: ScriptedProvider
) -> None:
	marker = unique("marker")
	with streaming(site, PATH, body(script({"text": "So"}, {"hang": True}, {"note": marker}))) as response:
		provider.wait_for(marker)
		request_id = response.headers["x-request-id"]
		assert client.post("cancel", request_id=request_id) == {"cancelled": [request_id]}
		chunks = [data for _name, data in events(response)]
	*_, error, done = chunks
	assert (error["error"]["code"], done) == ("cancelled", "[DONE]")
	assert deltas(chunks, "content") == "So" and finishes(chunks) == []


@pytest.mark.parametrize("key", ["a-key-that-is-an-id", 'any "text" \u00a7 at all'])
@pytest.mark.parametrize("streamed", [True, False])
def test_a_repeated_key_replays_the_answer_and_asks_nobody(
	site: Site, provider: ScriptedProvider, key: str, streamed: bool
) -> None:
	marker = unique("marker")
	sent = body(script({"reasoning": "Hm."}, {"text": f"So. {marker}"}))
	repeats = {"Idempotency-Key": f"{key} {marker}".replace(" ", "-" if key.isascii() else " ")}
	encoded = {name: value.encode() for name, value in repeats.items()}
	first = ask(site, PATH, sent, headers=encoded)
	assert first.status_code == 200, first.text
	if streamed:
		again = httpx.post(
			base(site) + PATH,
			json={**sent, "stream": True},
			headers={**headers(site.first), **encoded},
			timeout=60,
		)
		chunks = [line for line in again.text.split("\n\n") if line]
		assert (
			marker in again.text and chunks[-1] == "data: [DONE]" and '"finish_reason":"stop"' in chunks[-2]
		)
	else:
		again = ask(site, PATH, sent, headers=encoded)
		assert again.json()["choices"] == first.json()["choices"]
		assert again.json()["usage"] == first.json()["usage"]
	assert again.headers["x-request-id"] == first.headers["x-request-id"]
	assert provider.count(marker) == 1


def test_a_repeated_key_attaches_to_the_running_stream(site: Site, provider: ScriptedProvider) -> None:
	marker, gate = unique("marker"), unique("gate")
	steps = [{"reasoning": "Hm."}, {"text": "So "}, {"gate": gate}, {"text": f"it goes. {marker}"}]
	sent = body(script(*steps), tools=[{"type": "function", "function": {"name": "f"}}])
	key = {"Idempotency-Key": unique("key")}
	read: list[list[Any]] = [[], []]
	half = [threading.Event(), threading.Event()]

	def reads(n: int) -> None:
		with streaming(site, PATH, sent, **key) as response:
			for _name, data in events(response):
				read[n].append(data)
				if "So " in str(data):
					half[n].set()

	threads = []
	for n in range(2):
		threads.append(threading.Thread(target=reads, args=(n,)))
		threads[n].start()
		assert half[n].wait(20)
	provider.open(gate)
	for thread in threads:
		thread.join(20)
	for chunks in read:
		assert deltas(chunks, "content") == f"So it goes. {marker}"
		assert deltas(chunks, "reasoning") == "Hm."
		assert finishes(chunks) == ["stop"] and chunks[-1] == "[DONE]"
	assert provider.count(marker) == 1


def test_a_key_that_was_used_for_another_request_is_409(site: Site) -> None:
	key = {"Idempotency-Key": unique("key")}
	assert ask(site, PATH, body("hello"), headers=key).status_code == 200
	other = ask(site, PATH, body("another"), headers=key)
	assert (other.status_code, other.json()["error"]["code"]) == (409, "conflict")


def test_another_users_key_is_another_key(site: Site, provider: ScriptedProvider) -> None:
	marker, key = unique("marker"), {"Idempotency-Key": unique("key")}
	sent = body(script({"text": marker}))
	for account in (site.first, site.second):
		assert ask(site, PATH, sent, account=account, headers=key).status_code == 200
	assert provider.count(marker) == 2


def test_its_user_sees_the_events_of_a_streamed_request(site: Site, client: Client) -> None:
	request_id = unique()
	seen: list[dict[str, Any]] = []
	with client.inbox(request_id) as inbox:
		chunks_of(site, body("hello", metadata={"request_id": request_id}))
		while not seen or seen[-1]["type"] != "completion":
			name, message = inbox.get(timeout=20)
			if name == EVENT:
				seen.append(message)
	assert seen == client.get("get_events", request_id=request_id)["events"]
	assert "".join(event["text"] for event in seen if event["type"] == "text") == "Hello there."


def test_a_client_may_do_without_the_events(site: Site, client: Client) -> None:
	request_id, other = unique(), unique()
	with client.inbox(request_id) as unwanted, client.inbox(other) as wanted:
		sent = body("hello", metadata={"request_id": request_id})
		chunks_of(site, sent, **{"X-AI-Progress": "off"})
		chunks_of(site, body("hello", metadata={"request_id": other}))
		while wanted.get(timeout=20)[1].get("type") != "completion":
			pass
		assert unwanted.empty()
	events = client.get("get_events", request_id=request_id)["events"]
	assert events[-1]["type"] == "completion"
	assert client.get("get_request", request_id=request_id)["realtime"]["failed"] == 0
