"""Responses that the site has stored: asked for in the background, read again, continued, cancelled and deleted."""

import json
from typing import Any

import openai
import pytest

from ai_assistant.client.client import Client
from tests.support import script, unique
from tests.support.openai_client import openai_client
from tests.support.provider import ScriptedProvider
from tests.support.site import Site
from tests.support.v1 import ask, events, streaming

CLOCK: Any = {"type": "function", "name": "clock", "parameters": {"type": "object", "properties": {}}}


CALL = {"call": 0, "id": "call_stored", "name": "clock", "arguments": "{}"}


def ended(package: openai.OpenAI, response_id: str) -> Any:
	"""The response once it has ended: its stream ends with it."""
	*_, last = package.responses.retrieve(response_id, stream=True)
	return last.response  # type: ignore[union-attr]


def test_a_response_in_the_background_is_answered_at_once_and_read_later(
	package: openai.OpenAI, provider: ScriptedProvider
) -> None:
	gate = unique("gate")
	prompt = script({"reasoning": "Hm."}, {"gate": gate}, {"text": "Done."})
	response = package.responses.create(
		model="scripted", input=prompt, background=True, metadata={"ticket": "7"}, instructions="Be brief."
	)
	assert response.status in ("queued", "in_progress") and response.output_text == ""
	assert package.responses.retrieve(response.id).status in ("queued", "in_progress")
	provider.open(gate)
	final = ended(package, response.id)
	assert final == package.responses.retrieve(response.id)
	assert (final.status, final.output_text, final.background) == ("completed", "Done.", True)
	assert (final.metadata, final.instructions, final.model) == ({"ticket": "7"}, "Be brief.", "scripted")
	assert final.created_at == response.created_at


def test_a_stream_in_the_background_goes_on_where_it_was_cut(
	package: openai.OpenAI, provider: ScriptedProvider
) -> None:
	gates = [unique("gate"), unique("gate")]
	prompt = script(
		{"reasoning": "Hm."},
		{"text": "One. "},
		{"gate": gates[0]},
		{"text": "Two. "},
		{"gate": gates[1]},
		CALL,
	)
	seen: list[Any] = []
	with package.responses.create(
		model="scripted", input=prompt, tools=[CLOCK], background=True, stream=True
	) as stream:
		for event in stream:
			seen.append(event)
			if event.type == "response.output_text.delta":
				break
	assert [event.type for event in seen[:3]] == [
		"response.created",
		"response.queued",
		"response.in_progress",
	]
	provider.open(gates[0])
	provider.open(gates[1])
	response_id, last = seen[0].response.id, seen[-1].sequence_number
	seen += package.responses.retrieve(response_id, stream=True, starting_after=last)
	assert [event.sequence_number for event in seen] == list(range(len(seen)))
	deltas = [event.delta for event in seen if event.type == "response.output_text.delta"]
	assert "".join(deltas) == "One. Two. "
	assert seen[-1].type == "response.completed"
	assert [item.type for item in seen[-1].response.output[:3]] == ["reasoning", "message", "function_call"]
	replayed = list(package.responses.retrieve(response_id, stream=True))
	assert [event.to_dict() for event in replayed] == [event.to_dict() for event in seen]


def test_a_response_is_cancelled(package: openai.OpenAI) -> None:
	prompt = script({"text": "Half."}, {"hang": True})
	response = package.responses.create(model="scripted", input=prompt, background=True)
	cancelled = package.responses.cancel(response.id)
	assert cancelled.status == "cancelled" and cancelled.error is None
	assert package.responses.cancel(response.id).status == "cancelled"
	assert ended(package, response.id).status == "cancelled"


def test_a_response_is_deleted_once_it_has_ended(
	package: openai.OpenAI, site: Site, client: Client, provider: ScriptedProvider
) -> None:
	gate, marker = unique("gate"), unique("marker")
	prompt = script({"gate": gate}, {"text": f"Secret {marker}."})
	response = package.responses.create(model="scripted", input=prompt, background=True)
	with pytest.raises(openai.ConflictError):
		package.responses.delete(response.id)
	provider.open(gate)
	ended(package, response.id)
	package.responses.delete(response.id)
	for refused in (package.responses.retrieve, package.responses.delete, package.responses.cancel):
		with pytest.raises(openai.NotFoundError):
			refused(response.id)
	request_id = response.id.removeprefix("resp_")
	page = [client.get(name, request_id=request_id) for name in ("get_request", "get_events")]
	assert marker not in json.dumps(page) and page[0]["usage"]


