"""Agent mode: the model calls the client's tools, the client answers, and the thinking goes on."""

import base64
import json
from base64 import urlsafe_b64decode, urlsafe_b64encode
from typing import Any

import pytest

from ai_assistant.client import ApiError, Client, assistant_message
from ai_assistant.client.conformance import violations
from tests.support import script, unique
from tests.support.provider import ScriptedProvider
from tests.support.site import Site

CLOCK: dict[str, Any] = {
	"type": "function",
	"function": {
		"name": "clock",
		"description": "Says what time it is.",
		"parameters": {
			"type": "object",
			"properties": {"zone": {"type": "string"}},
			"required": ["zone"],
		},
	},
}
WEATHER: dict[str, Any] = {"type": "function", "function": {"name": "weather"}}
TOOLS = [CLOCK, WEATHER]
PNG = "data:image/png;base64," + base64.b64encode(b"\x89PNG\r\n\x1a\n" + b"x" * 1000).decode()


def call(arguments: str, n: int = 0, id: str = "call_1", name: str = "clock") -> dict[str, Any]:
	"""A step of a script: the first piece of the nth call."""
	return {"call": n, "id": id, "name": name, "arguments": arguments}


def called(arguments: str, id: str = "call_1", name: str = "clock") -> dict[str, Any]:
	return {"id": id, "type": "function", "function": {"name": name, "arguments": arguments}}


def numbered(stream: Any) -> list[dict[str, Any]]:
	return [event for event in stream if event["type"] != "ai_status"]


@pytest.mark.parametrize("provider_name", ["scripted", "claude"])
@pytest.mark.parametrize("background", [False, True])
def test_an_agent_thinks_calls_is_answered_and_thinks_on(
	client: Client, provider: ScriptedProvider, provider_name: str, background: bool
) -> None:
	marker, task = unique("marker"), unique("task")
	turns = [
		{"turn": [{"reasoning": "What time?"}, {"text": "Let me look."}, call('{"zone": "UTC"}')]},
		{"turn": [{"reasoning": "And "}, {"reasoning": "there?"}, call('{"zone": "CET"}', id="call_2")]},
		{"turn": [{"reasoning": "Noon, then."}, {"text": f"It is noon. {marker}"}]},
	]
	messages: list[dict[str, Any]] = [{"role": "user", "content": script(*turns)}]
	fields = {"tools": TOOLS, "task_id": task, "provider": provider_name, "background": background}
	texts = []
	while True:
		stream = client.chat(messages, mode="agent", **fields)
		events = numbered(stream)
		answer = stream.answer
		assert answer and violations(events, answer) == []
		assert client.get("get_request", request_id=stream.request_id) == answer
		texts.append((answer["reasoning"], answer["response"], answer["finish_reason"]))
		if not answer["tool_calls"]:
			break
		messages.append(assistant_message(answer))
		for tool_call in answer["tool_calls"]:
			zone = json.loads(tool_call["function"]["arguments"])["zone"]
			messages.append({"role": "tool", "tool_call_id": tool_call["id"], "content": f"noon in {zone}"})
	assert texts == [
		("What time?", "Let me look.", "tool_calls"),
		("And there?", "", "tool_calls"),
		("Noon, then.", f"It is noon. {marker}", "stop"),
	]
	assert [message["role"] for message in messages] == ["user", *["assistant", "tool"] * 2]
	sent = json.dumps(provider.wait_for("noon in CET").body)
	for words in ("call_1", "call_2", "noon in UTC", "Says what time it is."):
		assert words in sent


def test_a_call_is_told_whole_while_the_provider_still_writes(
	client: Client, provider: ScriptedProvider
) -> None:
	gates = [unique("gate"), unique("gate")]
	steps = [
		*({"reasoning": "Hm."}, {"text": "Let me"}, {"text": " look"}, call('{"zo')),
		*(
			{"gate": gates[0]},
			{"call": 0, "arguments": 'ne": "UTC"}'},
			{"gate": gates[1]},
			{"text": " there."},
		),
	]
	stream = client.chat(script(*steps), tools=TOOLS)
	events = []
	for event in stream:
		if event["type"] == "ai_status":
			continue
		events.append(event)
		if event["text"] == " look":
			provider.open(gates[0])
		if event["type"] == "tool_call":
			running = client.get("get_request", request_id=stream.request_id)
			assert (running["status"], running["tool_calls"]) == ("running", [called('{"zone": "UTC"}')])
			provider.open(gates[1])
	answer = stream.answer
	assert answer and violations(events, answer) == []
	assert [event["type"] for event in events][-3:] == ["tool_call", "text", "completion"]
	told = {name: events[-3][name] for name in ("id", "name", "arguments", "text", "partial")}
	assert told == {
		"id": "call_1",
		"name": "clock",
		"arguments": '{"zone": "UTC"}',
		"text": "",
		"partial": True,
	}
	assert "arguments_error" not in events[-3]
	assert answer["tool_calls"] == events[-1]["tool_calls"] == [called('{"zone": "UTC"}')]
	assert client.get("get_events", request_id=stream.request_id)["events"] == events


