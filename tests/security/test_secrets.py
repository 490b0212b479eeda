"""Keys, questions, answers and providers' words are sought everywhere a site leaves something, whatever has failed."""

import json
import socketserver
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from typing import Any

import pytest

from ai_assistant.chat.lifecycle import Chat
from ai_assistant.chat.request import validate
from ai_assistant.client import Client
from ai_assistant.config import settings
from ai_assistant.standalone import stand_in
from tests.support import script, unique
from tests.support.provider import ScriptedProvider
from tests.support.serving import serving
from tests.support.site import APIS, CANARY_KEY, Site, StandaloneSite, each_adapter

PROMPT, ANSWER, THOUGHT, WORDS = (f"canary-{what}-5be1" for what in ("prompt", "answer", "thought", "words"))
SAID = [{"reasoning": THOUGHT}, {"text": ANSWER}]
REFUSED = {"error": {"message": f"{WORDS} {CANARY_KEY} {PROMPT}", "type": "x", "code": "x"}}
BROKEN = {"raw": f'data: {{"choices": [{WORDS}\n\n'}
# Each provider is asked in turn where the first fails, and plays the same.
FAULTS: dict[str, list[dict[str, Any]]] = {
	"none": SAID,
	**{
		f"HTTP {status}": [{"status": status, "body": REFUSED}]
		for status in (400, 401, 403, 404, 413, 429, 500, 503)
	},
	"HTTP 401, the key quoted": [{"status": 401, "echo": True}],
	"HTTP 500, no JSON": [{"status": 500, "body": f"<html>{WORDS} {CANARY_KEY} {PROMPT}</html>"}],
	"a web page": [{"raw": f"<html>{WORDS} {PROMPT}</html>\n\n"}],
	"junk": [{"raw": f"\xff\xfe{WORDS}\0"}],
	"broken JSON": [*SAID, BROKEN],
	"JSON of another shape": [
		*SAID,
		{"raw": f'data: {{"choices": [{{"delta": {{"content": {{"{WORDS}": 1}}}}}}]}}\n\n'},
	],
	"an error in the stream": [*SAID, {"error": f"{WORDS} {CANARY_KEY} {PROMPT}"}],
	"the key in the stream": [*SAID, {"error_echo": True}],
	"a cut": [*SAID, {"cut": True}],
	"no end": [*SAID, {"raw": f": {WORDS}\n\n"}],
}


@pytest.fixture(scope="module")
def config(provider: ScriptedProvider) -> dict[str, Any]:
	return each_adapter(provider)


@pytest.fixture
def client(site: Site) -> Iterator[Client]:
	with site.client(site.first) as opened:
		opened.connect()
		yield opened


def left(process: StandaloneSite) -> dict[str, bytes]:
	"""All that the site has written, by where; its configuration alone may hold keys."""
	files = [path for path in process.folder.rglob("*") if path.is_file() and path != process.config_file]
	assert {path.name for path in files} >= {"ai_assistant.log", "site.sqlite"}
	files_left = {path.name: path.read_bytes() for path in files if path.name != "site.sqlite"}
	# What it holds: SQLite leaves pieces of what it has moved in the unused part of a page.
	with closing(sqlite3.connect(process.data / "site.sqlite", timeout=10)) as database:
		files_left["site.sqlite"] = "\n".join(database.iterdump()).encode()
	return {**files_left, "standard error": "".join(process.stderr).encode()}


def seek(process: StandaloneSite, *canaries: str) -> dict[str, list[str]]:
	"""Of each canary, where it is."""
	places = left(process)
	return {
		canary: [place for place, content in places.items() if canary.encode() in content]
		for canary in canaries
	}


NOWHERE: dict[str, list[str]] = {PROMPT: [], ANSWER: [], THOUGHT: [], WORDS: [], CANARY_KEY: []}


def chat(client: Client, steps: list[dict[str, Any]], **fields: Any) -> tuple[dict[str, Any], str]:
	"""The answer of a chat, and all that its client was told."""
	stream = client.chat(script(*steps[:-1], {**steps[-1], "note": PROMPT}), **fields)
	events = list(stream)
	assert stream.answer
	stored = client.get("get_request", request_id=stream.request_id)
	journal = client.get("get_events", request_id=stream.request_id)
	error = getattr(stream.error, "body", None)
	return stream.answer, json.dumps([events, stream.answer, stored, journal, error, str(stream.error)])


@pytest.mark.timeout(120)
@pytest.mark.parametrize("way", ["in the request", "in the background", "without events"])
def test_no_fault_of_a_provider_tells_a_secret(
	client: Client, process: StandaloneSite, provider: ScriptedProvider, way: str
) -> None:
	brake = {"realtime": {"enabled": way != "without events"}}
	process.configure(each_adapter(provider, **brake, retention={"keep_content": False}))
	before = len(provider.requests)
	for fault, steps in FAULTS.items():
		answer, told = chat(client, steps, background=way == "in the background")
		assert (answer["status"] == "failed") == (fault != "none"), (fault, answer)
		for secret in (CANARY_KEY, WORDS, PROMPT, "Traceback"):
			assert secret not in told, fault
		error = answer.get("error")
		assert error is None or (error["message"].count(".") >= 1 and "\n" not in error["message"])
	# Each adapter was asked, with the key and the question.
	assert {request.path.split("/")[1] for request in provider.requests[before:]} == {
		"openai",
		"openai_responses",
		"anthropic",
	}
	assert all(CANARY_KEY == request.key and PROMPT in request.text for request in provider.requests[before:])
	assert seek(process, *NOWHERE) == NOWHERE


