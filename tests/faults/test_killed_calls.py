"""A process of the site that dies while the model writes a tool call."""

import json
import os
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from ai_assistant.client import Client
from ai_assistant.client.conformance import violations
from tests.support import script, unique
from tests.support.ledger import LEDGER
from tests.support.provider import ScriptedProvider
from tests.support.v1 import ask, events, streaming

from .test_processes import detaching, let_the_lease_run_out, start

TOOLS = [{"type": "function", "function": {"name": "write", "parameters": {"type": "object"}}}]
BEGUN = {"call": 0, "id": "call_1", "name": "write", "arguments": ""}
CUT = "The model's arguments for write ended before they were whole."


@pytest.fixture(scope="module")
def provider() -> Iterator[ScriptedProvider]:
	with ScriptedProvider() as running:
		yield running


def written(*pieces: str) -> list[dict[str, Any]]:
	"""The steps of a provider that writes a call in these pieces."""
	return [BEGUN, *({"call": 0, "arguments": piece} for piece in pieces)]


def cut_call(arguments: str) -> dict[str, Any]:
	function = {"name": "write", "arguments": arguments}
	return {"id": "call_1", "type": "function", "function": function, "arguments_error": CUT}


def read_until(stream: Any, arguments: str) -> list[dict[str, Any]]:
	"""Reads the events of a chat until so much of the arguments has come."""
	got: list[dict[str, Any]] = []
	for event in stream:
		if event["type"] == "ai_status":
			continue
		got.append(event)
		begun = event["type"].startswith("tool_call_")
		if begun and "".join(one["text"] for one in got if one["type"] == "tool_call_delta") == arguments:
			return got
	raise AssertionError("the chat ended early")


def ended(client: Client, request_id: str) -> tuple[dict[str, Any], list[dict[str, Any]]]:
	"""The answer of a request, once it has ended, and its events."""
	page: dict[str, Any] = {"status": "running"}
	while page["status"] in ("queued", "running"):
		page = client.get("get_events", request_id=request_id, wait=20)
	return client.get("get_request", request_id=request_id), page["events"]


@pytest.mark.parametrize("background", [False, True])
@pytest.mark.parametrize(
	"pieces", [[], ['{"path": "a.py", "te'], ['{"path": ', '"a.py", "text": "x = ', "1"]]
)
def test_what_was_written_of_a_call_is_given_when_the_process_is_killed(
	tmp_path: Path, provider: ScriptedProvider, pieces: list[str], background: bool
) -> None:
	first, arguments = start(tmp_path, provider), "".join(pieces)
	steps = [{"text": "I write."}, *written(*pieces), {"hang": True}]
	with first as site, site.client(site.first) as client:
		client.connect()
		stream = client.chat(script(*steps), tools=TOOLS, stream_tool_calls=True, background=background)
		got = read_until(stream, arguments)
		os.kill(first.pid, signal.SIGKILL)
	with start(tmp_path, provider) as site, site.client(site.first) as client:
		let_the_lease_run_out(tmp_path, stream.request_id)
		answer, stored = ended(client, stream.request_id)
	assert stored[: len(got)] == got
	assert answer["tool_calls"] == [cut_call(arguments)]
	assert [event["type"] for event in stored[len(got) :]] == ["tool_call", "completion"]
	fault = "kill -9 of the site while the model writes a tool call"
	LEDGER.settle(fault, "I write.", stored, answer, end="worker_lost")


def test_a_call_whose_arguments_were_whole_is_whole(tmp_path: Path, provider: ScriptedProvider) -> None:
	"""The call of an empty object before it keeps it from being told."""
	first, arguments = start(tmp_path, provider), '{"path": "a.py"}'
	empty = {"call": 0, "id": "call_0", "name": "list", "arguments": "{}"}
	whole = {"call": 1, "id": "call_1", "name": "write", "arguments": arguments}
	with first as site, site.client(site.first) as client:
		client.connect()
		steps = script(empty, whole, {"hang": True})
		stream = client.chat(steps, tools=TOOLS, stream_tool_calls=True)
		read_until(stream, arguments)
		os.kill(first.pid, signal.SIGKILL)
	with start(tmp_path, provider) as site, site.client(site.first) as client:
		let_the_lease_run_out(tmp_path, stream.request_id)
		answer, stored = ended(client, stream.request_id)
	(call,) = [call for call in answer["tool_calls"] if call["id"] == "call_1"]
	assert call["function"]["arguments"] == arguments and "arguments_error" not in call
	assert violations(stored, answer) == []


