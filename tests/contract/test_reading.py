"""Reading back and cancelling: get_request, get_events, cancel, list_models."""

import pytest

from ai_assistant.client import ApiError, Client
from tests.support import script, unique
from tests.support.provider import ScriptedProvider


def test_a_finished_request_reads_as_it_was_answered(client: Client) -> None:
	answer = client.chat(script({"reasoning": "Hm."}, {"text": "Yes."})).wait()
	assert client.get("get_request", request_id=answer["request_id"]) == answer


def test_a_running_request_reads_with_what_has_arrived(client: Client, provider: ScriptedProvider) -> None:
	gate = unique("gate")
	stream = client.chat(script({"reasoning": "Hm."}, {"gate": gate}, {"text": "Yes."}))
	events = iter(stream)
	assert [next(events)["text"], next(events)["text"]] == ["", "Hm."]
	running = client.get("get_request", request_id=stream.request_id)
	assert (running["status"], running["success"]) == ("running", True)
	assert (running["reasoning"], running["response"], running["finish_reason"]) == ("Hm.", "", None)
	# One who sent no tools hears nothing of them.
	assert "tool_calls" not in running
	provider.open(gate)
	for _ in events:
		pass
	assert client.get("get_request", request_id=stream.request_id)["status"] == "completed"


def test_the_journal_has_every_event_as_it_was_sent(client: Client) -> None:
	stream = client.chat(script({"reasoning": "Hm."}, {"text": "Yes 💡."}))
	events = [event for event in stream if event["type"] != "ai_status"]
	journal = client.get("get_events", request_id=stream.request_id)
	assert journal["events"] == events
	assert (journal["status"], journal["last_seq"]) == ("completed", len(events))
	assert journal["request_id"] == stream.request_id
	rest = client.get("get_events", request_id=stream.request_id, after_seq=2)
	assert rest["events"] == events[2:]
	assert rest["last_seq"] == len(events)
	assert client.get("get_events", request_id=stream.request_id, after_seq=99)["events"] == []


def test_a_task_reads_as_its_newest_request(client: Client) -> None:
	task = unique("task ü")
	client.chat("first", task_id=task).wait()
	newest = client.chat("second", task_id=task).wait()
	assert client.get("get_events", task_id=task)["request_id"] == newest["request_id"]


def test_a_task_id_is_compared_to_the_letter(client: Client) -> None:
	task = unique("Task")
	client.chat("hello", task_id=task).wait()
	for other in (task.lower(), task + " "):
		with pytest.raises(ApiError) as refused:
			client.get("get_events", task_id=other)
		assert refused.value.status == 404


@pytest.mark.parametrize(
	"before",
	[
		pytest.param([{"headers_after": "never"}], id="before the headers"),
		pytest.param([{"hang": True}], id="before the first chunk"),
		pytest.param([{"reasoning": "Hm."}, {"hang": True}], id="while it thinks"),
		pytest.param([{"text": "Ye"}, {"hang": True}], id="while it answers"),
		pytest.param([{"repeat": 10_000, "text": "word ", "every": 0.01}], id="while it writes"),
	],
)
def test_a_cancel_ends_the_request_and_hangs_up(
	client: Client, provider: ScriptedProvider, before: list[dict[str, object]]
) -> None:
	marker = unique("marker")
	stream = client.chat(script(*before, {"note": marker}))
	events = [next(iter(stream))]
	request = provider.wait_for(marker)
	assert client.post("cancel", request_id=stream.request_id) == {"cancelled": [stream.request_id]}
	assert request.hung_up.wait(10)
	events += [event for event in stream if event["type"] != "ai_status"]
	answer = stream.answer
	assert answer and stream.error is None
	assert (answer["success"], answer["status"], answer["finish_reason"]) == (True, "cancelled", "cancelled")
	assert events[-1]["type"] == "completion" and events[-1]["status"] == "cancelled"
	assert "".join(e["text"] for e in events if e["type"] == "text") == answer["response"]
	assert client.post("cancel", request_id=stream.request_id) == {"cancelled": []}
	assert client.get("get_request", request_id=stream.request_id) == answer


def test_a_cancel_by_task_ends_all_its_running_requests(client: Client, provider: ScriptedProvider) -> None:
	task, markers = unique("task"), [unique("marker"), unique("marker")]
	ended = client.chat("hello", task_id=task).wait()
	streams = [client.chat(script({"hang": True}, {"note": marker}), task_id=task) for marker in markers]
	for marker in markers:
		provider.wait_for(marker)
	cancelled = client.post("cancel", task_id=task)["cancelled"]
	assert sorted(cancelled) == sorted(stream.request_id for stream in streams)
	assert [stream.wait()["status"] for stream in streams] == ["cancelled", "cancelled"]
	assert client.get("get_request", request_id=ended["request_id"])["status"] == "completed"
	assert client.post("cancel", task_id=task) == {"cancelled": []}


def test_the_models_are_those_one_may_use(client: Client) -> None:
	listed = client.get("list_models")
	assert set(listed["modes"]) >= {"chat", "agent"}
	named = [
		{key: provider[key] for key in ("name", "models", "default_model")}
		for provider in listed["providers"]
	]
	assert named == [
		{"name": "scripted", "models": ["scripted", "scripted-2"], "default_model": "scripted"},
		{
			"name": "claude",
			"models": ["claude-sonnet-4-5", "claude-sonnet-4-5-2"],
			"default_model": "claude-sonnet-4-5",
		},
	]
	assert [set(provider["details"]) for provider in listed["providers"]] == [
		set(provider["models"]) for provider in named
	]
	assert listed["default"] == {"provider": "scripted", "model": "scripted", "mode": "chat"}
