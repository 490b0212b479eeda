"""`ai-assistant web`: a web process for the app alone, beside the site's web server."""

import os
from collections.abc import Iterator

import httpx
import pytest

from ai_assistant.client import Client
from tests.support import script, unique
from tests.support.ledger import LEDGER
from tests.support.provider import ScriptedProvider

from .stack import Stack
from .test_bench_faults import chats, pieces, spoken


@pytest.fixture
def app_client(stack: Stack) -> Iterator[Client]:
	stack.start("app web")
	url = f"http://{stack.bench.site}:{stack.ports['app web']}"
	with Client(url, stack.bench.site, stack.socketio_url, token=os.environ["AI_ASSISTANT_TOKEN"]) as made:
		# Without a socket: the realtime server asks the origin for the user, which is nginx outside of this test.
		yield made
	stack.stop("app web")


def test_chats_in_it_leave_the_sites_web_server_alone(
	stack: Stack, app_client: Client, client: Client, provider: ScriptedProvider
) -> None:
	gate = unique("gate")
	host = {"X-Frappe-Site-Name": stack.bench.site}
	with chats(app_client) as chat:
		running = [chat(script(*pieces(0, 3), {"gate": gate}, *pieces(3, 1)), False) for _ in range(4)]
		for one in running:
			one.wait_for(4)
		assert httpx.get(f"{app_client.url}/api/method/ping", headers=host).status_code == 404
		assert httpx.get(f"{client.url}/api/method/ping", headers=host).json() == {"message": "pong"}
		assert app_client.get("get_request", request_id=running[0].stream.request_id)["status"] == "running"
		provider.open(gate)
		for one in running:
			LEDGER.settle("a web process of the app's own", spoken(4), *one.result(), end="completed")


def test_it_finishes_its_chats_when_it_is_told_to_stop(
	stack: Stack, app_client: Client, provider: ScriptedProvider
) -> None:
	gate = unique("gate")
	with chats(app_client) as chat:
		running = chat(script(*pieces(0, 3), {"gate": gate}, *pieces(3, 1)), False)
		running.wait_for(4)
		process = stack.running.pop("app web")
		process.terminate()
		provider.open(gate)
		# The client reads events from the process, which takes no more calls. The answer is whole.
		_, answer = running.result()
		assert answer["status"] == "completed"
		assert (answer["reasoning"], answer["response"]) == ("piece 0 piece 2 ", "piece 1 piece 3 ")
		assert process.wait(30) == 0
