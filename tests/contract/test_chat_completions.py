"""OpenAI's Chat Completions under the base `ai_assistant.v1`, as clients send it and read it."""

import json
from typing import Any

import openai
import pytest

from ai_assistant.client import Client
from tests.support import script, unique
from tests.support.provider import ScriptedProvider
from tests.support.site import DEAR, Site
from tests.support.v1 import ask, base, events, streaming

from .test_agent import CLOCK, PNG, call

PATHS = ("/chat/completions", "/v1/chat/completions")
ANSWER = script({"reasoning": "Let me "}, {"reasoning": "think."}, {"text": "Hello"}, {"text": " there."})


def user(content: Any) -> dict[str, Any]:
	return {"role": "user", "content": content}


def body(*messages: Any, **more: Any) -> dict[str, Any]:
	return {"model": "scripted", "messages": [user(m) if isinstance(m, str) else m for m in messages], **more}


def chunks_of(site: Site, sent: dict[str, Any], path: str = PATHS[0], **more: str) -> list[Any]:
	with streaming(site, path, sent, **more) as response:
		assert response.status_code == 200, response.read()
		return [data for _name, data in events(response)]


def deltas(chunks: list[Any], name: str) -> str:
	pieces = (choice["delta"].get(name) for chunk in chunks[:-1] for choice in chunk.get("choices", []))
	return "".join(text for text in pieces if text)


def finishes(chunks: list[Any]) -> list[str]:
	choices = [choice for chunk in chunks if chunk != "[DONE]" for choice in chunk.get("choices", [])]
	return [choice["finish_reason"] for choice in choices if choice["finish_reason"]]


@pytest.mark.parametrize("path", PATHS)
def test_an_answer_is_streamed_and_whole_alike(site: Site, path: str) -> None:
	chunks = chunks_of(site, body(ANSWER, stream_options={"include_usage": True}), path)
	whole = ask(site, path, body(ANSWER)).json()
	message = whole["choices"][0]["message"]

	assert chunks[0]["choices"][0]["delta"] == {"role": "assistant", "content": ""}
	assert deltas(chunks, "content") == message["content"] == "Hello there."
	assert deltas(chunks, "reasoning_content") == message["reasoning_content"] == "Let me think."
	assert deltas(chunks, "reasoning") == message["reasoning"] == "Let me think."
	assert finishes(chunks) == [whole["choices"][0]["finish_reason"]] == ["stop"]
	*_, usage, done = chunks
	assert done == "[DONE]" and usage["choices"] == []
	assert usage["usage"] == whole["usage"]
	assert whole["usage"] == {
		"prompt_tokens": 11,
		"completion_tokens": 7,
		"total_tokens": 18,
		"prompt_tokens_details": {"cached_tokens": 0},
		"completion_tokens_details": {"reasoning_tokens": 3},
		"cache_read_input_tokens": 0,
		"cache_creation_input_tokens": 0,
	}
	assert {chunk["object"] for chunk in chunks[:-1]} == {"chat.completion.chunk"}
	assert len({chunk["id"] for chunk in chunks[:-1]}) == 1 and whole["object"] == "chat.completion"


def test_a_stream_says_what_it_is_and_is_a_request_like_any_other(site: Site, client: Client) -> None:
	task = unique("task")
	with streaming(site, PATHS[0], body(ANSWER, metadata={"task_id": task})) as response:
		sent = response.headers
		list(events(response))
	assert sent["content-type"].startswith("text/event-stream")
	assert "no-cache" in sent["cache-control"]
	# nginx acts on this header and does not pass it on.
	assert sent.get("x-accel-buffering") == (None if "nginx" in sent.get("server", "") else "no")
	known = client.get("get_request", request_id=sent["x-request-id"])
	assert (known["task_id"], known["status"], known["response"]) == (task, "completed", "Hello there.")
	stored = client.get("get_events", request_id=sent["x-request-id"])["events"]
	assert "".join(event["text"] for event in stored if event["type"] == "text") == "Hello there."


def test_no_usage_is_sent_unasked(site: Site) -> None:
	assert not any("usage" in chunk for chunk in chunks_of(site, body(ANSWER)) if chunk != "[DONE]")


