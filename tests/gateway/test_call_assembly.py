"""Tests how the pieces of tool calls become whole calls, wherever a provider cuts them."""

import json
from collections.abc import Iterable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ai_assistant.gateway import (
	ToolCall,
	ToolCallDelta,
	ToolCallStart,
)
from ai_assistant.gateway.sse import ProtocolError
from ai_assistant.gateway.tool_calls import ToolCalls, ToolPiece, sendable, tool_piece
from tests.support.provider import ScriptedProvider

from .calling import IN_PIECES, answer, call, calls, check_streamed
from .cutting import cut_everywhere

# Pieces


def assembled(*pieces: ToolPiece) -> list[tuple[str, str, str | None]]:
	"""The calls in the pieces. They are the same when they are streamed as well."""
	calls = all_of(ToolCalls(), pieces)
	streamed = all_of(ToolCalls(streams=True), pieces)
	whole = [chunk for chunk in streamed if isinstance(chunk, ToolCall)]
	assert [called(one) for one in whole] == [called(one) for one in calls if isinstance(one, ToolCall)]
	check_streamed(streamed)
	return [(one.name, one.arguments, one.arguments_error) for one in calls if isinstance(one, ToolCall)]


def all_of(tool_calls: ToolCalls, pieces: Iterable[ToolPiece]) -> list[Any]:
	chunks = [chunk for piece in pieces for chunk in tool_calls.add(piece)]
	chunks += tool_calls.end()
	assert list(tool_calls.end()) == []
	return chunks


def called(call: ToolCall) -> tuple[str, str, str | None]:
	# Broken arguments are not streamed with the white space before them.
	return (
		call.name,
		call.arguments.lstrip() if call.arguments_error else call.arguments,
		call.arguments_error,
	)


def cut(text: str, *cuts: int) -> list[ToolPiece]:
	begin = ToolPiece(0, "c", "f", "")
	ends = zip((0, *cuts), (*cuts, len(text)), strict=True)
	return [begin, *(ToolPiece(0, None, None, text[a:b]) for a, b in ends)]


def test_a_call_is_told_as_it_is_written() -> None:
	tool_calls = ToolCalls(streams=True)
	pieces = [
		ToolPiece(0, "c", None, ""),
		ToolPiece(0, None, "f", ""),
		ToolPiece(0, None, None, " {"),
		ToolPiece(0, None, None, '"a": "\ud83d'),
		ToolPiece(0, None, None, '\udca1"'),
		ToolPiece(0, None, None, "}\n"),
	]
	assert [list(tool_calls.add(piece)) for piece in pieces] == [
		[],
		[ToolCallStart("c", "f")],
		# It may be an empty object, in whose place another may come.
		[],
		[ToolCallDelta("c", '{"a": "')],
		[ToolCallDelta("c", '💡"')],
		[ToolCallDelta("c", "}"), ToolCall("c", "f", '{"a": "💡"}')],
	]


def test_a_call_keeps_the_id_that_it_began_with() -> None:
	pieces = [ToolPiece(0, None, "f", '{"x":'), ToolPiece(0, "late", None, "1}")]
	start, *_deltas, whole = all_of(ToolCalls(streams=True), pieces)
	assert start.id == whole.id != "late"


# Arguments, and whether they are an object.
ODD = [
	('{"a": "}\\"{", "b": [{}, [1]], "c\\\\": "\\ud83d\\udca1"}', True),
	("{}", True),
	(' \n{ "a" : 1 }\n ', True),
	("   ", True),
	("", True),
	('{"a": NaN}', False),
	('{"a": 1', False),
	('{"a": "\n"}', False),
	('"{}"', False),
	("[1]", False),
	("null", False),
	("oops", False),
	("}{", False),
	('{"a"]', False),
]


@pytest.mark.parametrize(("text", "is_object"), ODD)
def test_it_makes_no_difference_where_arguments_are_cut(text: str, is_object: bool) -> None:
	[at_once] = assembled(*cut(text))
	for first in range(len(text) + 1):
		for second in range(first, len(text) + 1):
			assert assembled(*cut(text, first, second)) == [at_once]
	assert (at_once[2] is None) == is_object
	assert at_once[1] == ((text.strip() or "{}") if is_object else text)


JSON = st.recursive(
	st.none() | st.integers() | st.text(max_size=5), lambda inner: st.lists(inner, max_size=3)
)


