"""Tests a chat without failures: its events, its answer, and their order."""

import base64
import hashlib
import json

import httpx
import pytest

from ai_assistant.client import Client
from ai_assistant.client.conformance import violations
from tests.support import script, unique
from tests.support.provider import ScriptedProvider
from tests.support.site import Site


def test_events_and_answer_keep_the_contract(client: Client) -> None:
	stream = client.chat(
		script({"reasoning": "Let me "}, {"reasoning": "see."}, {"text": "It is "}, {"text": "so."})
	)
	events = list(stream)
	answer = stream.answer
	assert answer and violations([e for e in events if e["type"] != "ai_status"], answer) == []
	assert answer["success"] is True
	assert answer["status"] == "completed"
	assert (answer["reasoning"], answer["response"]) == ("Let me see.", "It is so.")
	assert (answer["provider"], answer["model"]) == ("scripted", "scripted")
	assert answer["finish_reason"] == "stop"
	assert answer["usage"] == {
		"prompt_tokens": 11,
		"completion_tokens": 7,
		"reasoning_tokens": 3,
		"total_tokens": 18,
		"cost_usd": None,
		"estimated": False,
		"cached_tokens": 0,
		"cache_write_tokens": 0,
	}
	assert answer["attempts"] == []
	assert answer["realtime"]["failed"] == 0
	assert answer["request_id"] == answer["task_id"] == stream.request_id
	timing = answer["timing"]
	assert 0 <= timing["first_reasoning_ms"] <= timing["first_text_ms"] <= timing["duration_ms"]
	assert timing["thinking_ms"] == timing["first_text_ms"] - timing["first_reasoning_ms"]


def test_the_first_event_leaves_before_the_provider_answers_at_all(
	client: Client, provider: ScriptedProvider
) -> None:
	gate = unique("gate")
	events = iter(client.chat(script({"headers_after": gate}, {"text": "late"})))
	first = next(event for event in events if event["type"] != "ai_status")
	assert (first["type"], first["text"], first["seq"], first["partial"]) == ("reasoning", "", 1, True)
	provider.open(gate)
	assert [event["type"] for event in events if event["type"] != "ai_status"] == ["text", "completion"]


def test_each_piece_leaves_while_the_provider_still_writes(
	client: Client, provider: ScriptedProvider
) -> None:
	thought, wrote = unique("thought"), unique("wrote")
	stream = client.chat(
		script({"reasoning": "Hm."}, {"gate": thought}, {"text": "So"}, {"gate": wrote}, {"text": " it is."})
	)
	events = (event for event in stream if event["type"] != "ai_status")
	assert next(events)["text"] == ""
	assert next(events)["text"] == "Hm."
	provider.open(thought)
	assert next(events)["text"] == "So"
	provider.open(wrote)
	assert [event["text"] for event in events] == [" it is.", ""]


def test_a_piece_that_waits_for_its_batch_leaves_though_the_provider_is_silent(
	client: Client, provider: ScriptedProvider
) -> None:
	gate = unique("gate")
	stream = client.chat(script({"text": "one"}, {"text": " two"}, {"text": " three"}, {"gate": gate}))
	text = ""
	for event in stream:
		text += event["text"] if event["type"] == "text" else ""
		if text == "one two three":
			provider.open(gate)
	assert stream.answer and stream.answer["response"] == text


def test_a_silent_provider_gives_heartbeats(client: Client, provider: ScriptedProvider) -> None:
	gate = unique("gate")
	stream = client.chat(script({"gate": gate}, {"text": "at last"}), task_id="my task")
	status = next(event for event in stream if event["type"] == "ai_status")
	assert status["phase"] == "thinking"
	assert status["task_id"] == "my task"
	assert status["request_id"] == stream.request_id
	assert status["elapsed_ms"] > 0
	assert "seq" not in status and status["last_seq"] == 1
	provider.open(gate)
	assert stream.wait()["response"] == "at last"


def test_the_completion_measures_the_answer(client: Client) -> None:
	text = "Grüße 💡 an 世界"
	stream = client.chat(script({"reasoning": "🤔"}, {"text": text}))
	completion = list(stream)[-1]
	assert completion["type"] == "completion"
	assert completion["reasoning_length"] == 1
	assert completion["text_length"] == len(text)
	assert completion["text_sha256"] == hashlib.sha256(text.encode()).hexdigest()
	assert stream.answer and completion["usage"] == stream.answer["usage"]


def test_an_emoji_cut_between_its_surrogates_arrives_whole(client: Client) -> None:
	stream = client.chat(script({"text": "a \ud83d"}, {"text": "\udca1 b"}, {"text": " \ud83d alone"}))
	events = [event for event in stream if event["type"] != "ai_status"]
	assert stream.answer and stream.answer["response"] == "a 💡 b \ufffd alone"
	assert violations(events, stream.answer) == []


