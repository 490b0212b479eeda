"""`background: true`: a worker answers, and the client may disconnect meanwhile."""

from typing import Any

import pytest

from ai_assistant.client import Client
from ai_assistant.client.conformance import violations
from tests.support import script, unique
from tests.support.provider import ScriptedProvider
from tests.support.site import Site


def ask(client: Client, prompt: str, **fields: Any) -> dict[str, Any]:
	"""Returns the answer of the POST itself, without waiting for the end."""
	messages = [{"role": "user", "content": prompt}]
	answer: dict[str, Any] = client.post("chat_completion", messages=messages, background=True, **fields)
	return answer


def end_of(client: Client, request_id: str) -> dict[str, Any]:
	"""The journal of a request, followed without a socket until it ends."""
	page: dict[str, Any] = {"status": "queued", "last_seq": 0}
	events = []
	while page["status"] in ("queued", "running"):
		page = client.get("get_events", request_id=request_id, after_seq=page["last_seq"], wait=20)
		events += page["events"]
	answer: dict[str, Any] = client.get("get_request", request_id=request_id)
	assert violations(events, answer) == []
	return answer


def test_it_is_answered_at_once_and_the_rest_comes_over_the_socket(
	client: Client, provider: ScriptedProvider
) -> None:
	gate = unique("gate")
	stream = client.chat(
		script({"reasoning": "Hm."}, {"gate": gate}, {"text": "Yes."}), background=True, task_id="a task"
	)
	events, statuses = [], []
	for event in stream:
		(statuses if event["type"] == "ai_status" else events).append(event)
		if event.get("text") == "Hm.":
			provider.open(gate)
	assert stream.answer and (stream.answer["status"], stream.answer["response"]) == ("completed", "Yes.")
	assert violations(events, stream.answer) == []
	queued = [status for status in statuses if status["phase"] == "queued"]
	assert queued and queued[0]["position"] >= 1 and queued[0]["task_id"] == "a task"


def test_what_is_queued_says_so(client: Client) -> None:
	request_id = unique("request")[:60]
	answer = ask(client, script({"text": "Yes."}), request_id=request_id, task_id="a task")
	assert (answer["success"], answer["status"]) == (True, "queued")
	assert (answer["request_id"], answer["task_id"]) == (request_id, "a task")
	assert (answer["response"], answer["reasoning"], answer["finish_reason"]) == ("", "", None)
	assert answer["position"] >= 1
	assert answer["realtime"] == {"events": 1, "failed": 0, "last_seq": 1}
	assert end_of(client, request_id)["response"] == "Yes."


@pytest.mark.parametrize(
	"steps",
	[
		pytest.param([{"status": 500}], id="before the first chunk"),
		pytest.param([{"text": "So"}, {"error": "x"}], id="after it"),
	],
)
def test_a_failure_is_read_back(client: Client, steps: list[dict[str, Any]]) -> None:
	code = "provider_unavailable"
	if "status" in steps[0]:
		steps = [{**steps[0], "for": "scripted"}, {"status": 500}]
	answer = end_of(client, ask(client, script(*steps))["request_id"])
	assert (answer["status"], answer["success"], answer["error"]["code"]) == ("failed", False, code)
	assert answer["response"] == "".join(step.get("text", "") for step in steps)


def test_a_bad_field_is_refused_before_anything_is_queued(site: Site, client: Client) -> None:
	request_id = unique("request")[:60]
	response = client.http.post(
		site.method("chat_completion"), json={"messages": [], "background": True, "request_id": request_id}
	)
	assert response.status_code == 417
	assert client.http.get(site.method("get_request"), params={"request_id": request_id}).status_code == 404


def test_the_same_again_is_a_conflict_until_it_ends_and_then_the_stored_answer(
	site: Site, client: Client, provider: ScriptedProvider
) -> None:
	gate, request_id = unique("gate"), unique("request")[:60]
	prompt = script({"gate": gate}, {"text": "Yes."})
	ask(client, prompt, request_id=request_id)
	body = {"messages": [{"role": "user", "content": prompt}], "request_id": request_id, "background": True}
	assert client.http.post(site.method("chat_completion"), json=body).status_code == 409
	provider.open(gate)
	answer = end_of(client, request_id)
	assert client.post("chat_completion", **body) == answer
	assert provider.count(gate) == 1


@pytest.mark.parametrize("by", ["request_id", "task_id"])
def test_one_that_runs_is_cancelled(client: Client, provider: ScriptedProvider, by: str) -> None:
	marker, task = unique("marker"), unique("task")
	request_id = ask(client, script({"text": "So"}, {"hang": True}, {"note": marker}), task_id=task)[
		"request_id"
	]
	request = provider.wait_for(marker)
	ids = {"request_id": request_id, "task_id": task}
	assert client.post("cancel", **{by: ids[by]}) == {"cancelled": [request_id]}
	assert request.hung_up.wait(10)
	answer = end_of(client, request_id)
	assert (answer["status"], answer["finish_reason"]) == ("cancelled", "cancelled")


def test_others_can_neither_read_nor_cancel_it(site: Site, client: Client, second: Client) -> None:
	request_id = ask(client, script({"hang": True}))["request_id"]
	for method in ("get_request", "get_events"):
		assert second.http.get(site.method(method), params={"request_id": request_id}).status_code == 404
	assert second.http.post(site.method("cancel"), json={"request_id": request_id}).status_code == 404
	client.post("cancel", request_id=request_id)
	assert end_of(client, request_id)["status"] == "cancelled"


def test_those_who_wait_are_told_where_they_stand_and_can_be_cancelled(
	client: Client, provider: ScriptedProvider
) -> None:
	task, last = unique("task"), unique("last")
	# More than either site answers at a time.
	ids = [ask(client, script({"hang": True}), task_id=task)["request_id"] for _ in range(17)]
	try:
		stream = client.chat(script({"note": last}), background=True, task_id=task)
		statuses = (event for event in stream if event["type"] == "ai_status" and event["phase"] == "queued")
		position = next(statuses)["position"]
		assert position >= 2
		assert client.get("get_request", request_id=stream.request_id)["position"] == position
		page = client.get("get_events", task_id=task)
		assert (page["request_id"], page["status"]) == (stream.request_id, "queued")
		assert client.post("cancel", request_id=ids[-1]) == {"cancelled": [ids[-1]]}
		while next(statuses)["position"] != position - 1:
			pass
	finally:
		cancelled = client.post("cancel", task_id=task)["cancelled"]
	assert stream.request_id in cancelled and len(cancelled) == 17
	for request_id in cancelled:
		answer = end_of(client, request_id)
		assert (answer["status"], answer["finish_reason"]) == ("cancelled", "cancelled")
	assert stream.wait()["status"] == "cancelled"
	assert provider.count(last) == 0
