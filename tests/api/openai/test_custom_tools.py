"""Tools whose input is text, through the Responses API: OpenAI's own client, whichever provider answers."""

import json
from collections.abc import Iterator
from typing import Any

import openai
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ai_assistant.api.openai import responses
from ai_assistant.chat.errors import ChatError
from ai_assistant.chat.tools import tools_of
from ai_assistant.gateway import Chunk, ToolCall, ToolCallDelta, ToolCallStart
from tests.api.answers import answer_of, stream_of
from tests.api.openai.test_responses import events_of, parse
from tests.support import script, unique
from tests.support.provider import ScriptedProvider
from tests.support.site import Site
from tests.support.v1 import ask, base, headers

PATCH = '*** Begin Patch\n*** Add File: a.txt\n+"ä" 💭\n*** End Patch\n'
GRAMMAR = {"type": "grammar", "syntax": "lark", "definition": "start: /.+/s"}
TOOL: dict[str, Any] = {"type": "custom", "name": "patch", "description": "Edits files.", "format": GRAMMAR}
CLOCK: dict[str, Any] = {"type": "function", "name": "clock", "parameters": {"type": "object"}}


def chunks_of(arguments: str, cut: int, name: str = "patch", identity: str = "call_1") -> list[Chunk]:
	pieces = [piece for piece in (arguments[:cut], arguments[cut:]) if piece]
	return [
		ToolCallStart(identity, name),
		*(ToolCallDelta(identity, piece) for piece in pieces),
		ToolCall(identity, name, arguments),
	]


@given(st.integers(0, 90), st.booleans())
def test_the_input_is_written_as_it_comes(cut: int, ascii: bool) -> None:
	chunks = [
		*chunks_of(json.dumps({"input": PATCH}, ensure_ascii=ascii), cut),
		*chunks_of("{}", 1, "clock", "call_2"),
	]
	parsed = parse(tools=[TOOL, CLOCK])
	events = events_of(stream_of(responses, parsed, chunks))
	kind = "response.custom_tool_call_input"
	assert "".join(event["delta"] for event in events if event["type"] == f"{kind}.delta") == PATCH
	assert [event["input"] for event in events if event["type"] == f"{kind}.done"] == [PATCH]
	output = events[-1]["response"]["output"]
	assert [item["type"] for item in output] == ["custom_tool_call", "function_call"]
	assert (output[0]["call_id"], output[0]["name"], output[0]["input"]) == ("call_1", "patch", PATCH)
	assert responses.whole(answer_of(chunks), parsed, 0)["output"] == output


def test_a_call_that_was_not_streamed_is_written_at_the_end() -> None:
	answer = answer_of([ToolCall("call_1", "patch", json.dumps({"input": PATCH}))])
	events = events_of(stream_of(responses, parse(tools=[TOOL]), [], answer))
	assert events[-1]["response"]["output"][0]["input"] == PATCH


@pytest.mark.parametrize("form", [{"type": "grammar"}, {"type": "xml"}, "text", 1, []])
def test_a_format_that_is_none_is_refused(form: Any) -> None:
	tools = parse(tools=[{**TOOL, "format": form}]).fields["tools"]
	with pytest.raises(ChatError, match=r"tools\[0\]\.format accepts one of"):
		tools_of(tools)


@pytest.mark.parametrize("form", [None, {"type": "text"}, GRAMMAR])
def test_a_format_may_be_left_out(form: Any) -> None:
	assert tools_of(parse(tools=[{**TOOL, "format": form}]).fields["tools"])


def test_a_choice_names_a_tool_of_either_kind() -> None:
	choice = parse(tools=[TOOL], tool_choice={"type": "custom", "name": "patch"}).fields["tool_choice"]
	assert choice == {"type": "function", "function": {"name": "patch"}}


@pytest.fixture
def package(site: Site) -> Iterator[openai.OpenAI]:
	with openai.OpenAI(base_url=base(site), api_key="k", default_headers=headers(site.first)) as client:
		yield client