def test_openais_own_client_reads_a_stream(package: openai.OpenAI) -> None:
	stream = package.chat.completions.create(
		model="scripted", messages=[{"role": "user", "content": ANSWER}], stream=True
	)
	assert "".join(chunk.choices[0].delta.content or "" for chunk in stream) == "Hello there."


@pytest.mark.parametrize("model", ["scripted", "claude/claude-sonnet-4-5"])
@pytest.mark.parametrize("streamed", [True, False])
def test_openais_own_client_makes_a_round_trip_with_a_tool(
	package: openai.OpenAI, model: str, streamed: bool
) -> None:
	turns = [
		{
			"turn": [
				{"reasoning": "What time?"},
				call('{"zone": "UTC"}', id="call_a"),
				call('{"zone": "CET"}', 1, "call_b"),
			]
		},
		{"turn": [{"text": "It is noon."}]},
	]
	messages: list[Any] = [{"role": "user", "content": script(*turns)}]
	if streamed:
		with package.chat.completions.stream(model=model, messages=messages, tools=[CLOCK]) as stream:  # type: ignore[list-item]
			message = stream.get_final_completion().choices[0].message
	else:
		message = (
			package.chat.completions.create(model=model, messages=messages, tools=[CLOCK]).choices[0].message
		)  # type: ignore[list-item]
	assert [(tool_call.id, tool_call.function.arguments) for tool_call in message.tool_calls or []] == [  # type: ignore[union-attr]
		("call_a", '{"zone": "UTC"}'),
		("call_b", '{"zone": "CET"}'),
	]
	messages.append(message.to_dict())
	for tool_call in message.tool_calls or []:
		messages.append(
			{"role": "tool", "tool_call_id": tool_call.id, "content": [{"type": "text", "text": "noon"}]}
		)
	end = package.chat.completions.create(model=model, messages=messages, tools=[CLOCK])  # type: ignore[list-item]
	assert (end.choices[0].message.content, end.choices[0].finish_reason) == ("It is noon.", "stop")


@pytest.mark.parametrize("model", ["scripted", "claude-sonnet-4-5"])
def test_a_call_comes_in_pieces_as_the_model_writes_it(site: Site, model: str) -> None:
	pieces = ['{"zone"', ': "U', 'TC"}']
	steps = [call(pieces[0], id="call_a"), *({"call": 0, "arguments": piece} for piece in pieces[1:])]
	chunks = chunks_of(site, {**body(script(*steps, call("{}", 1, "call_b")), tools=[CLOCK]), "model": model})
	parts = [part for chunk in chunks[:-1] for part in chunk["choices"][0]["delta"].get("tool_calls", [])]
	names = [(part["index"], part["id"], part["function"]["name"]) for part in parts if "id" in part]
	assert names == [(0, "call_a", "clock"), (1, "call_b", "clock")]
	written = [part["function"]["arguments"] for part in parts if part["index"] == 0]
	assert "".join(written) == "".join(pieces) and len([piece for piece in written if piece]) == 3
	assert "".join(part["function"]["arguments"] for part in parts if part["index"] == 1) == "{}"
	assert finishes(chunks) == ["tool_calls"]


@pytest.mark.parametrize(
	("sent", "raised", "code"),
	[
		({"model": "gpt-nobody-has"}, openai.NotFoundError, "model_not_found"),
		({"n": 2}, openai.BadRequestError, "invalid_request"),
		({"messages": []}, openai.BadRequestError, "invalid_request"),
		({"messages": [user(script({"status": 429}))]}, openai.RateLimitError, "rate_limit_exceeded"),
		(
			{
				"messages": [
					user(script({"status": 400, "body": {"error": {"code": "context_length_exceeded"}}}))
				]
			},
			openai.BadRequestError,
			"context_length_exceeded",
		),
	],
)
@pytest.mark.parametrize("streamed", [True, False])
def test_what_fails_before_the_first_byte_is_the_error_that_openais_client_knows(
	package: openai.OpenAI,
	sent: dict[str, Any],
	raised: type[openai.APIStatusError],
	code: str,
	streamed: bool,
) -> None:
	fields = {"model": "scripted", "messages": [user("hello")], "stream": streamed, **sent}
	with pytest.raises(raised) as error:
		package.chat.completions.create(**fields)
	assert error.value.code == code and error.value.body


