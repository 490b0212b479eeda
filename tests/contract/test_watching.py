"""`watch` returns each event of the user's own requests once, as it is stored, and no other events."""

import json
from typing import Any

import pytest

from ai_assistant.client import Client
from tests.support import is_strict_json, script, unique
from tests.support.provider import ScriptedProvider


def of(watched: dict[str, Any], request_id: str) -> list[dict[str, Any]]:
	return [event for event in watched["events"] if event["request_id"] == request_id]


def test_each_event_comes_once_as_it_is_stored(client: Client, provider: ScriptedProvider) -> None:
	begun = client.post("watch")
	gate = unique("gate")
	stream = client.chat(script({"reasoning": "Hm."}, {"gate": gate}, {"text": "Yes."}))
	events = iter(stream)
	assert [next(events)["seq"], next(events)["seq"]] == [1, 2]
	page = client.post("watch", cursor=begun["cursor"])
	first = of(page, stream.request_id)
	assert [event["seq"] for event in first] == [1, 2]
	provider.open(gate)
	answer = stream.wait()
	page = client.post("watch", cursor=page["cursor"])
	rest = of(page, stream.request_id)
	journal = client.get("get_events", request_id=stream.request_id)["events"]
	user = first[0]["user"]
	assert [*first, *rest] == [{**event, "user": user} for event in journal]
	assert rest[-1]["status"] == answer["status"] == "completed"
	assert of(client.post("watch", cursor=page["cursor"]), stream.request_id) == []


def test_one_that_runs_already_is_shown_from_its_beginning(
	client: Client, provider: ScriptedProvider
) -> None:
	gate = unique("gate")
	stream = client.chat(script({"gate": gate}))
	provider.wait_for(gate)
	assert [event["seq"] for event in of(client.post("watch"), stream.request_id)] == [1]
	provider.open(gate)
	stream.wait()


def test_nobody_watches_another_user(client: Client, second: Client, provider: ScriptedProvider) -> None:
	begun, gate = second.post("watch"), unique("gate")
	stream = client.chat(script({"text": "private"}, {"gate": gate}))
	provider.wait_for(gate)
	mine = client.post("watch")
	# Not even by naming the rows.
	cursor = {"since": 0, "seen": dict.fromkeys(mine["cursor"]["seen"], 0)}
	for cursor_sent in (None, begun["cursor"], cursor):
		assert of(second.post("watch", cursor=cursor_sent), stream.request_id) == []
	assert of(mine, stream.request_id)
	provider.open(gate)
	stream.wait()


@pytest.mark.parametrize(
	"cursor",
	[
		"now",
		1,
		[],
		{},
		{"since": "x", "seen": {}},
		{"since": 1, "seen": {"a": "b"}},
		{"since": 1, "seen": []},
		{"since": float("nan"), "seen": {}},
		{"since": float("inf"), "seen": {}},
		{"since": 10**400, "seen": {}},
		{"since": -1, "seen": {}},
		{"since": 1, "seen": {"a": 10**40}},
		{"since": 1, "seen": {"a": -1}},
		{"since": 1, "seen": {"\ud800": 1}},
	],
)
def test_a_cursor_that_is_none_is_refused(client: Client, frappe_reads_strictly: bool, cursor: Any) -> None:
	# As Python writes and reads JSON, with numbers that others do not know.
	refused = client.http.post(
		"/api/method/ai_assistant.api.watch",
		content=json.dumps({"cursor": cursor}),
		headers={"content-type": "application/json"},
	)
	if frappe_reads_strictly and not is_strict_json(cursor):
		assert (refused.status_code, refused.json()["exc_type"]) == (417, "DataError")
		return
	error = refused.json()["message"]["error"]
	assert (refused.status_code, error["code"]) == (417, "invalid_request")
	assert "cursor" in error["message"]
