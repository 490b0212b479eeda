"""Ten thousand requests of any content to every method: each is answered as the contract says, and leaves what it says.

They go to the standalone site's own WSGI application, in this process: its HTTP server is not what is tried here.
"""

import inspect
import json
import os
import random
import re
from collections import Counter
from typing import Any
from urllib.parse import urlencode

import pytest
from hypothesis import HealthCheck, Phase, given, note, settings
from hypothesis import strategies as st
from werkzeug.test import TestResponse

import ai_assistant
from ai_assistant.chat.errors import HTTP_STATUS
from tests.support import script
from tests.support.methods import METHODS, VERBS
from tests.support.site import CANARY_KEY, USERS

from .conftest import InProcess

# A frame of the app, but for the stand-in's; the checkout's own folder may have the app's name.
OURS = re.compile(re.escape(os.path.dirname(ai_assistant.__file__)) + "/(?!standalone)")

EXAMPLES, CALLS = 92, 110
# No shrinking: what a site does depends on what it has done.
FUZZING = settings(
	max_examples=EXAMPLES,
	database=None,
	phases=(Phase.generate,),
	suppress_health_check=list(HealthCheck),
)

PROMPTS = [
	"hello",
	script({"text": "So"}, {"reasoning": "Hm"}, {"text": "."}),
	script({"text": "<think>"}, {"text": "\ud83d"}, {"text": "\ude00</thi"}),
	script({"status": 401, "echo": True}),
	script({"status": 429, "headers": {"retry-after": "7"}}),
	script({"text": "a"}, {"error_echo": True}),
	script({"text": "a"}, {"cut": True}),
	script({"text": "a"}, {"raw": "data: {\n\n"}),
	script({"raw": "\xff\x00"}),
	script({"text": "x", "times": 5000}),
]
# Plausible values, so that the methods do not refuse each request at its first field.
KNOWN: dict[str, list[Any]] = {
	"messages": [[{"role": "user", "content": prompt}] for prompt in PROMPTS],
	"mode": ["chat", "agent"],
	"task_id": ["task 1", "task-2", "\u202e=\u2066 x", "t" * 140],
	"request_id": ["request-1", "request-2", "a" * 64],
	"provider": ["scripted", "other"],
	"model": ["scripted", "any/model:x", "../x", "a b"],
	"temperature": [0, 2, "0.5"],
	"max_tokens": [1, "1000"],
	"reasoning_effort": ["none", "high"],
	"background": [True, "1", False],
	"after_seq": [0, "1", 3],
	"wait": [0, 0.01],
}
EVIL = [
	"",
	"nan",
	"-1",
	"1e999",
	"\0",
	"a\r\nb",
	"\ud800",
	"[" * 5000,
	"9" * 5000,
	"x" * 30_000,
	{"a": [[]] * 600},
]
LEAF = (
	st.none() | st.booleans() | st.integers() | st.floats() | st.text(st.characters(codec=None), max_size=20)
)
JSON = st.recursive(
	LEAF | st.sampled_from(EVIL),
	lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
	max_leaves=5,
)
MESSAGE = st.fixed_dictionaries(
	{"role": st.sampled_from(["system", "user", "assistant", "tool"]), "content": JSON}
)
VALUES = st.lists(JSON, min_size=8, max_size=30)
MESSAGES = st.lists(st.lists(MESSAGE | JSON, max_size=4), min_size=3, max_size=8)


def call(rng: random.Random, values: list[Any], messages: list[Any]) -> tuple[str, str, dict[str, Any]]:
	"""A method or what is none, its arguments, and how to send them."""
	# Few of the random chats are accepted, so that there are more of them.
	name = rng.choice([*METHODS, *["chat_completion"] * 3])
	fields: dict[str, Any] = {}
	for parameter in [*inspect.signature(METHODS[name]).parameters, "ignore_permissions", "cmd", "flags"]:
		known = KNOWN.get(parameter, []) if parameter != "messages" else KNOWN["messages"] + messages
		# A field without good values is mostly wrong, and few requests would be accepted.
		share = 0.95 if parameter == "messages" else 0.25 if known else 0.04
		if rng.random() < share:
			fields[parameter] = rng.choice(known) if known and rng.random() < 0.8 else rng.choice(values)
	if rng.random() < 0.2:
		fields["messages"] = json.dumps(fields.get("messages"))
	return name, rng.choice(VERBS[name]) if rng.random() < 0.9 else "DELETE", fields


