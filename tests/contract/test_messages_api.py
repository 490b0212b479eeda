"""Anthropic's Messages under the base `ai_assistant.v1`, as clients send it and read it."""

import json
from typing import Any

import anthropic
import pytest
from anthropic.types import ModelInfo

from tests.support import script, unique
from tests.support.provider import ScriptedProvider
from tests.support.site import Site
from tests.support.v1 import ask, base, events, headers, streaming

from .test_agent import PNG, call

ANSWER = script({"reasoning": "Let me "}, {"reasoning": "think."}, {"text": "Hello"}, {"text": " there."})
CLOCK = {"name": "clock", "input_schema": {"type": "object", "properties": {"zone": {"type": "string"}}}}


def body(content: Any, **more: Any) -> dict[str, Any]:
	messages = [{"role": "user", "content": content}]
	return {"model": "scripted", "max_tokens": 500, "messages": messages, **more}


@pytest.fixture
def package(site: Site) -> anthropic.Anthropic:
	"""The real client of Anthropic, pointed at the site."""
	sent = headers(site.first)
	return anthropic.Anthropic(base_url=base(site), api_key="k", default_headers=sent, max_retries=0)


def test_an_answer_is_streamed_and_whole_alike(package: anthropic.Anthropic) -> None:
	whole = package.messages.create(**body(ANSWER))
	with package.messages.stream(**body(ANSWER)) as stream:
		streamed = stream.get_final_message()
	for message in (whole, streamed):
		assert [block.type for block in message.content] == ["thinking", "text"]
		assert message.content[0].thinking == "Let me think." and message.content[1].text == "Hello there."
		assert (message.role, message.model, message.stop_reason) == ("assistant", "scripted", "end_turn")
		assert (message.usage.input_tokens, message.usage.output_tokens) == (11, 7)
	assert whole.id == f"msg_{whole._request_id}"


