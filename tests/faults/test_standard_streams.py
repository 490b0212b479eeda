"""A process of the site that dies while a standard API streams from it, and a client that asks again."""

import os
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from ai_assistant.client.conformance import violations
from tests.support import script, unique
from tests.support.provider import ScriptedProvider
from tests.support.site import Site
from tests.support.v1 import ask, events, streaming

from .test_processes import let_the_lease_run_out, rows, start

PATH = "/chat/completions"


@pytest.fixture(scope="module")
def provider() -> Iterator[ScriptedProvider]:
	with ScriptedProvider() as running:
		yield running


def contents(response: httpx.Response) -> Iterator[str]:
	"""The text of each chunk, until the process dies."""
	try:
		for _name, data in events(response):
			if data != "[DONE]" and data.get("choices"):
				yield data["choices"][0]["delta"].get("content") or ""
	except httpx.HTTPError:
		return


def committed(folder: Path) -> str:
	texts = (
		"SELECT json_extract(event, '$.text') FROM event WHERE event LIKE '%\"type\": \"text\"%' ORDER BY seq"
	)
	return "".join(text for (text,) in rows(folder, texts))


@pytest.mark.parametrize("seen", [1, 4])
def test_the_same_key_replays_what_was_committed_and_ends_once(
	tmp_path: Path, provider: ScriptedProvider, seen: int
) -> None:
	key, request_id = {"Idempotency-Key": unique("key")}, unique()
	words = {"text": "word ", "repeat": 100_000, "every": 0.003}
	body: dict[str, Any] = {
		"model": "scripted",
		"messages": [{"role": "user", "content": script({"note": request_id}, words)}],
		"metadata": {"request_id": request_id},
	}
	first = start(tmp_path, provider)
	with first as site, streaming(site, PATH, body, **key) as response:
		pieces = contents(response)
		read = "".join(next(piece for piece in pieces if piece) for _ in range(seen))
		os.kill(first.pid, signal.SIGKILL)
		read += "".join(pieces)
	stored = committed(tmp_path)
	assert provider.wait_for(request_id).hung_up.wait(10)
	with start(tmp_path, provider) as site, site.client(site.first) as client:
		let_the_lease_run_out(tmp_path, request_id)
		for _ in range(2):
			replayed, end = replay(site, body, key)
			assert replayed == stored and end["error"]["code"] == "worker_lost"
		answer = client.get("get_request", request_id=request_id)
		journal = client.get("get_events", request_id=request_id)["events"]
	assert violations(journal, answer) == [] and answer["response"] == stored
	# The client has at most one batch more than the journal.
	assert stored.startswith(read) or read.startswith(stored)
	assert provider.count(request_id) == 1


def replay(site: Site, body: dict[str, Any], key: dict[str, str]) -> tuple[str, dict[str, Any]]:
	"""The text of a repeated request, and what it ends with."""
	with streaming(site, PATH, body, **key) as response:
		if response.status_code != 200:
			return "", dict(ask(site, PATH, body, headers=key).json())
		chunks = [data for _name, data in events(response)]
	assert chunks.pop() == "[DONE]"
	text = "".join(
		chunk["choices"][0]["delta"].get("content") or "" for chunk in chunks if "choices" in chunk
	)
	return text, chunks[-1]


def deltas(read: list[dict[str, Any]]) -> str:
	return "".join(event["delta"] for event in read if event["type"] == "response.output_text.delta")


def read_until_killed(
	folder: Path, provider: ScriptedProvider, body: dict[str, Any], seen: int
) -> list[dict[str, Any]]:
	"""The events of a response whose process is killed once so many of them were text."""
	read: list[dict[str, Any]] = []
	process = start(folder, provider)
	with process as site, streaming(site, "/responses", body) as response:
		try:
			for _name, data in events(response):
				read.append(data)
				if sum(event["type"] == "response.output_text.delta" for event in read) == seen:
					os.kill(process.pid, signal.SIGKILL)
		except httpx.HTTPError:
			pass
	return read


def test_a_background_response_goes_on_after_the_last_event_that_was_read(
	tmp_path: Path, provider: ScriptedProvider
) -> None:
	request_id = unique()
	prompt = script({"note": request_id}, {"text": "word ", "repeat": 100_000, "every": 0.003})
	body = {"model": "scripted", "input": prompt, "background": True, "metadata": {"request_id": request_id}}
	read = read_until_killed(tmp_path, provider, body, 3)
	stored = committed(tmp_path)
	# A stream that follows the journal shows nothing that is not in it.
	assert deltas(read) and stored.startswith(deltas(read))
	with start(tmp_path, provider) as site:
		let_the_lease_run_out(tmp_path, request_id)
		path = f"/responses/resp_{request_id}?stream=true&starting_after={read[-1]['sequence_number']}"
		rest = [data for _name, data in events(ask(site, path))]
	assert [event["sequence_number"] for event in read + rest] == list(range(len(read + rest)))
	assert deltas(read + rest) == stored
	assert rest[-1]["type"] == "response.failed"
	assert [event["type"] for event in rest].count("response.failed") == 1
	assert provider.count(request_id) == 1


@pytest.mark.parametrize("seen", [1, 12])
def test_a_direct_response_goes_on_after_the_last_event_that_was_read(
	tmp_path: Path, provider: ScriptedProvider, seen: int
) -> None:
	request_id = unique()
	prompt = script({"note": request_id}, {"text": "word ", "repeat": 100_000, "every": 0.003})
	body = {"model": "scripted", "input": prompt, "store": True, "metadata": {"request_id": request_id}}
	read = read_until_killed(tmp_path, provider, body, seen)
	stored = committed(tmp_path)
	with start(tmp_path, provider) as site:
		let_the_lease_run_out(tmp_path, request_id)
		path = f"/responses/resp_{request_id}?stream=true&starting_after="
		whole = [data for _name, data in events(ask(site, f"{path}0"))]
		for n, event in enumerate(read):
			rest = [data for _name, data in events(ask(site, f"{path}{event['sequence_number']}"))]
			both = read[: n + 1] + rest
			assert [event["type"] for event in rest].count("response.failed") == 1
			assert rest[-1]["type"] == "response.failed"
			assert [event["sequence_number"] for event in both] == list(range(len(both)))
			assert deltas(both) == stored or deltas(read[: n + 1]).startswith(stored)
			assert rest[-1]["response"]["output"] == whole[-1]["response"]["output"]
	assert deltas(whole) == stored
	assert provider.count(request_id) == 1
