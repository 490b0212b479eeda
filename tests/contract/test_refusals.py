"""Tests refused requests: one sentence with the field, no row, no event, and no question to a provider."""

import json
from typing import Any

import httpx
import pytest

from ai_assistant.client import ApiError, Client
from tests.support import is_strict_json, unique
from tests.support.provider import ScriptedProvider
from tests.support.site import CANARY_KEY, Site

HELLO = [{"role": "user", "content": "hello"}]


def nested(depth: int) -> list[Any]:
	"""A list in a list in a list."""
	return [nested(depth - 1)] if depth else []


def tool(name: str, parameters: dict[str, Any] | None = None) -> dict[str, Any]:
	return {"type": "function", "function": {"name": name, "parameters": parameters}}


def image(url: str) -> list[dict[str, Any]]:
	return [{"role": "user", "content": [{"type": "image_url", "image_url": {"url": url}}]}]


CALLS = [{"id": "call_1", "type": "function", "function": {"name": "clock", "arguments": "{}"}}]
BAD_FIELDS: list[tuple[str, dict[str, Any], list[str]]] = [
	("no messages", {"messages": None}, ["messages", "{role, content}"]),
	("empty messages", {"messages": []}, ["messages", "at least one"]),
	("messages as an object", {"messages": {"role": "user"}}, ["messages"]),
	("messages as a number", {"messages": 3}, ["messages"]),
	("messages as broken JSON", {"messages": '[{"role": "user"'}, ["messages", "JSON"]),
	("messages as deeply nested JSON", {"messages": "[" * 100_000}, ["messages"]),
	("messages as JSON of another kind", {"messages": '"hello"'}, ["messages"]),
	("a message that is no object", {"messages": ["hello"]}, ["messages[0]"]),
	(
		"an unknown role",
		{"messages": [{"role": "robot", "content": "x"}]},
		["messages[0].role", "system, user"],
	),
	("a role of another type", {"messages": [{"role": ["user"], "content": "x"}]}, ["messages[0].role"]),
	(
		"a tool message that answers nothing",
		{"messages": [*HELLO, {"role": "tool", "content": "x", "tool_call_id": "call_1"}]},
		["messages[1].tool_call_id"],
	),
	(
		"a tool call that nobody answers",
		{"messages": [{"role": "assistant", "content": None, "tool_calls": CALLS}, *HELLO]},
		["messages[0].tool_calls[0]", "tool message"],
	),
	(
		"a continuation that is none",
		{"messages": [{"role": "assistant", "content": "x", "continuation": {"a": 1}}, *HELLO]},
		["messages[0].continuation"],
	),
	(
		"an image that is no base64",
		{"messages": image("data:image/png;base64,?")},
		["messages[0].content[0].image_url.url", "base64"],
	),
	("an image of a script", {"messages": image("data:image/svg+xml;base64,eA==")}, ["image_url.url", "PNG"]),
	("an image by http", {"messages": image("http://127.0.0.1/a.png")}, ["image_url.url", "https"]),
	("too many images", {"messages": image("https://example.com/a.png") * 21}, ["messages", "10"]),
	("no content", {"messages": [{"role": "user"}]}, ["messages[0].content"]),
	("content of another type", {"messages": [{"role": "user", "content": 5}]}, ["messages[0].content"]),
	("no content parts", {"messages": [{"role": "user", "content": []}]}, ["messages[0].content"]),
	(
		"an unknown content part",
		{"messages": [{"role": "user", "content": [{"type": "video", "text": "x"}]}]},
		["messages[0].content[0]", "text"],
	),
	("too many messages", {"messages": HELLO * 11}, ["messages", "10"]),
	(
		"too many content parts",
		{"messages": [{"role": "user", "content": [{"type": "text", "text": ""}] * 10_001}]},
		["messages", "10000 content parts", "10001"],
	),
	("more content parts than are looked into", {"messages": [{"content": [None] * 10_001}]}, ["10001"]),
	("more characters than are looked into", {"messages": [{"content": "x" * 20_001}]}, ["20001"]),
	(
		"more JSON than is read",
		{"messages": "[" + " " * 21_000_000},
		["messages", "at most 20244000 characters of JSON", "21000001"],
	),
	(
		"a message that is deeply nested",
		{"messages": [{"role": "user", "content": nested(400)}]},
		["messages[0].content[0]"],
	),
	("a role that is deeply nested", {"messages": [{"role": nested(400), "content": "x"}]}, ["role"]),
	("tools that are deeply nested", {"tools": nested(400)}, ["tools"]),
	*(
		(f"a {name} of a million characters", {name: "1" * 1_000_000}, [name])
		for name in (
			*("mode", "task_id", "request_id", "provider", "model", "temperature", "max_tokens"),
			*("reasoning_effort", "background"),
		)
	),
	("a model that is no text", {"model": "\ud800"}, ["model"]),
	("too many characters", {"messages": [{"role": "user", "content": "x" * 20_001}]}, ["messages", "20000"]),
	("an unknown mode", {"mode": "poet"}, ["mode", "chat, agent"]),
	("a mode of another type", {"mode": {"name": "chat"}}, ["mode"]),
	("an unknown provider", {"provider": "nobody"}, ["provider", "scripted", "claude"]),
	("an unknown model", {"model": "gpt-0"}, ["model", "scripted-2"]),
	(
		"a model of another provider",
		{"provider": "claude", "model": "scripted"},
		["model", "claude-sonnet-4-5"],
	),
	("a temperature too high", {"temperature": 2.1}, ["temperature", "0 to 2"]),
	("a temperature too low", {"temperature": "-0.1"}, ["temperature"]),
	("a temperature that is no number", {"temperature": "warm"}, ["temperature"]),
	("a temperature that is NaN", {"temperature": "nan"}, ["temperature"]),
	("a temperature that is true", {"temperature": True}, ["temperature"]),
	("max_tokens of zero", {"max_tokens": 0}, ["max_tokens", "1 to 1000"]),
	("max_tokens over the site's limit", {"max_tokens": 1001}, ["max_tokens", "1000"]),
	("max_tokens in parts", {"max_tokens": 1.5}, ["max_tokens", "whole"]),
	("max_tokens beyond counting", {"max_tokens": "1e999"}, ["max_tokens"]),
	("max_tokens as a list", {"max_tokens": [1]}, ["max_tokens"]),
	(
		"an unknown effort",
		{"reasoning_effort": "extreme"},
		["reasoning_effort", "none, minimal, low, medium, high, xhigh, max"],
	),
	("a background that is neither", {"background": "maybe"}, ["background", "true or false"]),
	("a request_id too short", {"request_id": "short"}, ["request_id", "8 to 64"]),
	("a request_id too long", {"request_id": "x" * 65}, ["request_id"]),
	("a request_id with other characters", {"request_id": "12345678\n"}, ["request_id"]),
	("a request_id of another type", {"request_id": 12345678}, ["request_id"]),
	("a task_id too long", {"task_id": "x" * 141}, ["task_id", "140"]),
	("a task_id with a line break", {"task_id": "a\nb"}, ["task_id", "control"]),
	("a task_id with a line separator", {"task_id": "a\u2028b"}, ["task_id", "control"]),
	("a task_id with a lone surrogate", {"task_id": "a\ud800"}, ["task_id"]),
	("a task_id of another type", {"task_id": {"a": 1}}, ["task_id"]),
	("tools of no function", {"tools": [{"type": "function"}]}, ["tools[0].function", "name"]),
	("tools as an object", {"tools": {"type": "function"}}, ["tools", "list"]),
	("no tools in the list", {"tools": []}, ["tools", "at least one"]),
	("too many tools", {"tools": [tool(f"t{n}") for n in range(129)]}, ["tools", "128"]),
	("two tools of a name", {"tools": [tool("a"), tool("a")]}, ["tools[1].function.name"]),
	("a tool with a dot in its name", {"tools": [tool("a.b")]}, ["tools[0].function.name", "1 to 128"]),
	(
		"a tool with a schema that is none",
		{"tools": [tool("a", {"type": "object", "properties": {"b": {"type": "wrong"}}})]},
		["tools[0].function.parameters", "properties/b/type"],
	),
	(
		"a tool with a remote reference",
		{"tools": [tool("a", {"type": "object", "allOf": [{"$ref": "https://example.com/"}]})]},
		["tools[0].function.parameters", "within itself"],
	),
	("a tool of too many values", {"tools": [tool("a", {"enum": [0] * 5001})]}, ["tools", "5000 values"]),
	("a tool_choice without tools", {"tool_choice": "auto"}, ["tool_choice", "tools"]),
	(
		"a tool_choice of another tool",
		{"tools": [tool("a")], "tool_choice": {"type": "function", "function": {"name": "b"}}},
		["tool_choice", "none, auto, required"],
	),
]