def test_content_is_kept_in_the_database_alone_and_questions_until_they_are_answered(
	client: Client, process: StandaloneSite, provider: ScriptedProvider
) -> None:
	process.configure(each_adapter(provider))
	gate, request = unique("gate"), unique("canary-question")
	stream = client.chat(script(*SAID, {"gate": gate}, {"note": request}), background=True, provider="openai")
	next(event for event in stream if event["type"] == "text")
	# That the search finds what is there.
	located = seek(process, request, ANSWER, THOUGHT)
	assert all(
		places and {place.split("-")[0] for place in places} == {"site.sqlite"} for places in located.values()
	)
	provider.open(gate)
	assert stream.wait()["response"] == ANSWER
	assert seek(process, request, CANARY_KEY) == {request: [], CANARY_KEY: []}
	assert {place.split("-")[0] for place in seek(process, ANSWER)[ANSWER]} == {"site.sqlite"}


def test_a_question_that_was_cancelled_is_forgotten(
	client: Client, process: StandaloneSite, provider: ScriptedProvider
) -> None:
	process.configure(each_adapter(provider))
	request, marker = unique("canary-question"), unique("marker")
	stream = client.chat(
		# Its beginning stays, where content is kept.
		script({"note": "x" * 140}, {"note": request}, {"note": marker}, {"hang": True}),
		background=True,
		provider="openai",
	)
	provider.wait_for(marker)
	client.post("cancel", request_id=stream.request_id)
	assert stream.wait()["status"] == "cancelled"
	assert seek(process, request) == {request: []}


@pytest.mark.parametrize("background", [False, True])
def test_the_beginning_of_a_question_is_kept_where_content_is_and_nowhere_else(
	client: Client, process: StandaloneSite, provider: ScriptedProvider, background: bool
) -> None:
	for keep in (True, False):
		process.configure(each_adapter(provider, retention={"keep_content": keep}))
		gate, request = unique("gate"), unique("canary-excerpt")
		stream = client.chat(
			script({"note": request}, {"text": "x"}, {"gate": gate}), provider="openai", background=background
		)
		next(event for event in stream if event["type"] == "text")
		if not background:
			# A queued one is kept whole until it has ended.
			assert bool(seek(process, request)[request]) == keep
		provider.open(gate)
		assert stream.wait()["status"] == "completed"
		assert bool(seek(process, request)[request]) == keep


@contextmanager
def counting() -> Iterator[tuple[str, list[bytes]]]:
	"""An address, and what has come to it."""
	came: list[bytes] = []

	class Handler(socketserver.BaseRequestHandler):
		def handle(self) -> None:
			came.append(self.request.recv(4096))

	with serving(socketserver.ThreadingTCPServer(("127.0.0.1", 0), Handler)) as address:
		yield address, came


@pytest.mark.parametrize("name", APIS)
def test_nothing_that_is_said_makes_the_site_ask_an_address(
	client: Client, site: Site, process: StandaloneSite, provider: ScriptedProvider, name: str
) -> None:
	process.configure(each_adapter(provider))
	with counting() as (address, came):
		link = f"{address}/link.png"
		image = [{"type": "text", "text": "see"}, {"type": "image_url", "image_url": {"url": link}}]
		elsewhere = {
			field_name: address
			for field_name in ("api_base", "base_url", "api_key", "extra_headers", "proxy")
		}
		asking: list[dict[str, Any]] = [
			{
				"messages": [{"role": "user", "content": script({"text": f"![x]({link})"}, {"note": link})}],
				**elsewhere,
			},
			{"messages": [{"role": "user", "content": image}]},
			{
				"messages": [
					{"role": "user", "content": script({"status": 307, "headers": {"location": link}})}
				]
			},
			{"messages": [{"role": "user", "content": "hello"}], "model": link},
		]
		for body in asking:
			client.http.post(site.method("chat_completion"), json={**body, "provider": name})
		assert came == []


@pytest.mark.parametrize(
	"base", ["file:///etc/passwd", "ftp://x/v1", "unix:///run/x", "//x/v1", "javascript:1", "HTTP://x"]
)
def test_an_address_is_of_the_web(
	client: Client, process: StandaloneSite, provider: ScriptedProvider, base: str
) -> None:
	value = each_adapter(provider)
	value["providers"] = [{**value["providers"][0], "api_base": base}]
	process.configure(value)
	stream = client.chat("hello")
	list(stream)
	assert "api_base accepts" in str(stream.error) and CANARY_KEY not in str(stream.error)


def test_no_object_shows_a_key(monkeypatch: pytest.MonkeyPatch, provider: ScriptedProvider) -> None:
	monkeypatch.setattr(stand_in.local, "site", "s", raising=False)
	value = each_adapter(provider)
	value["providers"][0]["extra"] = {"extra_headers": {"x-key": CANARY_KEY}}
	stand_in.local.conf = {"ai_assistant": value}
	try:
		loaded = settings.load()
		request = validate({"messages": [{"role": "user", "content": "hello"}]}, loaded)
		publisher = type("Publisher", (), {"user": "u"})()
		made = Chat(request, loaded, publisher)
		for thing in (loaded, *loaded.providers, made, made.gateway, vars(made), request):
			assert CANARY_KEY not in repr(thing) + str(thing)
		value["providers"][0]["api_key"] = {"x": CANARY_KEY}
		(aside,) = settings.load().set_aside
		assert "api_key" in aside[1] and CANARY_KEY not in aside[1]
	finally:
		del stand_in.local.conf
