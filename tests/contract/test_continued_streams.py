"""Tests that a direct stream of Responses is continued after any of its events."""

from typing import Any

import openai
import pytest

from tests.support import script, unique
from tests.support.provider import ScriptedProvider
from tests.support.site import Site
from tests.support.v1 import ask, events, streaming

CLOCK: Any = {"type": "function", "name": "clock", "parameters": {"type": "object", "properties": {}}}
CALL = {"call": 0, "id": "call_stored", "name": "clock", "arguments": "{}"}


def replay(site: Site, response_id: str, after: int) -> list[Any]:
	answer = ask(site, f"/responses/{response_id}?stream=true&starting_after={after}")
	assert answer.status_code == 200, answer.text
	return [data for _name, data in events(answer)]


PATCH: Any = {"type": "custom", "name": "patch", "description": "Changes files."}
WORDS = {"text": "word ", "repeat": 60, "every": 0.005}
PIECE = {"call": 0, "arguments": "x", "repeat": 60, "every": 0.005}

STREAMS: dict[str, list[dict[str, Any]]] = {
	"phases": [{**WORDS, "reasoning": "Hm. "}, WORDS, {"reasoning": "So."}, {"text": "Yes."}],
	"a chunk that is longer than an event": [{"text": "First. "}, {"text": "世", "times": 22_000}, WORDS],
	"a call": [WORDS, {**CALL, "arguments": '{"zone": "'}, PIECE, {"call": 0, "arguments": '"}'}],
	"two calls": [CALL, {**CALL, "call": 1, "id": "call_second"}],
	"a custom tool": [
		{**CALL, "name": "patch", "arguments": '{"input": "'},
		PIECE,
		{"call": 0, "arguments": '"}'},
	],
	"an error": [WORDS, {"error": "overloaded"}],
	"a limit": [WORDS, {"finish": "length"}],
}


@pytest.mark.parametrize("stored", [True, False])
@pytest.mark.parametrize("name", STREAMS)
def test_the_rest_of_a_direct_stream_is_sent_after_each_of_its_events(
	site: Site, name: str, stored: bool
) -> None:
	body = {"model": "scripted", "input": script(*STREAMS[name]), "tools": [CLOCK, PATCH], "store": stored}
	with streaming(site, "/responses", body) as response:
		sent = [data for _name, data in events(response)]
	assert [data["sequence_number"] for data in sent] == list(range(len(sent)))
	for after in range(len(sent)):
		rest = replay(site, sent[0]["response"]["id"], after)
		# Without `store` the site keeps no fields of the request that a response repeats.
		assert [data for data in rest if stored or "response" not in data] == [
			data for data in sent[after + 1 :] if stored or "response" not in data
		]


def test_a_direct_stream_is_read_from_a_second_connection_while_it_runs(
	site: Site, provider: ScriptedProvider
) -> None:
	gate = unique("gate")
	body = {"model": "scripted", "input": script(WORDS, {"gate": gate}, WORDS), "store": True}
	with streaming(site, "/responses", body) as response:
		stream = (data for _name, data in events(response))
		first = [next(stream) for _ in range(6)]
		path = f"/responses/{first[0]['response']['id']}?stream=true&starting_after="
		with streaming(site, f"{path}{first[2]['sequence_number']}", None) as second:
			again = (data for _name, data in events(second))
			assert [next(again) for _ in range(3)] == first[3:]
			provider.open(gate)
			assert list(again) == list(stream)


def test_the_rest_of_a_direct_stream_is_read_after_a_hang_up(site: Site, provider: ScriptedProvider) -> None:
	gate = unique("gate")
	body = {"model": "scripted", "input": script(WORDS, {"gate": gate}, WORDS), "store": True}
	with streaming(site, "/responses", body) as response:
		stream = (data for _name, data in events(response))
		first = [next(stream) for _ in range(6)]
	provider.open(gate)
	rest = replay(site, first[0]["response"]["id"], first[-1]["sequence_number"])
	assert [data["sequence_number"] for data in first + rest] == list(range(len(first + rest)))
	written = [data["delta"] for data in first + rest if data["type"] == "response.output_text.delta"]
	assert "".join(written) == "word " * 120 and rest[-1]["type"] == "response.completed"


def test_a_response_that_was_not_streamed_is_continued_by_numbers_too(
	site: Site, package: openai.OpenAI
) -> None:
	answer = package.responses.create(model="scripted", input=script(WORDS))
	sent = replay(site, answer.id, 0)
	for after in range(1, len(sent)):
		assert replay(site, answer.id, after) == sent[after:]
	assert sent[-1]["response"] == answer.to_dict()