@pytest.mark.parametrize(("fields", "named"), [pytest.param(f, n, id=i) for i, f, n in BAD_FIELDS])
def test_a_bad_field_is_refused_by_name(
	client: Client,
	site: Site,
	provider: ScriptedProvider,
	frappe_reads_strictly: bool,
	fields: dict[str, Any],
	named: list[str],
) -> None:
	request_id = unique("request")[:60]
	before = len(provider.requests)
	body = {"messages": HELLO, "request_id": request_id, **fields}
	response = client.http.post(
		site.method("chat_completion"), content=json.dumps(body), headers={"Content-Type": "application/json"}
	)
	assert response.status_code == 417
	if frappe_reads_strictly and not is_strict_json(body):
		assert response.json()["exc_type"] == "DataError"
	else:
		message = response.json()["message"]
		assert message["success"] is False
		error = message["error"]
		assert (error["code"], error["retryable"]) == ("invalid_request", False)
		for name in named:
			assert name in error["message"]
		_is_one_plain_sentence(response.text, error["message"])
	with pytest.raises(ApiError) as refused:
		client.get("get_request", request_id=request_id)
	assert refused.value.status == 404
	assert len(provider.requests) == before


def _is_one_plain_sentence(body: str, sentence: str) -> None:
	assert sentence.endswith(".") and "\n" not in sentence
	assert "Traceback" not in body and CANARY_KEY not in body