@settings(max_examples=50)
@given(st.dictionaries(st.text(max_size=5), JSON, min_size=1, max_size=3), st.booleans(), st.data())
def test_any_object_is_whole_at_its_last_character(
	value: dict[str, Any], ascii: bool, data: st.DataObject
) -> None:
	text = json.dumps(value, ensure_ascii=ascii)
	cuts = sorted(data.draw(st.lists(st.integers(0, len(text)), max_size=8)))
	tool_calls = ToolCalls()
	pieces = cut(text, *cuts)
	emitted = [list(tool_calls.add(piece)) for piece in pieces]
	[call] = [one for some in emitted for one in some]
	check_streamed(all_of(ToolCalls(streams=True), pieces))
	assert isinstance(call, ToolCall)
	assert json.loads(call.arguments) == json.loads(
		text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
	)
	assert list(tool_calls.end()) == []


@pytest.mark.parametrize("cuts", range(9))
def test_more_than_an_object_is_no_answer(cuts: int) -> None:
	with pytest.raises(ProtocolError):
		assembled(*cut('{"a": 1}x', cuts))
	assert assembled(*cut('{"a": 1} \n', cuts)) == [("f", '{"a": 1}', None)]


@pytest.mark.parametrize(
	"pieces",
	[
		# No index: by id, and what has none belongs to the last
		[
			(None, "a", "f", '{"x":'),
			(None, None, None, "1}"),
			(None, "b", "g", '{"x":'),
			(None, None, None, "2}"),
		],
		[
			(None, "a", "f", '{"x":'),
			(None, "b", "g", '{"x":'),
			(None, "a", None, "1}"),
			(None, "b", None, "2}"),
		],
		# Neither: by name, which may be repeated
		[(None, None, "f", '{"x":1}'), (None, None, "g", '{"x":2}')],
		[(None, None, "f", '{"x":'), (None, None, "f", "1}"), (None, None, "g", '{"x":2}')],
		# The id is repeated, or made up anew, and the name is
		[(0, "a", "f", '{"x":'), (0, "a", "f", "1}"), (1, "b", "g", '{"x":2}')],
		[(0, "a", "f", '{"x":'), (0, "z", None, "1}"), (1, "b", "g", '{"x":2}')],
		# All have one index, and ids of their own
		[(0, "a", "f", '{"x":1}'), (0, "b", "g", '{"x":2}')],
		[(0, "a", "f", '{"x":'), (0, None, None, "1}"), (0, "b", "g", '{"x":'), (0, None, None, "2}")],
		# All have one id, and no index
		[(None, "a", "f", '{"x":1}'), (None, "a", "g", '{"x":2}')],
		[(None, "a", "f", '{"x":'), (None, "a", None, "1}"), (None, "a", "g", '{"x":2}')],
		# They begin with an empty object
		[(0, "a", "f", "{}"), (0, None, None, '{"x":'), (0, None, None, "1}"), (1, "b", "g", '{"x":2}')],
		[(None, "a", "f", "{}"), (None, "a", "f", '{"x":1}'), (None, "b", "g", '{}{"x":2}')],
		[(0, "a", "f", "{}"), (1, "b", "g", "{ }"), (0, None, None, '{"x":1}'), (1, None, None, '{"x":2}')],
		# The name comes late, the indexes are any
		[
			(7, "a", None, ""),
			(7, None, "f", '{"x":'),
			(3, "b", "g", '{"x":'),
			(7, None, None, "1}"),
			(3, None, None, "2}"),
		],
	],
)
def test_pieces_find_their_calls(pieces: list[tuple[Any, ...]]) -> None:
	calls = assembled(*(ToolPiece(*piece) for piece in pieces))
	assert sorted(calls) == [("f", '{"x":1}', None), ("g", '{"x":2}', None)]


def test_calls_stay_in_their_order_behind_an_empty_object() -> None:
	pieces = [ToolPiece(0, "a", "f", "{}"), ToolPiece(1, "b", "g", '{"x":2}')]
	tool_calls = ToolCalls()
	assert [one for piece in pieces for one in tool_calls.add(piece)] == []
	assert [(one.id, one.arguments) for one in tool_calls.end() if isinstance(one, ToolCall)] == [
		("a", "{}"),
		("b", '{"x":2}'),
	]


@pytest.mark.parametrize("index", [(0, 1, 2), (None, None, None)])
def test_each_call_of_an_answer_has_an_id_of_its_own(index: Any) -> None:
	tool_calls = ToolCalls()
	pieces = [ToolPiece(n, "call_0", "f", f'{{"x":{at}}}') for at, n in enumerate(index)]
	value = [one for piece in pieces for one in tool_calls.add(piece) if isinstance(one, ToolCall)]
	check_streamed(all_of(ToolCalls(streams=True), pieces))
	assert [one.arguments for one in value] == ['{"x":0}', '{"x":1}', '{"x":2}']
	assert value[0].id == "call_0" and len({one.id for one in value}) == 3