def test_a_conversation_goes_on_from_a_response(package: openai.OpenAI, provider: ScriptedProvider) -> None:
	marker = unique("marker")
	first = package.responses.create(
		model="scripted", input=script({"text": f"One {marker}."}), instructions=f"Old rules {marker}."
	)
	second = package.responses.create(
		model="scripted",
		previous_response_id=first.id,
		input=script({"text": f"Two {marker}."}),
		instructions="New rules.",
	)
	third = package.responses.create(
		model="scripted", previous_response_id=second.id, input=f"And? {marker} last"
	)
	assert second.previous_response_id == first.id and third.status == "completed"
	sent = provider.wait_for(f"{marker} last").body["messages"]
	assert [message["role"] for message in sent] == ["user", "assistant", "user", "assistant", "user"]
	assert [sent[1]["content"], sent[3]["content"]] == [f"One {marker}.", f"Two {marker}."]
	between = provider.wait_for(f"Two {marker}").body["messages"]
	assert between[0] == {"role": "system", "content": "New rules."}
	assert f"Old rules {marker}" not in json.dumps(between)


@pytest.mark.parametrize("model", ["scripted", "claude/claude-sonnet-4-5"])
def test_a_tool_is_answered_by_its_output_alone(
	package: openai.OpenAI, provider: ScriptedProvider, model: str
) -> None:
	marker = unique("marker")
	texts = [{"reasoning": "What time?"}, {"sealed": f"sig-{marker}"}, CALL]
	prompt = script({"turn": texts}, {"turn": [{"text": f"Noon. {marker}"}]})
	first = package.responses.create(model=model, input=prompt, tools=[CLOCK])
	(called,) = [item for item in first.output if item.type == "function_call"]
	output: Any = {"type": "function_call_output", "call_id": called.call_id, "output": f"noon {marker}"}
	second = package.responses.create(
		model=model, previous_response_id=first.id, input=[output], tools=[CLOCK]
	)
	assert second.output_text == f"Noon. {marker}"


def test_the_items_of_a_response_are_referred_to_by_their_ids(
	package: openai.OpenAI, provider: ScriptedProvider
) -> None:
	marker = unique("marker")
	question: Any = {
		"role": "user",
		"content": script({"reasoning": "Hm."}, {"text": f"Let me. {marker}"}, CALL),
	}
	with package.responses.stream(model="scripted", input=[question], tools=[CLOCK]) as stream:
		first = stream.get_final_response()
	references: list[Any] = [{"type": "item_reference", "id": item.id} for item in first.output]
	output: Any = {"type": "function_call_output", "call_id": "call_stored", "output": f"noon {marker}"}
	package.responses.create(model="scripted", input=[question, *references, output], tools=[CLOCK])
	_user, answer, result = provider.wait_for(f"noon {marker}").body["messages"]
	assert (answer["content"], answer["tool_calls"][0]["id"]) == (f"Let me. {marker}", "call_stored")
	assert result["tool_call_id"] == "call_stored"


def test_a_reference_to_an_item_of_any_number_is_refused_in_one_sentence(site: Site) -> None:
	reference = {"type": "item_reference", "id": f"fc_abcdefgh_{'9' * 5000}"}
	answer = ask(site, "/responses", {"input": [reference]})
	assert answer.status_code == 400, answer.text
	assert "input[0].id accepts" in answer.json()["error"]["message"]


def test_a_conversation_is_shortened_to_one_item(package: openai.OpenAI, provider: ScriptedProvider) -> None:
	marker = unique("marker")
	conversation: list[Any] = [
		{"role": "user", "content": f"We launch on Tuesday. {marker}"},
		{"role": "assistant", "content": "Tuesday, then."},
	]
	compacted = package.responses.compact(model="scripted", input=conversation)
	(item,) = compacted.output
	assert (compacted.object, item.type) == ("response.compaction", "compaction")
	assert compacted.usage.total_tokens > 0
	messages = provider.wait_for(marker).body["messages"]
	assert [message["role"] for message in messages] == ["user", "assistant", "user"]
	package.responses.create(
		model="scripted", input=[item.to_dict(), {"role": "user", "content": f"When? {marker} 2"}]
	)  # type: ignore[list-item]
	summary, question = provider.wait_for(f"{marker} 2").body["messages"]
	assert summary["content"].endswith("Hello there.") and question["content"] == f"When? {marker} 2"


def test_tokens_are_counted_before_a_response(package: openai.OpenAI, provider: ScriptedProvider) -> None:
	marker = unique("marker")
	first = package.responses.create(model="scripted", input=script({"text": "One. " * 100}))
	one = package.responses.input_tokens.count(model="scripted", input=marker)
	both = package.responses.input_tokens.count(
		model="scripted", input=marker, previous_response_id=first.id, tools=[CLOCK]
	)
	assert one.object == "response.input_tokens" and 0 < one.input_tokens < both.input_tokens
	assert provider.count(marker) == 0


