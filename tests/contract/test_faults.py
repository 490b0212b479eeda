"""Tests each failure of a provider: the code, the text that had arrived, and exactly one completion."""

from collections.abc import Iterator
from typing import Any

import pytest

from ai_assistant.client import ChatStream, Client
from ai_assistant.client.conformance import violations
from tests.support import script, unique
from tests.support.ledger import LEDGER
from tests.support.provider import ScriptedProvider
from tests.support.site import CANARY_KEY, Site

# The provider's own text, which no client may see.
SECRET = "internal-detail-7b1e"
BODY = {"error": {"message": f"{SECRET} {CANARY_KEY}", "type": "x", "code": "x"}}
LONG = {
	"error": {
		"message": f"This model's maximum context length is 9 tokens. {SECRET}",
		"type": "invalid_request_error",
		"code": "context_length_exceeded",
	}
}

SAID: list[dict[str, Any]] = [{"reasoning": "I thought"}, {"text": "and said"}]

# Both providers are asked where the first fails before its first chunk: the script is the same for both.
FAULTS: list[tuple[str, list[dict[str, Any]], int, str, bool]] = [
	("refuses the key", [{"status": 401, "body": BODY}], 502, "provider_auth", False),
	("refuses the account", [{"status": 403, "body": BODY}], 502, "provider_auth", False),
	("refuses the request", [{"status": 400, "body": BODY}], 502, "provider_error", False),
	("does not know the model", [{"status": 404, "body": BODY}], 502, "provider_error", False),
	(
		"limits requests",
		[{"status": 429, "body": BODY, "headers": {"retry-after": "7"}}],
		429,
		"rate_limited",
		True,
	),
	("is broken", [{"status": 500, "body": BODY}], 502, "provider_unavailable", True),
	("is overloaded", [{"status": 503, "body": BODY}], 502, "provider_unavailable", True),
	("finds the messages too long", [{"status": 400, "body": LONG}], 502, "context_too_long", False),
	("says nothing at all", [{"raw": ""}], 502, "provider_error", False),
	("sends junk", [{"raw": f"<html>{SECRET}</html>\n\n"}], 502, "provider_error", False),
	("cuts before the first chunk", [{"cut": True}], 502, "provider_unavailable", True),
	("cuts the stream", [*SAID, {"cut": True}], 502, "provider_unavailable", True),
	("closes without an end", [*SAID, {"raw": ": bye\n\n"}], 502, "provider_unavailable", True),
	("sends broken UTF-8", [*SAID, {"raw": 'data: \xff\xfe{"choices": [\n\n'}], 502, "provider_error", False),
	(
		"sends broken JSON",
		[*SAID, {"raw": f'data: {{"choices": [{SECRET}\n\n'}],
		502,
		"provider_error",
		False,
	),
	("reports an error in the stream", [*SAID, {"error": SECRET}], 502, "provider_unavailable", True),
	("filters its answer", [*SAID, {"finish": "content_filter"}], 502, "content_filtered", False),
	("hangs before its headers", [{"headers_after": "never"}], 504, "timeout", True),
	("hangs before its first chunk", [{"hang": True}], 504, "timeout", True),
	("stalls", [*SAID, {"hang": True}], 504, "timeout", True),
]


MARKER = unique("marker")
# What ends by a deadline.
LASTING = {
	"is given up": [{"for": "scripted", "headers_after": MARKER}, {"text": "from the next"}],
	"goes on and on": [{"repeat": 1000, "text": "word ", "every": 0.1}],
	**{name: steps for name, steps, _status, code, _retryable in FAULTS if code == "timeout"},
}


@pytest.fixture(scope="module")
def lasting(site: Site) -> Iterator[dict[str, ChatStream]]:
	"""Those chats, which wait side by side."""
	with site.client(site.first) as client:
		client.connect()
		yield {name: client.chat(script(*steps)) for name, steps in LASTING.items()}


@pytest.mark.parametrize(
	("name", "steps", "status", "code", "retryable"), [pytest.param(*case, id=case[0]) for case in FAULTS]
)
def test_a_provider_that_fails_is_said_in_one_sentence(
	client: Client,
	lasting: dict[str, ChatStream],
	name: str,
	steps: list[dict[str, Any]],
	status: int,
	code: str,
	retryable: bool,
) -> None:
	stream = lasting.get(name) or client.chat(script(*steps))
	events = [event for event in stream if event["type"] != "ai_status"]
	answer = stream.answer
	assert stream.error and answer
	assert stream.error.status == status
	assert (answer["success"], answer["status"], answer["finish_reason"]) == (False, "failed", "error")
	error = answer["error"]
	assert (error["code"], error["retryable"]) == (code, retryable)
	assert (
		any(provider in error["message"] for provider in ("scripted", "claude"))
		and error["message"].endswith(".")
		and "\n" not in error["message"]
	)
	begun = steps[:2] == SAID
	assert (answer["reasoning"], answer["response"]) == (("I thought", "and said") if begun else ("", ""))
	when = "after" if begun else "before"
	fault = f"a provider that fails {when} its first chunk, one chat for each kind of failure"
	LEDGER.settle(fault, "I thoughtand said" if begun else "", events, answer, end=code)
	assert events[-1]["error"] == error
	everything = str(events) + str(stream.error.body)
	assert SECRET not in everything and CANARY_KEY not in everything and "Traceback" not in everything
	stored = client.get("get_request", request_id=stream.request_id)
	assert stored == answer


def test_all_attempts_are_told(client: Client) -> None:
	stream = client.chat(script({"status": 503}))
	for _ in stream:
		pass
	assert stream.answer
	assert stream.answer["attempts"] == [
		{"provider": "scripted", "model": "scripted", "error": "provider_unavailable"},
		{"provider": "claude", "model": "claude-sonnet-4-5", "error": "provider_unavailable"},
	]


@pytest.mark.parametrize(("headers", "told"), [({"retry-after": "7"}, "7"), ({}, "1")])
def test_the_providers_retry_after_is_passed_on_and_one_without_gets_another(
	client: Client, headers: dict[str, str], told: str
) -> None:
	body = {"messages": [{"role": "user", "content": script({"status": 429, "headers": headers})}]}
	response = client.http.post("/api/method/ai_assistant.api.chat_completion", json=body)
	assert response.status_code == 429
	assert response.headers["Retry-After"] == told


def test_a_provider_that_hangs_is_given_up_and_hung_up_on(
	lasting: dict[str, ChatStream], provider: ScriptedProvider
) -> None:
	stream = lasting["is given up"]
	for _ in stream:
		pass
	assert stream.answer
	assert stream.answer["attempts"] == [{"provider": "scripted", "model": "scripted", "error": "timeout"}]
	assert stream.answer["response"] == "from the next"
	assert provider.wait_for(MARKER).hung_up.wait(10)


def test_an_answer_that_takes_too_long_in_all_is_ended_and_kept(lasting: dict[str, ChatStream]) -> None:
	stream = lasting["goes on and on"]
	events = [event for event in stream if event["type"] != "ai_status"]
	answer = stream.answer
	assert answer and stream.error and stream.error.status == 504
	assert answer["error"]["code"] == "timeout" and "10 seconds" in answer["error"]["message"]
	assert "background: true" in answer["error"]["message"]
	assert answer["response"].startswith("word word ")
	assert violations(events, answer) == []