def test_half_a_surrogate_waits_for_the_other_in_arguments_too() -> None:
	assert assembled(*cut('{"a": "\ud83d\udca1"}', 8)) == [("f", '{"a": "💡"}', None)]
	assert assembled(*cut('{"a": "\ud83d"}', 8)) == [("f", '{"a": "\ufffd"}', None)]


def test_a_long_argument_costs_its_length() -> None:
	text = json.dumps({"a": "[{\\" * 20_000})
	assert assembled(*cut(text, *range(1, len(text), 3)))[0][2] is None


def test_nesting_without_an_end_is_no_object() -> None:
	deep = '{"a":' * 100_000 + "1" + "}" * 100_000
	assert assembled(*cut(deep))[0][2] == "The model's arguments for f are not a JSON object."


def test_a_call_without_an_id_gets_one() -> None:
	made = {next(ToolCalls().add(ToolPiece(0, None, "f", '{"x":1}'))).id for _ in range(2)}
	assert len(made) == 2 and all(one.startswith("call_") for one in made)


@pytest.mark.parametrize(
	"odd",
	[
		{"index": "0", "function": {"name": "f"}},
		{"index": 0, "id": 5, "function": {"name": "f"}},
		{"index": 0, "function": {"name": ["f"]}},
		{"index": 0, "function": {"name": "f", "arguments": [1]}},
	],
)
def test_a_piece_of_another_shape_is_junk(odd: dict[str, Any]) -> None:
	with pytest.raises(ProtocolError):
		tool_piece(odd)


@pytest.mark.parametrize(
	("entry", "piece"),
	[
		({"index": 0}, (0, None, None, "")),
		({"index": 0, "id": "", "function": None}, (0, None, None, "")),
		({"index": 1, "function": {"name": "", "arguments": None}}, (1, None, None, "")),
		({"id": "a", "function": {"name": "f", "arguments": {"x": "é"}}}, (None, "a", "f", '{"x": "é"}')),
	],
)
def test_what_a_piece_lacks_is_not_in_it(entry: dict[str, Any], piece: tuple[Any, ...]) -> None:
	assert tool_piece(entry) == ToolPiece(*piece)


def test_a_message_is_sent_with_objects_for_arguments() -> None:
	plain = {"role": "assistant", "content": "Hi"}
	assert sendable(plain) is plain
	calls = [
		{"id": "a", "type": "function", "function": {"name": "f", "arguments": text}}
		for text in ("", "{", '{"x":1}')
	]
	sent = sendable({"role": "assistant", "content": None, "tool_calls": calls})
	assert [json.loads(one["function"]["arguments"]) for one in sent["tool_calls"]] == [
		{},
		{"arguments": "{"},
		{"x": 1},
	]


@pytest.mark.parametrize("api", ["openai", "deepseek"])
@pytest.mark.parametrize("odd", ["no list", [5], [{"index": 0, "function": {"name": 5}}]])
def test_calls_of_another_shape_are_an_error_of_the_provider(
	server: ScriptedProvider, api: str, odd: Any
) -> None:
	chunk = {"id": "1", "object": "chat.completion.chunk", "created": 1, "model": "m"}
	choice = {"index": 0, "delta": {"tool_calls": odd}, "finish_reason": None}
	raw = {"raw": f"data: {json.dumps({**chunk, 'choices': [choice]})}\n\n"}
	heard = answer(server, api, [{"text": "a"}, raw, {"text": "b"}])
	assert (heard.failure.code, heard.text) == ("provider_error", "a")


# Through the wire


@pytest.mark.parametrize("api", ["openai", "openai_responses", "anthropic", "gemini", "ollama_chat"])
def test_it_makes_no_difference_at_which_byte_a_call_is_cut(server: ScriptedProvider, api: str) -> None:
	script = [*call(0, '{"path": ', '"ä"}'), {"finish": "tool_calls"}]
	for heard in cut_everywhere(server, api, script):
		end = heard.pop()
		assert [(one.name, json.loads(one.arguments)) for one in heard] == [("read", {"path": "ä"})]
		assert end.finish_reason == "tool_calls" or api in ("gemini", "openai_responses")


@pytest.mark.parametrize("api", IN_PIECES)
def test_arguments_may_come_in_any_two_pieces(server: ScriptedProvider, api: str) -> None:
	text = '{"a": "}\\""}'
	for at in range(len(text) + 1):
		heard = answer(server, api, call(0, text[:at], text[at:]))
		assert [(one.arguments, one.arguments_error) for one in calls(heard)] == [(text, None)]