def send(site: InProcess, rng: random.Random, name: str, verb: str, fields: dict[str, Any]) -> TestResponse:
	path = f"/api/method/ai_assistant.api.{name}"
	user = rng.choice([*USERS, *list(USERS)[:2] * 3])
	headers = {"Authorization": f"token {user}:secret"} if rng.random() < 0.95 else {}
	how = rng.choice(["json", "json", "json", "form", "query", "broken"])
	if how == "json":
		options: dict[str, Any] = {"data": json.dumps(fields), "content_type": "application/json"}
	elif how == "broken":
		whole = json.dumps(fields)
		options = {"data": whole[: rng.randrange(len(whole))] + rng.choice(["", "\0", "]}", "x"])}
		options["content_type"] = rng.choice(
			["application/json", "text/plain", "multipart/form-data", "a/b; boundary=\xff"]
		)
	else:
		texts = {key: value if isinstance(value, str) else json.dumps(value) for key, value in fields.items()}
		coded = urlencode(texts, errors="surrogatepass")
		options = {"query_string": coded}
		if how == "form":
			options = {"data": coded, "content_type": "application/x-www-form-urlencoded"}
	return site.client.open(path, method=verb, headers=headers, **options)


def ask(
	site: InProcess, rng: random.Random, values: list[Any], messages: list[Any], tally: Counter[str]
) -> None:
	name, verb, fields = call(rng, values, messages)
	note(f"{verb} {name} {fields}")
	# While a job runs it leaves things, too.
	idle, before = not site.wsgi.jobs._ids, site.left()
	response = send(site, rng, name, verb, fields)
	answered, refused = check(name, response)
	if refused and idle:
		assert site.left() == before, answered
	tally[answered] += 1


def check(name: str, response: TestResponse) -> tuple[str, bool]:
	"""That it is one of the contract's answers: which, and whether nothing may have been done."""
	body = response.get_data(as_text=True)
	assert CANARY_KEY not in body
	if name in ("health", "metrics") and response.mimetype == "text/plain":
		assert response.status_code in (200, 503)
		return "text", False
	answer = json.loads(body) if response.mimetype == "application/json" else {}
	message = answer.get("message")
	if not isinstance(message, dict):
		# Frappe's own refusal: before any code of ours has run.
		assert response.status_code in (400, 401, 403, 404, 417, 500), (response.status_code, body)
		trace = answer.get("exc", "")
		assert not OURS.search(trace), trace
		if response.status_code == 500:
			assert answer["exc_type"] in ("JSONDecodeError", "RecursionError", "UnicodeDecodeError"), trace
		return f"Frappe's {response.status_code}", True
	assert not {"exc", "exception", "_server_messages"} & set(answer)
	error = message.get("error", {})
	code = error.get("code", message.get("status", "read"))
	assert code != "internal_error"
	if error:
		assert error["message"].endswith(".") and error["message"].isprintable(), error
	told = bool(error) and (name == "chat_completion" or "status" not in message)
	assert response.status_code == (HTTP_STATUS[code] if told else 200)
	assert ("Retry-After" in response.headers) == (response.status_code in (429, 503))
	return str(code), bool(error) and "status" not in message


def left_behind(site: InProcess) -> None:
	"""Every request that was accepted has ended, with one completion, which is its last event."""
	for name, status in site.database.read("SELECT name, status FROM request"):
		assert status in ("completed", "cancelled", "failed")
		rows = site.database.read("SELECT event FROM event WHERE request = ? ORDER BY seq", [name])
		events = [json.loads(event) for (event,) in rows]
		assert [event["seq"] for event in events] == list(range(1, len(events) + 1))
		assert [event["status"] for event in events if event["type"] == "completion"] == [status]
		assert events[-1]["type"] == "completion"
	for line in (site.folder / "ai_assistant.log").read_text().splitlines():
		assert re.match(r"\[\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\] \[\w+\] |\t", line) and line[1:].isprintable(), (
			line
		)
	assert {room.partition(":")[2] for _event, _message, room in site.published} <= set(USERS)


@pytest.mark.timeout(240)
def test_any_request_has_an_answer_of_the_contract(in_process: InProcess) -> None:
	tally: Counter[str] = Counter()

	@FUZZING
	@given(st.integers(0, 2**32), VALUES, MESSAGES)
	def fuzz(seed: int, values: list[Any], messages: list[Any]) -> None:
		rng = random.Random(seed)
		for _n in range(CALLS):
			ask(in_process, rng, values, messages, tally)

	fuzz()
	in_process.wsgi.jobs.close(20)
	assert sum(tally.values()) >= 10_000
	# It gets to the end of chats, and into every kind of refusal.
	for answered in ("completed", "failed", "queued", "read", "conflict", "not_found", "invalid_request"):
		assert tally[answered] > 5, tally
	left_behind(in_process)
