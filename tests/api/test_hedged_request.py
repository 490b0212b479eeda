"""A request whose first provider is silent, on a site that then asks the second as well."""

from collections.abc import Iterator
from typing import Any

import pytest

from ai_assistant.client import Client
from tests.support import script, unique
from tests.support.provider import ScriptedProvider
from tests.support.site import Site, StandaloneSite, site_config


@pytest.fixture(scope="module")
def config(provider: ScriptedProvider) -> dict[str, Any]:
	return {**site_config(provider), "failover": {"hedge_s": 0.5, "cool_down": False, "retries": 0}}


@pytest.fixture
def client(site: Site) -> Iterator[Client]:
	with site.client(site.first) as opened:
		opened.connect()
		yield opened


def test_the_second_answers_and_both_are_booked(
	client: Client, provider: ScriptedProvider, process: StandaloneSite
) -> None:
	marker = unique("marker")
	steps = [{"hang": True, "for": "scripted"}, {"text": "Yes."}, {"note": marker}]
	stream = client.chat(script(*steps), task_id=unique("task"))
	answer = stream.wait()
	assert (answer["response"], answer["provider"], answer["attempts"]) == ("Yes.", "claude", [])
	# The winner has counted 11 tokens of its prompt. Those of the other are estimated.
	assert answer["usage"]["estimated"] and answer["usage"]["prompt_tokens"] > 11 + len(marker) // 4
	requests = [request for request in provider.requests if marker in request.text]
	assert len(requests) == 2 and any(request.hung_up.wait(10) for request in requests)
	log = process.log_file.read_text()
	assert any("hung up on" in line and stream.request_id in line for line in log.splitlines())
