"""A web process or a worker of the bench that is killed while a standard API streams, and a client that asks again."""

import os
from contextlib import suppress
from typing import Any

import httpx
import pytest

from ai_assistant.client import Client
from ai_assistant.client.conformance import violations
from tests.faults.test_standard_streams import PATH, contents, deltas, replay
from tests.support import script, unique
from tests.support.provider import ScriptedProvider
from tests.support.site import USERS, Account, Site
from tests.support.v1 import ask, events, streaming

from .stack import Stack

WORDS = {"text": "word ", "repeat": 100_000, "every": 0.003}
pytestmark = pytest.mark.timeout(180)


@pytest.fixture
def site(stack: Stack) -> Site:
	account = Account(next(iter(USERS)), "", os.environ["AI_ASSISTANT_TOKEN"])
	return Site(stack.url, stack.socketio_url, stack.bench.site, account, account, account, account)


def test_the_same_key_replays_what_was_committed_and_ends_once(
	stack: Stack, site: Site, client: Client, provider: ScriptedProvider
) -> None:
	key, request_id = {"Idempotency-Key": unique("key")}, unique()
	body: dict[str, Any] = {
		"model": "scripted",
		"messages": [{"role": "user", "content": script({"note": request_id}, WORDS)}],
		"metadata": {"request_id": request_id},
	}
	with streaming(site, PATH, body, **key) as response:
		pieces = contents(response)
		read = "".join(next(piece for piece in pieces if piece) for _ in range(4))
		stack.kill("web")
		with suppress(httpx.HTTPError):
			for piece in pieces:
				read += piece
	assert provider.wait_for(request_id).hung_up.wait(10)
	stack.start("web")
	for _ in range(2):
		# The first of them waits until the lease has run out.
		replayed, end = replay(site, body, key)
		answer = client.get("get_request", request_id=request_id)
		assert end["error"]["code"] == "worker_lost" and replayed == answer["response"]
	assert violations(client.get("get_events", request_id=request_id)["events"], answer) == []
	# What the client read and the journal does not have is at most what one batch gathers.
	assert replayed.startswith(read) or read.startswith(replayed)
	assert replayed and provider.count(request_id) == 1


def test_a_background_response_goes_on_after_the_last_event_that_was_read(
	stack: Stack, site: Site, provider: ScriptedProvider
) -> None:
	request_id = unique()
	prompt = script({"note": request_id}, WORDS)
	body = {"model": "scripted", "input": prompt, "background": True, "metadata": {"request_id": request_id}}
	read: list[dict[str, Any]] = []
	with streaming(site, "/responses", body) as response:
		try:
			for _name, data in events(response):
				read.append(data)
				if sum(event["type"] == "response.output_text.delta" for event in read) == 3:
					stack.kill("worker")
					stack.kill("web")
		except httpx.HTTPError:
			pass
	assert deltas(read)
	stack.start("web")
	stack.start("worker")
	path = f"/responses/resp_{request_id}?stream=true&starting_after={read[-1]['sequence_number']}"
	rest = [data for _name, data in events(ask(site, path))]
	assert [event["sequence_number"] for event in read + rest] == list(range(len(read + rest)))
	assert [event["type"] for event in rest].count("response.failed") == 1
	assert rest[-1]["response"]["output"][0]["content"][0]["text"] == deltas(read + rest)
	assert provider.count(request_id) == 1