def test_thinking_between_tags_is_reasoning(client: Client) -> None:
	answer = client.chat(
		script({"text": "<thi"}, {"text": "nk>Why?</th"}, {"text": "ink>\n\nBecause a < b."})
	).wait()
	assert (answer["reasoning"], answer["response"]) == ("Why?", "Because a < b.")


def test_a_long_piece_is_split_and_loses_nothing(client: Client) -> None:
	stream = client.chat(script(*[{"text": "äbc💡", "times": 10_000}] * 3))
	events = [event for event in stream if event["type"] != "ai_status"]
	assert stream.answer and len(stream.answer["response"]) == 3 * 40_000
	assert violations(events, stream.answer) == []


def test_many_small_pieces_become_few_events(client: Client) -> None:
	answer = client.chat(script({"repeat": 400, "text": "word "})).wait()
	assert answer["response"] == "word " * 400
	assert answer["realtime"]["last_seq"] <= 20


def test_a_provider_that_refuses_is_followed_by_the_next(client: Client, provider: ScriptedProvider) -> None:
	# The family plays the refusal for its own model only, so that the next provider can answer.
	stream = client.chat(script({"status": 429, "for": "scripted"}, {"text": "from Claude"}))
	events = list(stream)
	answer = stream.answer
	assert answer and answer["response"] == "from Claude"
	assert (answer["provider"], answer["model"]) == ("claude", "claude-sonnet-4-5")
	assert answer["attempts"] == [{"provider": "scripted", "model": "scripted", "error": "rate_limited"}]
	fallback = [event for event in events if event["type"] == "ai_status" and event["phase"] == "fallback"]
	assert [(event["failed"], event["provider"]) for event in fallback] == [("scripted", "claude")]


def test_a_preferred_provider_and_model_are_asked(client: Client, provider: ScriptedProvider) -> None:
	marker = unique("marker")
	answer = client.chat(
		script({"text": marker}),
		provider="claude",
		model="claude-sonnet-4-5-2",
		temperature=0.5,
		max_tokens=99,
	).wait()
	assert (answer["provider"], answer["model"]) == ("claude", "claude-sonnet-4-5-2")
	request = provider.wait_for(marker)
	assert request.path.startswith("/anthropic")
	assert (request.body["temperature"], request.body["max_tokens"]) == (0.5, 99)


def test_a_model_alone_finds_its_provider(client: Client) -> None:
	assert client.chat("hello", model="claude-sonnet-4-5").wait()["provider"] == "claude"


def test_what_a_model_does_not_take_is_not_sent(client: Client, provider: ScriptedProvider) -> None:
	marker = unique("marker")
	client.chat(script({"text": marker}), reasoning_effort="high").wait()
	assert "reasoning_effort" not in provider.wait_for(marker).body


def test_a_mode_brings_its_system_prompt(client: Client, provider: ScriptedProvider) -> None:
	marker = unique("marker")
	client.chat(script({"text": marker}), mode="agent").wait()
	messages = provider.wait_for(marker).body["messages"]
	assert [message["role"] for message in messages] == ["system", "user"]
	assert "software engineer" in messages[0]["content"]


def test_content_parts_are_taken(client: Client) -> None:
	parts = [{"type": "text", "text": '[{"text": "in '}, {"type": "text", "text": 'parts"}]'}]
	assert client.chat([{"role": "user", "content": parts}]).wait()["response"] == "in parts"


def test_a_conversation_is_sent_in_its_order(client: Client, provider: ScriptedProvider) -> None:
	marker = unique("marker")
	turns = [
		{"role": "user", "content": "one"},
		{"role": "assistant", "content": "two"},
		{"role": "user", "content": script({"text": marker})},
	]
	client.chat(turns).wait()
	assert provider.wait_for(marker).body["messages"][1:] == turns


def test_a_form_encoded_client_is_served(site: Site, client: Client) -> None:
	messages = json.dumps([{"role": "user", "content": script({"text": "formed"})}])
	form = {"messages": messages, "temperature": "0.5", "max_tokens": "50", "background": "false", "mode": ""}
	response = client.http.post(site.method("chat_completion"), data=form)
	assert response.status_code == 200
	assert response.json()["message"]["response"] == "formed"


@pytest.mark.parametrize("scheme", ["token", "Basic"])
def test_an_api_key_serves_as_well_as_a_login(site: Site, scheme: str) -> None:
	if not site.first.token:
		pytest.skip("this live site gave no AI_ASSISTANT_TOKEN")
	secret = site.first.token if scheme == "token" else base64.b64encode(site.first.token.encode()).decode()
	response = httpx.post(
		site.method("chat_completion"),
		json={"messages": [{"role": "user", "content": "hello"}]},
		headers={"Authorization": f"{scheme} {secret}"},
	)
	assert response.status_code == 200
	assert response.json()["message"]["response"] == "Hello there."