def test_a_wrong_key_and_none_are_401_in_openais_form(site: Site) -> None:
	for authorization in ("token wrong:key", "Bearer nobody-has-this-key", ""):
		response = ask(site, PATHS[0], body(ANSWER), headers={"Authorization": authorization})
		assert response.status_code == 401, authorization
		assert response.json()["error"]["code"] == "invalid_api_key", authorization


def test_a_user_without_the_role_is_403_in_openais_form(site: Site) -> None:
	with site.client(site.third) as stranger:
		response = stranger.http.get(f"{base(site)}/models")
	assert response.status_code == 403
	assert response.json()["error"]["type"] == "permission_error"


@pytest.mark.parametrize("sent", [b"{nope", b"", b"[1]", b'"text"', b"\xff\xfe", b'{"a": ' + b"[" * 100_000])
@pytest.mark.parametrize("content_type", ["application/json", "text/plain"])
def test_a_body_that_is_no_json_object_is_400_in_openais_form(
	site: Site, sent: bytes, content_type: str
) -> None:
	response = ask(site, PATHS[0], sent, headers={"Content-Type": content_type})
	assert response.status_code == 400
	assert response.json()["error"]["type"] == "invalid_request_error"


@pytest.mark.parametrize(
	("path", "method", "status"), [("/nothing", "GET", 404), ("", "GET", 404), (PATHS[0], "GET", 405)]
)
def test_a_path_that_is_none_is_refused_in_openais_form(
	site: Site, path: str, method: str, status: int
) -> None:
	response = ask(site, path, method=method)
	assert response.status_code == status and response.json()["error"]["type"] == "invalid_request_error"


@pytest.mark.parametrize("end", [{"error": "scripted"}, {"cut": True}])
def test_an_error_in_mid_stream_is_an_event_and_no_invented_end(site: Site, end: dict[str, Any]) -> None:
	chunks = chunks_of(site, body(script({"text": "Half an answer."}, end)))
	*_, error, done = chunks
	assert done == "[DONE]" and error["error"]["message"]
	assert deltas(chunks, "content") == "Half an answer." and finishes(chunks) == []


def test_a_filtered_answer_ends_with_content_filter_streamed_and_whole_alike(package: openai.OpenAI) -> None:
	sent = body(script({"text": "Half"}, {"finish": "content_filter"}))
	with package.chat.completions.stream(**sent, stream_options={"include_usage": True}) as stream:
		for _event in stream:
			pass
		streamed = stream.current_completion_snapshot
	for completion in (package.chat.completions.create(**sent), streamed):
		(choice,) = completion.choices
		assert (choice.finish_reason, choice.message.content) == ("content_filter", "Half")
		assert completion.usage
	# Before it begins, it is an error.
	with pytest.raises(openai.BadRequestError, match="filtered the content"):
		package.chat.completions.create(**body(script({"finish": "content_filter"})))


def test_where_a_client_hides_errors_the_sentence_is_content_too(site: Site) -> None:
	sent = body(script({"text": "Half."}, {"error": "scripted"}))
	chunks = chunks_of(site, sent, **{"User-Agent": "GitHubCopilotChat/0.67.0"})
	*_, error, end, done = chunks
	assert deltas(chunks, "content") == "Half." + "\n\n" + error["error"]["message"]
	# Without an end VS Code shows none of the text (tests/vscode). This one says that the answer is not whole.
	assert (end["choices"][0]["finish_reason"], done) == ("length", "[DONE]")


def test_a_client_that_hides_errors_gets_the_status_of_which_it_shows_the_sentence(site: Site) -> None:
	sent = body(script({"status": 503}))
	assert ask(site, PATHS[0], sent).status_code == 503
	refused = ask(site, PATHS[0], sent, headers={"User-Agent": "GitHubCopilotChat/0.67.0"})
	assert refused.status_code == 403 and "not available" in refused.json()["error"]["message"]