def test_a_call_is_streamed_as_the_provider_writes_it(client: Client, provider: ScriptedProvider) -> None:
	gates = [unique("gate"), unique("gate")]
	steps = [
		*({"text": "I look."}, call('{"zo'), {"gate": gates[0]}, {"call": 0, "arguments": 'ne": "U'}),
		*({"gate": gates[1]}, {"call": 0, "arguments": 'TC"}'}),
	]
	stream = client.chat(script(*steps), tools=TOOLS, stream_tool_calls=True)
	events, phases = [], []
	for event in stream:
		if event["type"] == "ai_status":
			phases.append((event["phase"], event.get("name")))
			continue
		events.append(event)
		if event["type"] == "tool_call_delta":
			provider.open(gates[0] if event["text"] == '{"zo' else gates[1])
	answer = stream.answer
	assert answer and violations(events, answer) == []
	parts = [(event["type"], event.get("name"), event["text"]) for event in events if "tool" in event["type"]]
	assert parts[:3] == [
		("tool_call_start", "clock", ""),
		("tool_call_delta", None, '{"zo'),
		("tool_call_delta", None, 'ne": "U'),
	]
	assert parts[-1] == ("tool_call", "clock", "")
	assert ("calling", "clock") in phases
	assert answer["tool_calls"] == [called('{"zone": "UTC"}')]
	assert client.get("get_events", request_id=stream.request_id)["events"] == events


def test_several_calls_in_pieces_are_told_each_once(client: Client) -> None:
	steps = [
		*(call("", 0, "call_1"), call("", 1, "call_2", "weather"), {"call": 0, "arguments": '{"zone":'}),
		*(
			{"call": 1, "arguments": '{"city": "'},
			{"call": 0, "arguments": ' "UTC"}'},
			{"call": 1, "arguments": '💡"}'},
		),
	]
	stream = client.chat(script(*steps), tools=TOOLS)
	events = numbered(stream)
	assert stream.answer and violations(events, stream.answer) == []
	assert stream.answer["tool_calls"] == [
		called('{"zone": "UTC"}'),
		called('{"city": "💡"}', "call_2", "weather"),
	]
	assert stream.answer["finish_reason"] == "tool_calls"


def test_arguments_that_are_no_json_are_given_as_they_came(client: Client) -> None:
	stream = client.chat(script(call('{"zone": ')), tools=TOOLS)
	events = numbered(stream)
	answer = stream.answer
	assert answer and violations(events, answer) == []
	(value,) = answer["tool_calls"]
	error = value.pop("arguments_error")
	assert value == called('{"zone": ') and error.endswith(".") and "zone" not in error
	assert next(event for event in events if event["type"] == "tool_call")["arguments_error"] == error


@pytest.mark.parametrize("ended", ["failed", "cancelled"])
def test_a_call_that_had_come_is_kept_however_the_chat_ends(
	client: Client, provider: ScriptedProvider, ended: str
) -> None:
	last = {"error": "x"} if ended == "failed" else {"hang": True}
	stream = client.chat(script({"text": "So"}, call('{"zone": "UTC"}'), last), tools=TOOLS)
	events = []
	for event in stream:
		if event["type"] == "ai_status":
			continue
		events.append(event)
		if event["type"] == "tool_call" and ended == "cancelled":
			client.post("cancel", request_id=stream.request_id)
	answer = stream.answer
	assert answer and (answer["status"], answer["response"]) == (ended, "So")
	assert answer["tool_calls"] == [called('{"zone": "UTC"}')]
	assert violations(events, answer) == []
	assert client.get("get_request", request_id=stream.request_id) == answer


def test_a_wrong_or_foreign_continuation_is_ignored_or_refused_and_never_a_500(client: Client) -> None:
	thoughts = [{"reasoning": "Hm."}, {"sealed": "c2VhbGVk"}, call('{"zone": "UTC"}')]
	fields = {"mode": "agent", "provider": "claude", "tools": TOOLS, "reasoning_effort": "low"}

	def turn(then: dict[str, Any], continuation: Any = None, **other: Any) -> dict[str, Any]:
		messages = [
			{"role": "user", "content": script({"turn": thoughts}, {"turn": [then, {"text": "Done."}]})}
		]
		if continuation is not None:
			payload = {"role": "assistant", "content": None, "tool_calls": [called('{"zone": "UTC"}')]}
			messages.append(payload | {"continuation": continuation})
			messages.append({"role": "tool", "tool_call_id": "call_1", "content": "noon"})
		return client.chat(messages, **fields | other).wait()

	value = turn({})["continuation"]
	assert value
	# Its own is what the provider wants; one with another signature it refuses, and the next is asked.
	wants = {"wants": thoughts}
	assert turn(wants, value)["response"] == "Done."
	forged = urlsafe_b64encode(urlsafe_b64decode(value).replace(b"c2VhbGVk", b"c2VhbGVX")).decode()
	refused = turn(wants, forged)
	assert [(attempt["provider"], attempt["error"]) for attempt in refused["attempts"]] == [
		("claude", "provider_error")
	]
	assert (refused["status"], refused["response"]) == ("completed", "Done.")
	# A continuation of another provider, a cut one or an invalid one is not sent to the provider.
	for continuation, api in ((value, "scripted"), (value[:-8], "claude"), ("AAAA", "claude")):
		assert turn({}, continuation, provider=api)["response"] == "Done."
	for nothing in ("", "ä", 5, ["x"], {"v": 1}):
		with pytest.raises(ApiError, match=r"messages\[1\]\.continuation") as raised:
			turn({}, nothing)
		assert raised.value.status == 417