def test_a_socket_can_be_opened_with_an_api_key(site: Site) -> None:
	if not site.first.token:
		pytest.skip("this live site gave no AI_ASSISTANT_TOKEN")
	with site.client(site.first, by_token=True) as client:
		client.connect()
		stream = client.chat("hello")
		events = [event for event in stream if event["type"] != "ai_status"]
		assert stream.answer and violations(events, stream.answer) == []


def test_a_client_without_a_socket_gets_the_whole_answer(site: Site) -> None:
	with site.client(site.first) as client:
		answer = client.chat(script({"reasoning": "Hm."}, {"text": "Yes."})).wait()
	assert (answer["reasoning"], answer["response"]) == ("Hm.", "Yes.")


def test_a_task_id_may_repeat_and_a_request_id_of_ones_own_is_kept(client: Client) -> None:
	task, ids = unique("task"), [unique("request")[:60], unique("request")[:60]]
	answers = [client.chat("hello", task_id=task, request_id=identity).wait() for identity in ids]
	assert [answer["request_id"] for answer in answers] == ids
	assert {answer["task_id"] for answer in answers} == {task}


def test_more_fields_reach_the_provider_and_those_that_do_not_are_named(
	client: Client, provider: ScriptedProvider
) -> None:
	marker = unique("marker")
	fields = {"top_p": 0.5, "stop": "END", "seed": 7, "verbosity": "low", "metadata": {"run": "7"}}
	stream = client.chat(script({"text": "Yes."}, {"note": marker}), colour="red", **fields)
	*_, completion = stream
	answer = stream.answer
	body = provider.wait_for(marker).body
	assert (body["top_p"], body["stop"], body["seed"]) == (0.5, ["END"], 7)
	assert not {"verbosity", "metadata", "colour"} & set(body)
	assert answer and answer["dropped"] == completion["dropped"] == ["verbosity", "colour"]
	assert answer["metadata"] == {"run": "7"}
	assert client.get("get_request", request_id=stream.request_id) == answer


def test_two_users_may_use_the_same_request_id(client: Client, second: Client) -> None:
	request_id = unique("request")[:60]
	assert client.chat("hello", request_id=request_id).wait()["status"] == "completed"
	assert second.chat("hello", request_id=request_id).wait()["status"] == "completed"


def test_request_ids_that_differ_in_case_alone_are_two(client: Client) -> None:
	request_id = unique("Request")[:60]
	for identity in (request_id, request_id.lower()):
		assert client.chat("hello", request_id=identity).wait()["status"] == "completed"


def test_a_used_request_id_is_a_conflict_and_asks_nobody(client: Client, provider: ScriptedProvider) -> None:
	marker, request_id = unique("marker"), unique("request")[:60]
	client.chat("hello", request_id=request_id).wait()
	stream = client.chat(script({"text": marker}), request_id=request_id)
	for _ in stream:
		pass
	assert stream.error and stream.answer is None
	assert (stream.error.status, stream.error.answer["error"]["code"]) == (409, "conflict")
	assert provider.count(marker) == 0


def test_a_running_request_id_is_a_conflict_and_the_running_one_goes_on(
	client: Client, provider: ScriptedProvider
) -> None:
	gate, request_id = unique("gate"), unique("request")[:60]
	first = client.chat(script({"gate": gate}, {"text": "first"}), request_id=request_id)
	provider.wait_for(gate)
	response = client.http.post(
		"/api/method/ai_assistant.api.chat_completion",
		json={"messages": [{"role": "user", "content": "hello"}], "request_id": request_id},
	)
	assert (response.status_code, response.json()["message"]["error"]["code"]) == (409, "conflict")
	provider.open(gate)
	assert first.wait()["response"] == "first"


def test_chats_of_one_user_at_once_do_not_mix(client: Client) -> None:
	words = [unique("word") for _ in range(8)]
	streams = [client.chat(script({"reasoning": word}, {"repeat": 30, "text": word})) for word in words]
	for word, stream in zip(words, streams, strict=True):
		events = [event for event in stream if event["type"] != "ai_status"]
		assert stream.answer and stream.answer["response"] == word * 30
		assert violations(events, stream.answer) == []


def test_pages_that_an_answer_cites_are_in_the_answer_and_in_the_completion(client: Client) -> None:
	source = {"url": "https://example.com/a", "title": "A page", "start": 0, "end": 5}
	place = {"start_index": 0, "end_index": 5}
	cited = {
		"type": "url_citation",
		"url_citation": {"url": source["url"], "title": source["title"], **place},
	}
	delta = {"content": "It is so.", "annotations": [cited]}
	chunk = {"choices": [{"index": 0, "delta": delta, "finish_reason": "stop"}]}
	stream = client.chat(script({"raw": f"data: {json.dumps(chunk)}\n\ndata: [DONE]\n\n"}))
	(completion,) = (event for event in stream if event["type"] == "completion")
	assert stream.answer
	assert stream.answer["sources"] == completion["sources"] == [source]
	assert client.get("get_request", request_id=stream.request_id)["sources"] == [source]
	assert "images" not in stream.answer