def test_what_claude_code_sends_is_taken(site: Site, provider: ScriptedProvider) -> None:
	marker = unique("marker")
	cached = {"cache_control": {"type": "ephemeral"}}
	data = PNG.partition(",")[2]
	image = {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": data}}
	use = {"type": "tool_use", "id": f"toolu_{marker}", "name": "clock", "input": {"zone": "UTC"}}
	result = {
		"type": "tool_result",
		"tool_use_id": use["id"],
		"content": [{"type": "text", "text": "noon"}, image],
	}
	thought = {"type": "thinking", "thinking": "Hm.", "signature": "EqQBCkYIARgC"}
	sent = {
		"model": "scripted",
		"max_tokens": 64_000,
		"system": [{"type": "text", "text": "Be brief.", **cached}, {"type": "text", "text": "Be kind."}],
		"messages": [
			{"role": "user", "content": [{"type": "text", "text": "Time?", **cached}]},
			{"role": "assistant", "content": [thought, {"type": "text", "text": "I look."}, use]},
			{"role": "user", "content": [{**result, **cached}, {"type": "text", "text": "Well?"}]},
			{"role": "assistant", "content": "Noon."},
			{"role": "user", "content": script({"text": f"Fine. {marker}"})},
		],
		"tools": [
			{**CLOCK, "description": "The time.", **cached},
			{"type": "web_search_20250305", "name": "web_search"},
		],
		"tool_choice": {"type": "auto"},
		"thinking": {"type": "adaptive"},
		"output_config": {"effort": "xhigh"},
		"context_management": {"edits": []},
		"metadata": {"user_id": "user_0123_account__session_4567"},
		"temperature": 1,
	}
	versions = {"anthropic-version": "2023-06-01", "anthropic-beta": "interleaved-thinking-2025-05-14"}
	with streaming(site, "/v1/messages?beta=true", sent, **versions) as response:
		assert response.status_code == 200, response.read()
		dropped = response.headers["x-dropped"].split(", ")
		payloads = [data for _name, data in events(response)]
	assert {"tools.web_search_20250305", "context_management"} <= set(dropped)
	assert f"Fine. {marker}" in json.dumps(payloads)
	messages = provider.wait_for(f"Fine. {marker}").body["messages"]
	roles = [message["role"] for message in messages]
	assert roles == ["system", "user", "assistant", "tool", "user", "user", "assistant", "user"]
	text = json.dumps(messages)
	assert "Be brief." in text and "Be kind." in text and data in text and "EqQBCkYIARgC" not in text
	assert messages[3]["content"] == "noon"


@pytest.mark.parametrize("model", ["scripted", "claude/claude-sonnet-4-5"])
def test_the_arguments_of_a_call_come_in_pieces(package: anthropic.Anthropic, model: str) -> None:
	identity = unique("call")
	prompt = script(
		call('{"zo', id=identity), {"call": 0, "arguments": 'ne": "U'}, {"call": 0, "arguments": 'TC"}'}
	)
	with package.messages.stream(**body(prompt, model=model, tools=[CLOCK])) as stream:
		pieces = [event.partial_json for event in stream if event.type == "input_json"]
		message = stream.get_final_message()
	assert "".join(pieces) == '{"zone": "UTC"}' and len(pieces) > 1
	assert (message.content[0].id, message.content[0].input) == (identity, {"zone": "UTC"})
	assert message.stop_reason == "tool_use"


@pytest.mark.parametrize(
	("sent", "raised", "kind"),
	[
		({"model": "claude-nobody-has"}, anthropic.NotFoundError, "not_found_error"),
		({"messages": []}, anthropic.BadRequestError, "invalid_request_error"),
		({"max_tokens": -1}, anthropic.BadRequestError, "invalid_request_error"),
		(body(script({"status": 429})), anthropic.RateLimitError, "rate_limit_error"),
		(body(script({"status": 500})), anthropic.APIStatusError, "overloaded_error"),
	],
)
@pytest.mark.parametrize("streamed", [True, False])
def test_what_fails_before_the_first_byte_is_the_error_that_anthropics_client_knows(
	package: anthropic.Anthropic,
	sent: dict[str, Any],
	raised: type[anthropic.APIStatusError],
	kind: str,
	streamed: bool,
) -> None:
	with pytest.raises(raised) as error:
		package.messages.create(**{**body("Hi."), **sent, "stream": streamed})
	assert error.value.body["error"]["type"] == kind  # type: ignore[index]
	if kind == "overloaded_error":
		assert error.value.status_code == 529


def test_an_error_in_mid_stream_is_raised_with_its_sentence(package: anthropic.Anthropic) -> None:
	with pytest.raises(anthropic.APIStatusError, match="scripted"):
		with package.messages.stream(**body(script({"text": "Half."}, {"error": "no"}))) as stream:
			for _event in stream:
				pass


def test_a_filtered_answer_is_a_refusal_streamed_and_whole_alike(package: anthropic.Anthropic) -> None:
	sent = body(script({"text": "Half"}, {"finish": "content_filter"}))
	with package.messages.stream(**sent) as stream:
		streamed = stream.get_final_message()
	for message in (package.messages.create(**sent), streamed):
		assert (message.stop_reason, message.content[0].text) == ("refusal", "Half")
	# Before it begins, it is an error.
	with pytest.raises(anthropic.BadRequestError, match="filtered the content"):
		package.messages.create(**body(script({"finish": "content_filter"})))


def test_a_wrong_key_and_a_body_that_is_none_are_refused_in_anthropics_form(site: Site) -> None:
	wrong = ask(site, "/messages", body("Hi."), headers={"Authorization": "token wrong:key"})
	assert (wrong.status_code, wrong.json()["error"]["type"]) == (401, "authentication_error")
	for sent in (b"{nope", b"[1]", b""):
		refused = ask(site, "/messages", sent, headers={"Content-Type": "application/json"})
		assert refused.status_code == 400
		assert refused.json()["type"] == "error"
		assert refused.json()["error"]["type"] == "invalid_request_error"
	assert ask(site, "/messages").json()["error"]["type"] == "invalid_request_error"


@pytest.mark.parametrize("stream", [False, True])
def test_a_thread_is_refused_so_that_clients_send_all_messages(site: Site, stream: bool) -> None:
	refused = ask(site, "/messages", {**body("Hi."), "thread": {"type": "create"}, "stream": stream})
	error = refused.json()["error"]
	assert (refused.status_code, error["type"]) == (400, "invalid_request_error")
	# The SDKs of Anthropic read this, and repeat the request without `thread`.
	assert error["details"] == {"error_code": "thread_unsupported_request", "unsupported": ["thread"]}
	assert "thread" in error["message"]


def test_tokens_are_counted_before_a_request(
	package: anthropic.Anthropic, provider: ScriptedProvider
) -> None:
	marker = unique("marker")
	one = package.messages.count_tokens(model="scripted", messages=[{"role": "user", "content": marker}])
	long = [{"role": "user", "content": marker + " word" * 1000}]
	many = package.messages.count_tokens(model="scripted", messages=long, tools=[CLOCK], system="Be brief.")  # type: ignore[arg-type, list-item]
	assert 0 < one.input_tokens < many.input_tokens and provider.count(marker) == 0
	with pytest.raises(anthropic.NotFoundError):
		package.messages.count_tokens(model="nobody-has", messages=[{"role": "user", "content": "Hi."}])


def test_a_hang_up_closes_the_providers_connection(site: Site, provider: ScriptedProvider) -> None:
	marker = unique("marker")
	with streaming(site, "/messages", body(script({"text": marker}, {"hang": True}))) as response:
		next(data for name, data in events(response) if name == "content_block_delta")
	assert provider.wait_for(marker).hung_up.wait(10)


def test_anthropics_client_lists_models_with_all_fields_that_it_requires(
	package: anthropic.Anthropic,
) -> None:
	listed = list(package.models.list())
	for model in listed:
		# The client itself accepts a body that lacks a field.
		ModelInfo.model_validate(model.to_dict())
	known = package.models.retrieve("claude-sonnet-4-5")
	assert known in listed and known.lifecycle == "active"
	assert known.max_input_tokens and known.max_input_tokens >= 200_000
