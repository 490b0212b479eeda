"""Tests what only Google's Gemini API has: its requests, its counts and its events."""

import json
from typing import Any

import pytest

from ai_assistant.gateway import Provider, ToolCall
from ai_assistant.gateway.adapters.gemini import parameters, request
from ai_assistant.gateway.chunks import Ask
from ai_assistant.gateway.models import entry
from ai_assistant.gateway.token_count import _counted
from tests.gateway.asking import KEY, Heard, family, gateway, hear, scripted
from tests.support.provider import ScriptedProvider

QUESTION = [{"role": "user", "content": "Hi"}]
TOOL = {"type": "function", "function": {"name": "read", "parameters": {"type": "object"}}}


def body_of(ask: Ask) -> dict[str, Any]:
	provider = Provider("p", "gemini", KEY, ask.model)
	return parameters(provider, ask, entry("gemini", ask.model))[0]


def answer(server: ScriptedProvider, *responses: dict[str, Any]) -> Heard:
	raw = "".join(f"data: {json.dumps(response)}\n\n" for response in responses)
	return hear(gateway(family(server, "gemini")).stream_generate(scripted([{"raw": raw}]), tools=[TOOL]))


def parts(*arguments: dict[str, Any], finish: str | None = None, **more: Any) -> dict[str, Any]:
	candidate: dict[str, Any] = {"content": {"role": "model", "parts": list(arguments)}}
	return {"candidates": [{**candidate, **({"finishReason": finish} if finish else {})}], **more}


@pytest.mark.parametrize(
	("model", "effort", "thinking"),
	[
		("gemini-2.5-pro", None, {"includeThoughts": True}),
		("gemini-2.5-pro", "high", {"includeThoughts": True, "thinkingBudget": 4096}),
		("gemini-2.5-flash", "none", {"thinkingBudget": 0}),
		("gemini-3-pro-preview", None, {"includeThoughts": True}),
		("gemini-3-pro-preview", "low", {"includeThoughts": True, "thinkingLevel": "low"}),
		("gemini-2.0-flash", "low", None),
	],
)
def test_a_model_that_thinks_is_asked_to_show_its_thoughts(
	model: str, effort: str | None, thinking: dict[str, Any] | None
) -> None:
	sent = body_of(Ask(QUESTION, model, reasoning_effort=effort))
	assert sent.get("generationConfig", {}).get("thinkingConfig") == thinking


def test_a_schema_is_sent_as_it_came() -> None:
	# Written out, each level would double what is below it.
	levels = {
		f"l{n}": {"anyOf": [{"$ref": f"#/$defs/l{n + 1}"}, {"$ref": f"#/$defs/l{n + 1}"}]} for n in range(18)
	}
	schema = {"type": "object", "properties": {"a": {"$ref": "#/$defs/l0"}}, "$defs": levels}
	tool = {"type": "function", "function": {"name": "read", "parameters": schema}}
	(declared,) = body_of(Ask(QUESTION, "gemini-2.5-pro", tools=[tool]))["tools"][0]["functionDeclarations"]
	assert declared == {"name": "read", "parametersJsonSchema": schema}


def test_instructions_alone_are_the_turn_of_the_user() -> None:
	sent = body_of(Ask([{"role": "system", "content": "Write a poem."}], "gemini-2.5-pro"))
	assert sent["contents"] == [{"role": "user", "parts": [{"text": "Write a poem."}]}]
	assert "systemInstruction" not in sent


def test_calls_of_another_model_are_taken_by_one_that_signs_its_own() -> None:
	calls = [
		{"id": name, "type": "function", "function": {"name": "read", "arguments": "{}"}} for name in "ab"
	]
	messages = [
		*QUESTION,
		{"role": "assistant", "content": "", "tool_calls": calls},
		*({"role": "tool", "tool_call_id": name, "content": f'{{"said": "{name}"}}'} for name in "ab"),
	]
	contents = body_of(Ask(messages, "gemini-3-pro-preview"))["contents"]
	assert [turn["role"] for turn in contents] == ["user", "model", "user"]
	signed = [part.get("thoughtSignature") for part in contents[1]["parts"]]
	assert signed == ["skip_thought_signature_validator", None]
	assert [part["functionResponse"]["response"] for part in contents[2]["parts"]] == [
		{"said": "a"},
		{"said": "b"},
	]
	assert all(
		"thoughtSignature" not in part
		for part in body_of(Ask(messages, "gemini-2.5-pro"))["contents"][1]["parts"]
	)