@pytest.mark.parametrize("model", ["scripted", "claude-sonnet-4-5"])
@pytest.mark.parametrize("stored", [True, False])
def test_openais_client_makes_a_round_trip(
	site: Site, package: openai.OpenAI, provider: ScriptedProvider, model: str, stored: bool
) -> None:
	marker = unique("marker")
	call = {"call": 0, "id": f"call_{marker}", "name": "patch", "arguments": json.dumps({"input": PATCH})}
	turns = script({"turn": [call]}, {"turn": [{"text": f"Done. {marker}"}]})
	question: Any = [{"role": "user", "content": turns}]
	with package.responses.stream(model=model, input=question, tools=[TOOL]) as stream:  # type: ignore[list-item]
		first = stream.get_final_response()
	(item,) = first.output
	assert item.type == "custom_tool_call" and (item.name, item.input) == ("patch", PATCH)
	result: Any = [{"type": "custom_tool_call_output", "call_id": item.call_id, "output": f"ok {marker}"}]
	if stored:
		# The id alone stands for the item.
		sent: Any = {"input": [*question, {"id": item.id}, *result]}
		assert ask(site, f"/responses/{first.id}").json()["output"] == [item.to_dict()]
	else:
		sent = {"input": [*question, item.to_dict(), *result]}
	answer = package.responses.create(model=model, tools=[TOOL], **sent)
	assert answer.output_text == f"Done. {marker}"
	sent_tool = provider.wait_for(f"ok {marker}").body["tools"][0]
	assert "start: /.+/s" in json.dumps(sent_tool) and "custom" not in sent_tool


def in_namespaces(*names: str) -> list[dict[str, Any]]:
	"""What Codex sends of its tools."""
	return [{"type": "namespace", "name": name, "description": "", "tools": [TOOL, CLOCK]} for name in names]


def additional(*tools: dict[str, Any]) -> dict[str, Any]:
	return {"type": "additional_tools", "role": "developer", "tools": list(tools)}


def test_tools_of_the_input_are_offered_and_namespaces_keep_them_apart() -> None:
	user = {"role": "user", "content": "Hi."}
	old = {**CLOCK, "name": "old"}
	items = [additional(old, *in_namespaces("functions", "a")), additional({**old, "strict": True}), user]
	parsed = parse(input=items, tools=[{**CLOCK, "name": "own"}])
	offered = tools_of(parsed.fields["tools"]) or []
	names = [tool["function"]["name"] for tool in offered]
	assert names == ["own", "old", "patch", "clock", "a__patch", "a__clock"]
	assert offered[1]["function"]["strict"] is True
	assert [name for name, tool in zip(names, offered, strict=True) if "custom" in tool] == [
		"patch",
		"a__patch",
	]
	assert [message["role"] for message in parsed.fields["messages"]] == ["user"]


def test_a_call_names_its_tool_as_the_client_does() -> None:
	parsed = parse(input=[additional(*in_namespaces("functions", "a"))])
	chunks = [
		*chunks_of("{}", 1, "a__clock"),
		*chunks_of(json.dumps({"input": PATCH}), 9, "a__patch", "call_2"),
		*chunks_of(json.dumps({"input": PATCH}), 9, "patch", "call_3"),
	]
	output = events_of(stream_of(responses, parsed, chunks))[-1]["response"]["output"]
	assert [(item["type"], item["name"], item["namespace"]) for item in output] == [
		("function_call", "clock", "a"),
		("custom_tool_call", "patch", "a"),
		("custom_tool_call", "patch", "functions"),
	]
	assert responses.whole(answer_of(chunks), parsed, 0)["output"] == output
	# Sent back, they are the model's calls again.
	(message,) = parse(input=output).fields["messages"]
	called = [call["function"]["name"] for call in message["tool_calls"]]
	assert called == ["a__clock", "a__patch", "patch"]


@pytest.mark.parametrize(
	"tools", [None, 1, [1], [None], [{"type": "namespace"}], [{"type": "namespace", "tools": 1}]]
)
def test_additional_tools_that_are_none_are_refused_or_left_out(tools: Any) -> None:
	try:
		assert not parse(input=[{"type": "additional_tools", "tools": tools}]).fields.get("tools")
	except ChatError as refused:
		assert refused.code == "invalid_request"