def test_the_same_request_again_gives_the_same_calls_and_asks_nobody(
	client: Client, provider: ScriptedProvider
) -> None:
	marker, request_id = unique("marker"), unique("request")[:60]
	prompt = script({"reasoning": "Hm."}, call('{"zone": "UTC"}'), {"note": marker})
	first = client.chat(prompt, request_id=request_id, tools=TOOLS).wait()
	assert first["tool_calls"] == [called('{"zone": "UTC"}')]
	assert client.chat(prompt, request_id=request_id, tools=TOOLS).wait() == first
	for other in ({"tools": [CLOCK]}, {"tools": TOOLS, "tool_choice": "auto"}, {}):
		stream = client.chat(prompt, request_id=request_id, **other)
		for _ in stream:
			pass
		assert isinstance(stream.error, ApiError) and stream.error.status == 409
	assert provider.count(marker) == 1


def test_who_sends_no_tools_sees_nothing_new(client: Client) -> None:
	stream = client.chat(script({"reasoning": "Hm."}, {"text": "Yes."}))
	events = numbered(stream)
	told = [stream.answer, client.get("get_request", request_id=stream.request_id), *events]
	for event in told:
		assert event and not {"tool_calls", "continuation", "arguments"} & set(event)
	# One who does and is called nothing knows that too.
	answer = client.chat("hello", tools=TOOLS).wait()
	assert (answer["tool_calls"], answer["finish_reason"]) == ([], "stop")


def test_tools_and_the_choice_among_them_reach_the_provider(
	client: Client, provider: ScriptedProvider
) -> None:
	marker = unique("marker")
	choice = {"type": "function", "function": {"name": "clock"}}
	client.chat(script({"text": marker}), tools=TOOLS, tool_choice=choice).wait()
	body = provider.wait_for(marker).body
	assert body["tool_choice"] == choice
	assert [tool["function"]["name"] for tool in body["tools"]] == ["clock", "weather"]
	assert body["tools"][0] == CLOCK


def test_a_form_encoded_client_may_send_tools_as_json(
	site: Site, client: Client, provider: ScriptedProvider
) -> None:
	marker = unique("marker")
	messages = [{"role": "user", "content": script(call('{"zone": "UTC"}'), {"note": marker})}]
	form = {
		"messages": messages,
		"tools": TOOLS,
		"tool_choice": {"type": "function", "function": {"name": "clock"}},
	}
	response = client.http.post(
		site.method("chat_completion"), data={name: json.dumps(value) for name, value in form.items()}
	)
	assert response.status_code == 200
	assert response.json()["message"]["tool_calls"] == [called('{"zone": "UTC"}')]
	assert provider.wait_for(marker).body["tool_choice"]["function"] == {"name": "clock"}


@pytest.mark.parametrize("background", [False, True])
def test_images_reach_the_provider_as_they_were_sent(
	client: Client, provider: ScriptedProvider, background: bool
) -> None:
	marker = unique("marker")
	# There is no server: the site passes the address on and does not open it.
	link = "https://images.invalid/a.png"
	parts = [
		{"type": "image_url", "image_url": {"url": PNG, "detail": "low"}},
		{"type": "image_url", "image_url": {"url": link}},
		{"type": "text", "text": script({"text": marker})},
	]
	answer = client.chat([{"role": "user", "content": parts}], background=background).wait()
	assert answer["response"] == marker
	assert provider.wait_for(marker).body["messages"][-1]["content"] == parts


def test_an_image_of_megabytes_waits_in_the_queue_too(client: Client, provider: ScriptedProvider) -> None:
	marker = unique("marker")
	large = "data:image/webp;base64," + base64.b64encode(b"RIFF____WEBP".ljust(5_000_000, b"x")).decode()
	parts = [
		{"type": "image_url", "image_url": {"url": large}},
		{"type": "text", "text": script({"text": marker})},
	]
	assert client.chat([{"role": "user", "content": parts}], background=True).wait()["response"] == marker
	(image, _text) = provider.wait_for(marker).body["messages"][-1]["content"]
	assert image["image_url"]["url"] == large