@pytest.mark.parametrize("items", ["", [], None, [{"type": "web_search_call", "id": "ws_1"}]])
def test_an_empty_input_is_refused_by_its_name(site: Site, items: Any) -> None:
	refused = ask(site, "/responses", {"model": "scripted", "input": items})
	assert refused.status_code == 400 and "input accepts" in refused.json()["error"]["message"]


def test_a_conversation_is_not_shortened_without_a_model(site: Site) -> None:
	refused = ask(site, "/responses/compact", {"input": "Hi."})
	assert (refused.status_code, "model" in refused.json()["error"]["message"]) == (400, True)


def test_what_was_not_to_be_stored_cannot_be_continued(package: openai.OpenAI) -> None:
	first = package.responses.create(model="scripted", input=script({"text": "One."}), store=False)
	with pytest.raises(openai.APIStatusError) as refused:
		package.responses.create(model="scripted", previous_response_id=first.id, input="And?")
	assert refused.value.status_code == 410 and first.id in str(refused.value)


def test_what_has_not_ended_cannot_be_continued(package: openai.OpenAI, provider: ScriptedProvider) -> None:
	gate = unique("gate")
	response = package.responses.create(model="scripted", input=script({"gate": gate}), background=True)
	with pytest.raises(openai.BadRequestError, match="previous_response_id"):
		package.responses.create(model="scripted", previous_response_id=response.id, input="And?")
	provider.open(gate)
	ended(package, response.id)


def test_a_filtered_answer_is_incomplete_streamed_and_whole_alike(package: openai.OpenAI) -> None:
	sent = {"model": "scripted", "input": script({"text": "Half"}, {"finish": "content_filter"})}
	with package.responses.stream(**sent) as stream:
		*_others, last = stream
	for response in (package.responses.create(**sent), last.response):
		assert (response.status, response.output_text) == ("incomplete", "Half")
		assert response.incomplete_details.reason == "content_filter"


def test_a_response_of_another_user_looks_as_if_there_were_none(site: Site, package: openai.OpenAI) -> None:
	answer = package.responses.create(model="scripted", input=script({"text": "Mine."}))
	other = openai_client(site, site.second)
	calls: list[Any] = [
		lambda: other.responses.retrieve(answer.id),
		lambda: list(other.responses.retrieve(answer.id, stream=True)),
		lambda: other.responses.cancel(answer.id),
		lambda: other.responses.delete(answer.id),
		lambda: other.responses.create(model="scripted", input="Hi.", previous_response_id=answer.id),
		lambda: other.responses.create(
			model="scripted", input=[{"type": "item_reference", "id": answer.output[0].id}]
		),
	]
	for call in calls:
		with pytest.raises(openai.NotFoundError) as refused:
			call()
		assert "Mine." not in str(refused.value.body)


@pytest.mark.parametrize(
	"response_id", ["resp_nobody-has-this", "resp_", "x", "resp_%00", "chatcmpl-12345678"]
)
def test_an_id_of_nothing_is_404_in_openais_form(site: Site, response_id: str) -> None:
	for method, path in (("GET", ""), ("POST", "/cancel"), ("DELETE", "")):
		response = ask(site, f"/responses/{response_id}{path}", method=method)
		if "%00" in response_id and response.headers.get("server", "").startswith("nginx"):
			# nginx refuses it before the site.
			assert response.status_code == 400
			continue
		assert response.status_code == 404 and response.json()["error"]["message"], (method, path)


def test_the_id_of_a_request_is_no_id_of_a_response(site: Site, package: openai.OpenAI) -> None:
	answer = package.responses.create(model="scripted", input=script({"text": "Yes."}))
	assert ask(site, f"/responses/{answer.id.removeprefix('resp_')}").status_code == 404
	assert ask(site, f"/responses/{answer.id}").status_code == 200


def test_the_same_key_asks_once(site: Site, provider: ScriptedProvider) -> None:
	marker, key = unique("marker"), {"Idempotency-Key": unique("key")}
	sent = {"model": "scripted", "input": script({"text": marker})}
	for background in (False, True):
		more = {**sent, "background": background}
		named = {**key, "Idempotency-Key": key["Idempotency-Key"] + str(background)}
		first = ask(site, "/responses", more, headers=named).json()
		with streaming(site, "/responses", more, **named) as response:
			*_, last = [data for _name, data in events(response)]
		assert last["response"]["id"] == first["id"]
		assert last["response"]["output"][0]["content"][0]["text"] == marker
	assert provider.count(marker) == 2