@pytest.mark.parametrize(
	("method", "params", "named"),
	[
		("get_request", {}, "request_id"),
		("get_request", {"request_id": "short"}, "request_id"),
		("get_events", {}, "task_id"),
		("get_events", {"task_id": "a\nb"}, "task_id"),
		("get_events", {"request_id": "no-such-request", "after_seq": "x"}, None),
	],
)
def test_reading_names_a_bad_field_too(
	client: Client, method: str, params: dict[str, str], named: str | None
) -> None:
	with pytest.raises(ApiError) as refused:
		client.get(method, **params)
	if named is None:
		# What does not exist is said first: a stranger learns nothing about it.
		assert refused.value.status == 404
		return
	assert refused.value.status == 417
	assert named in refused.value.answer["error"]["message"]


@pytest.mark.parametrize("request_id", [[], False, 0, {}])
def test_a_cancel_takes_no_other_thing_for_no_request_id(client: Client, request_id: Any) -> None:
	with pytest.raises(ApiError) as refused:
		client.post("cancel", request_id=request_id, task_id="a task")
	assert refused.value.status == 417
	assert "request_id" in str(refused.value)


def test_after_seq_accepts_whole_numbers(client: Client) -> None:
	answer = client.chat("hello").wait()
	for bad in ("x", "-1", "1.5"):
		with pytest.raises(ApiError) as refused:
			client.get("get_events", request_id=answer["request_id"], after_seq=bad)
		assert refused.value.status == 417
		assert "after_seq" in refused.value.answer["error"]["message"]


@pytest.mark.parametrize(
	"authorization", ["token nobody:wrong", "token nonsense", "Basic bm9ib2R5Ondyb25n", "Bearer x"]
)
def test_a_wrong_key_is_refused_by_frappe(site: Site, authorization: str) -> None:
	response = httpx.get(site.method("list_models"), headers={"Authorization": authorization})
	assert response.status_code == 401


@pytest.mark.parametrize(
	("http_method", "method"), [("GET", "chat_completion"), ("GET", "cancel"), ("POST", "get_request")]
)
def test_a_method_answers_to_its_verb_alone(
	client: Client, site: Site, http_method: str, method: str
) -> None:
	response = client.http.request(http_method, site.method(method))
	assert response.status_code == 403
	assert response.json()["exc_type"] == "PermissionError"


def test_what_is_no_method_is_refused_by_frappe(client: Client, site: Site) -> None:
	for name in ("no_such_method", "lifecycle.begin", "store.current"):
		assert client.http.post(site.method(name)).status_code in (403, 417)


def test_unknown_parameters_are_dropped_as_frappe_drops_them(client: Client) -> None:
	assert client.chat("hello", colour="blue").wait()["status"] == "completed"


def test_empty_fields_of_a_form_count_as_left_out(client: Client, site: Site) -> None:
	form = {
		name: ""
		for name in ("task_id", "request_id", "provider", "model", "temperature", "max_tokens", "tools")
	}
	response = client.http.post(site.method("chat_completion"), data={"messages": json.dumps(HELLO), **form})
	assert response.status_code == 200