@pytest.mark.parametrize("text", ['{"n": NaN}', '{"n": 1e999}', "[" * 100_000, "noon"])
def test_the_answer_of_a_tool_that_is_no_json_object_is_sent_as_text(text: str) -> None:
	call = {"id": "a", "type": "function", "function": {"name": "read", "arguments": "{}"}}
	messages = [
		*QUESTION,
		{"role": "assistant", "content": "", "tool_calls": [call]},
		{"role": "tool", "tool_call_id": "a", "content": text},
	]
	(part,) = body_of(Ask(messages, "gemini-2.5-pro"))["contents"][2]["parts"]
	assert part["functionResponse"]["response"] == {"content": text}


def test_two_equal_calls_are_two(server: ScriptedProvider) -> None:
	call = {"functionCall": {"name": "read", "args": {"path": "a"}}}
	heard = answer(server, parts(call, call, finish="STOP"))
	calls = [chunk for chunk in heard.chunks if isinstance(chunk, ToolCall)]
	assert len({one.id for one in calls}) == len(calls) == 2
	assert heard.completion.finish_reason == "tool_calls"


def test_tokens_of_thoughts_tools_and_the_cache_are_counted_and_priced(server: ScriptedProvider) -> None:
	counted = {
		"promptTokenCount": 1000,
		"toolUsePromptTokenCount": 50,
		"cachedContentTokenCount": 800,
		"candidatesTokenCount": 20,
		"thoughtsTokenCount": 30,
		"totalTokenCount": 1100,
	}
	heard = answer(server, parts({"text": "Yes."}, finish="STOP", usageMetadata=counted))
	usage = heard.completion.usage
	assert usage is not None
	assert (usage.prompt_tokens, usage.completion_tokens, usage.reasoning_tokens) == (1050, 50, 30)
	# In US dollars a million: 1.25 for input, 0.125 to read, 10 for output.
	assert usage.cost_usd == pytest.approx((250 * 1.25 + 800 * 0.125 + 50 * 10) / 1e6)


def test_parts_of_an_unknown_kind_are_passed_over(server: ScriptedProvider) -> None:
	code = {"executableCode": {"language": "PYTHON", "code": "1"}}
	result = {"codeExecutionResult": {"outcome": "OUTCOME_OK", "output": "1"}}
	heard = answer(server, parts(code), parts(result), parts({"new": 1}), parts({"text": "1"}, finish="STOP"))
	assert (heard.text, heard.completion.finish_reason) == ("1", "stop")
	assert not any(isinstance(chunk, ToolCall) for chunk in heard.chunks)


def test_only_the_first_of_several_answers_is_given(server: ScriptedProvider) -> None:
	other = {"content": {"parts": [{"text": "no"}]}, "index": 1, "finishReason": "STOP"}
	one = {"content": {"parts": [{"text": "yes"}]}, "index": 0}
	heard = answer(server, {"candidates": [one, other]}, parts({"text": "."}, finish="STOP"))
	assert heard.text == "yes."


PROJECT = (
	"https://europe-west4-aiplatform.googleapis.com/v1/projects/p/locations/europe-west4/publishers/google"
)


@pytest.mark.parametrize(
	("base", "key", "url", "header"),
	[
		(None, "AIza-1", "https://generativelanguage.googleapis.com/v1beta", {"x-goog-api-key": "AIza-1"}),
		(
			"https://aiplatform.googleapis.com",
			"AQ.1",
			"https://aiplatform.googleapis.com/v1/publishers/google",
			{"x-goog-api-key": "AQ.1"},
		),
		(PROJECT, "ya29.1", PROJECT, {"authorization": "Bearer ya29.1"}),
		(PROJECT + "/", "AQ.1", PROJECT, {"x-goog-api-key": "AQ.1"}),
	],
)
def test_vertex_ai_is_asked_with_a_key_or_an_access_token(
	base: str | None, key: str, url: str, header: dict[str, str]
) -> None:
	provider = Provider("p", "gemini", key, "gemini-2.5-pro", api_base=base)
	address, headers, _body = request(provider, "gemini-2.5-pro", {})
	assert address == f"{url}/models/gemini-2.5-pro:streamGenerateContent?alt=sse"
	secrets = {name: value for name, value in headers.items() if name in ("authorization", "x-goog-api-key")}
	assert secrets == header


def test_vertex_ai_counts_the_question_itself() -> None:
	ask = Ask(QUESTION, "gemini-2.5-pro", tools=[TOOL], tool_choice="required")
	counted = _counted(Provider("p", "gemini", "ya29.1", "gemini-2.5-pro", api_base=PROJECT), ask)
	assert counted
	url, _headers, body, _names = counted
	assert url == f"{PROJECT}/models/gemini-2.5-pro:countTokens"
	assert json.loads(body).keys() == {"contents", "tools", "generationConfig"}
