"""Answers of the site, as the writers of the standard APIs get them: chunks, and the contract's answer object."""

import json
from typing import Any

from hypothesis import strategies as st

from ai_assistant.gateway import Chunk, Reasoning, Text, ToolCall, ToolCallDelta, ToolCallStart

REQUEST_ID = "0a1b2c3d-request"
USAGE = {
	"prompt_tokens": 100,
	"completion_tokens": 30,
	"reasoning_tokens": 12,
	"total_tokens": 130,
	"cached_tokens": 60,
	"cache_write_tokens": 10,
}
# The form of a continuation of this app.
SEALED = "eyJ2IjoxLCJvZiI6WyJhIiwiYiIsImMiXSwiZmllbGRzIjp7fX0="


def stream_of(dialect: Any, parsed: Any, chunks: list[Chunk], answer: dict[str, Any] | None = None) -> str:
	"""The stream that a dialect writes of these chunks and of this answer object."""
	writer = dialect.Writer(parsed, REQUEST_ID, "m", 1_700_000_000)
	written = writer.begin() + "".join(map(writer.write, chunks))
	return str(written + writer.end(answer or answer_of(chunks)))


def named_events(text: str) -> list[dict[str, Any]]:
	"""The data of a stream's events, each of which has its type for its name."""
	events = []
	for block in text.strip().split("\n\n"):
		name, data = block.split("\n", 1)
		event = json.loads(data.removeprefix("data: "))
		assert name == f"event: {event['type']}"
		events.append(event)
	return events


def answer_of(chunks: list[Chunk], **more: Any) -> dict[str, Any]:
	"""The answer object that these chunks come to."""
	calls = [
		{"id": chunk.id, "type": "function", "function": {"name": chunk.name, "arguments": chunk.arguments}}
		for chunk in chunks
		if isinstance(chunk, ToolCall)
	]
	return {
		"success": True,
		"status": "completed",
		"request_id": REQUEST_ID,
		"task_id": REQUEST_ID,
		"response": "".join(chunk.text for chunk in chunks if isinstance(chunk, Text)),
		"reasoning": "".join(chunk.text for chunk in chunks if isinstance(chunk, Reasoning)),
		"tool_calls": calls,
		"continuation": None,
		"provider": "scripted",
		"model": "m",
		"finish_reason": "tool_calls" if calls else "stop",
		"usage": USAGE,
		"timing": {"duration_ms": 2500},
		**more,
	}


def failed(code: str, message: str = "It failed.") -> dict[str, Any]:
	"""What an answer has that failed with this code."""
	error = {"code": code, "message": message, "retryable": False}
	status = "cancelled" if code == "cancelled" else "failed"
	return {"status": status, "finish_reason": "error", "error": error, "success": False}


def call(arguments: str, id: str = "call_1", name: str = "clock", *, pieces: int = 0) -> list[Chunk]:
	"""A tool call as the gateway yields it: whole, or in about so many pieces before it is whole."""
	whole = ToolCall(id, name, arguments)
	if not pieces:
		return [whole]
	size = max(1, len(arguments) // pieces)
	cut = [arguments[at : at + size] for at in range(0, len(arguments), size)]
	return [ToolCallStart(id, name), *(ToolCallDelta(id, piece) for piece in cut), whole]


ALL: list[Chunk] = [
	Reasoning("What "),
	Reasoning("time?"),
	Text("Let me"),
	Text(" look."),
	*call('{"zone": "UTC"}', pieces=3),
	*call('{"zone": "CET"}', "call_2"),
]


@st.composite
def cut_answers(draw: st.DrawFn) -> list[Chunk]:
	"""Any answer, cut anywhere."""

	def cut(text: str) -> list[str]:
		at = sorted(draw(st.sets(st.integers(1, max(1, len(text) - 1)), max_size=5)))
		return [piece for piece in map(lambda a, b: text[a:b], [0, *at], [*at, len(text)]) if piece]

	chunks: list[Chunk] = []
	for n in range(draw(st.integers(0, 5))):
		kind = draw(st.sampled_from(["reasoning", "text", "call"]))
		# No lone surrogates: the gateway joins them.
		text = draw(st.text(min_size=1, max_size=30))
		if kind == "call":
			chunks += call('{"x": "y"}', f"call_{n}", "clock", pieces=draw(st.integers(0, 4)))
		else:
			chunks += [Reasoning(piece) if kind == "reasoning" else Text(piece) for piece in cut(text)]
	return chunks