def test_what_editors_send_is_taken(site: Site, provider: ScriptedProvider) -> None:
	# Its own id: of a call that the site has made, the reasoning goes back to the provider.
	marker, call = unique("marker"), unique("call")
	bare = {"type": "function", "function": {"name": "bare"}}
	untyped = {
		"type": "function",
		"function": {"name": "untyped", "parameters": {"properties": {}}, "strict": True},
	}
	many = [{"type": "function", "function": {"name": f"tool_{n}"}} for n in range(125)]
	called = {"id": call, "type": "function", "function": {"name": "clock", "arguments": ""}}
	messages = [
		{"role": "developer", "content": "Be brief."},
		{"role": "system", "content": [{"type": "text", "text": "Be kind."}]},
		user(
			[
				{"type": "text", "text": "look"},
				{"type": "image_url", "image_url": {"url": PNG, "detail": "auto"}},
			]
		),
		{"role": "assistant", "content": "", "reasoning_content": "Hm.", "tool_calls": [called]},
		{
			"role": "tool",
			"tool_call_id": call,
			"name": "clock",
			"content": [{"type": "text", "text": "noon"}],
		},
		{"role": "assistant", "content": None, "tool_calls": None},
		{"role": "developer", "content": None},
		user("first"),
		user(script({"text": f"Fine. {marker}"})),
	]
	sent = {
		**body(*messages, tools=[CLOCK, bare, untyped, *many]),
		"max_completion_tokens": 1_000_000,
		"n": 1,
		"top_p": 1,
		"store": True,
		"user": "somebody",
		"metadata": {"task_id": marker},
		"stream_options": {"include_usage": True},
		"parallel_tool_calls": True,
		"reasoning_effort": "minimal",
		"tool_choice": "auto",
		"a_field_of_tomorrow": {"x": 1},
		"stop": ["END"],
		"logit_bias": {"50256": -100},
		"logprobs": False,
	}
	with streaming(site, PATHS[0], sent) as response:
		assert response.status_code == 200, response.read()
		assert sorted(response.headers["x-dropped"].split(", ")) == ["a_field_of_tomorrow", "logit_bias"]
		assert deltas([data for _name, data in events(response)], "content") == f"Fine. {marker}"
	received = provider.wait_for(marker).body
	assert len(received["tools"]) == 128 and received["max_tokens"] == 1000 and received["stop"] == ["END"]
	assert "somebody" not in json.dumps(received) and "Hm." not in json.dumps(received)


@pytest.mark.parametrize("effort", ["auto", "default"])
def test_an_effort_may_be_left_to_the_site(site: Site, effort: str) -> None:
	answer = ask(site, PATHS[0], {**body("Hi."), "reasoning_effort": effort})
	assert answer.status_code == 200, answer.text


def test_models_are_listed_in_the_form_of_who_asks(site: Site) -> None:
	listed = ask(site, "/models").json()
	assert listed["object"] == "list"
	names = [model["id"] for model in listed["data"]]
	assert {"scripted", "scripted-2", "claude-sonnet-4-5"} <= set(names)
	scripted = listed["data"][names.index("scripted")]
	assert ask(site, "/v1/models/scripted").json() == scripted
	# Any name that a request may have.
	by_provider = ask(site, "/models/scripted/scripted").json()
	assert by_provider == {**scripted, "id": "scripted/scripted"}
	known = dict(zip(names, listed["data"], strict=True))
	claude, dear = known["claude-sonnet-4-5"], known["scripted-2"]
	assert claude["context_window"] >= 200_000 and claude["tools"] is True and claude["vision"] is True
	assert (dear["context_window"], dear["prices"]["input"]) == (None, DEAR)
	theirs = ask(site, "/models", headers={"anthropic-version": "2023-06-01"}).json()
	assert [model["id"] for model in theirs["data"]] == names and theirs["has_more"] is False
	assert theirs["data"][0]["type"] == "model"
	assert theirs["data"][names.index("claude-sonnet-4-5")]["max_input_tokens"] == claude["context_window"]
	missing = ask(site, "/models/nobody")
	assert (missing.status_code, missing.json()["error"]["code"]) == (404, "model_not_found")