BODIES: dict[str, dict[str, Any]] = {
	"/chat/completions": {"tools": TOOLS},
	"/responses": {"tools": [{"type": "function", **TOOLS[0]["function"]}]},
	"/messages": {
		"max_tokens": 1000,
		"tools": [{"name": "write", "input_schema": {"type": "object"}}],
	},
}


def arguments_in(path: str, data: dict[str, Any]) -> str:
	"""The piece of the arguments in an event of a standard API."""
	if path == "/responses":
		return data["delta"] if data["type"] == "response.function_call_arguments.delta" else ""
	if path == "/messages":
		return str(data.get("delta", {}).get("partial_json", ""))
	calls = data["choices"][0]["delta"].get("tool_calls") if data.get("choices") else None
	return calls[0]["function"]["arguments"] if calls else ""


@pytest.mark.parametrize("path", BODIES)
def test_a_standard_api_replays_what_was_written_of_a_call_and_ends_once(
	tmp_path: Path, provider: ScriptedProvider, path: str
) -> None:
	request_id, key = unique(), {"Idempotency-Key": unique("key")}
	prompt = script({"note": request_id}, *written('{"path": ', '"a.py", "te'), {"hang": True})
	asked = {"input": prompt} if path == "/responses" else {"messages": [{"role": "user", "content": prompt}]}
	body = {"model": "scripted", **asked, "metadata": {"request_id": request_id}, **BODIES[path]}
	first, arguments, read = start(tmp_path, provider), '{"path": "a.py", "te', ""
	with first as site, site.client(site.first) as client, streaming(site, path, body, **key) as response:
		pieces = events(response)
		while read != arguments:
			read += arguments_in(path, next(pieces)[1])
		# A client of the stream may be ahead of the journal.
		stored, last = "", 0
		while stored != arguments:
			page = client.get("get_events", request_id=request_id, after_seq=last, wait=20)
			last = page["last_seq"]
			stored += "".join(one["text"] for one in page["events"] if one["type"] == "tool_call_delta")
		os.kill(first.pid, signal.SIGKILL)
		with pytest.raises(httpx.HTTPError):
			list(pieces)
	with start(tmp_path, provider) as site, site.client(site.first) as client:
		let_the_lease_run_out(tmp_path, request_id)
		for _ in range(2):
			with streaming(site, path, body, **key) as response:
				assert response.status_code == 200
				replayed = [data for _name, data in events(response) if data != "[DONE]"]
			assert "".join(arguments_in(path, data) for data in replayed) == arguments
			assert sum("error" in data or data.get("type") == "response.failed" for data in replayed) == 1
		whole = ask(site, path, body, headers=key).json()
		assert "The process that ran this request died" in json.dumps(whole)
		answer, journal = ended(client, request_id)
	assert answer["tool_calls"] == [cut_call(arguments)] and violations(journal, answer) == []
	assert provider.count(request_id) == 1


@pytest.mark.parametrize("death", [signal.SIGKILL, signal.SIGTERM])
@pytest.mark.parametrize("goes_on", [True, False])
def test_a_call_of_an_answer_that_the_provider_runs_by_itself_is_read_on(
	tmp_path: Path, provider: ScriptedProvider, death: signal.Signals, goes_on: bool
) -> None:
	first, gate = detaching(tmp_path, provider), unique("gate")
	steps = [*written('{"path": '), {"gate": gate}, {"call": 0, "arguments": '"a.py"}'}]
	with first as site, site.client(site.first) as client:
		client.connect()
		stream = client.chat(script(*steps), tools=TOOLS, stream_tool_calls=True, background=True)
		read_until(stream, '{"path": ')
		os.kill(first.pid, death)
		if death is signal.SIGTERM:
			os.kill(first.pid, death)
	let_the_lease_run_out(tmp_path, stream.request_id)
	provider.open(gate)
	# Without it the provider of that name has another API.
	with (detaching if goes_on else start)(tmp_path, provider) as site, site.client(site.first) as client:
		answer, stored = ended(client, stream.request_id)
	assert violations(stored, answer) == []
	if goes_on:
		function = {"name": "write", "arguments": '{"path": "a.py"}'}
		assert answer["tool_calls"] == [{"id": "call_1", "type": "function", "function": function}]
		assert answer["status"] == "completed"
	else:
		assert answer["tool_calls"] == [cut_call('{"path": ')]
		assert answer["error"]["code"] == "worker_lost"
