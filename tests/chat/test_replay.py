"""An answer that is read again from its beginning, after a part of it has been stored."""

import pytest

from ai_assistant.chat.replay import Replay
from ai_assistant.gateway import Chunk, Reasoning, Text, Tick, ToolCall, ToolCallDelta, ToolCallStart
from ai_assistant.realtime.transcript import Transcript

ANSWER: list[Chunk] = [
	Reasoning("Let me "),
	Reasoning("think."),
	Text("The "),
	Text("answer."),
	ToolCallStart("c1", "clock"),
	ToolCallDelta("c1", '{"zone": '),
	ToolCallDelta("c1", '"UTC"}'),
	ToolCall("c1", "clock", '{"zone": "UTC"}'),
	ToolCallStart("c2", "clock"),
	ToolCallDelta("c2", "{}"),
	ToolCall("c2", "clock", "{}"),
]


def fed(chunks: list[Chunk]) -> Transcript:
	transcript = Transcript(tools=True)
	for chunk in chunks:
		transcript.add(chunk)  # type: ignore[arg-type]
	return transcript


@pytest.mark.parametrize("stored", range(len(ANSWER) + 1))
def test_what_is_stored_is_left_out_and_the_rest_follows(stored: int) -> None:
	transcript = fed(ANSWER[:stored])
	replay = Replay(transcript)
	rest = [chunk for chunk in map(replay.rest, ANSWER) if chunk]
	assert rest == ANSWER[stored:]
	assert replay.rest(Tick()) == Tick()


def test_a_chunk_may_be_cut_elsewhere_than_before() -> None:
	replay = Replay(fed([Text("The ans")]))
	assert [replay.rest(Text("The answ")), replay.rest(Text("er."))] == [Text("w"), Text("er.")]
	replay = Replay(fed([ToolCallStart("c1", "clock"), ToolCallDelta("c1", '{"zo')]))
	assert replay.rest(ToolCallStart("c1", "clock")) is None
	assert replay.rest(ToolCallDelta("c1", '{"zone"')) == ToolCallDelta("c1", 'ne"')
