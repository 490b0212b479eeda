"""What the tests of tool calls share: the tools of a request, and the calls of an answer."""

import json
from typing import Any

from ai_assistant.gateway import (
	ToolCall,
	ToolCallDelta,
	ToolCallStart,
)
from tests.support.provider import ScriptedProvider
from tests.support.wire import Step

from .asking import (
	MODELS,
	Heard,
	family,
	gateway,
	hear,
	scripted,
	spoken,
)

# The families that send a whole call, with its arguments as an object.
WHOLE = ("gemini", "ollama_chat")
IN_PIECES = [api for api in MODELS if spoken(api) not in WHOLE]
SCHEMA = {"type": "object", "properties": {"path": {"type": "string"}}, "required": ["path"]}
TOOL = {
	"type": "function",
	"function": {"name": "read", "description": "Reads a file.", "parameters": SCHEMA},
}
TOOLS = [TOOL, {"type": "function", "function": {"name": "list", "parameters": SCHEMA}}]


def call(n: int, *pieces: str, name: str = "read") -> list[Step]:
	"""The nth call, its arguments in pieces."""
	first, *rest = pieces or ("",)
	begin = {"call": n, "id": f"call0000{n}", "name": name, "arguments": first}
	return [begin, *({"call": n, "arguments": piece} for piece in rest)]


def answer(server: ScriptedProvider, api: str, script: list[Step], **asking: Any) -> Heard:
	one = gateway(family(server, api))
	return hear(one.stream_generate(scripted(script), **{"tools": TOOLS, **asking}))


def calls(heard: Heard) -> list[ToolCall]:
	return [chunk for chunk in heard.chunks if isinstance(chunk, ToolCall)]


def pieces_of(heard: Heard) -> list[tuple[str, Any]]:
	"""Each call's name and arguments: who sends objects has them written anew."""
	return [(one.name, json.loads(one.arguments)) for one in calls(heard)]


def check_streamed(chunks: list[Any]) -> None:
	"""Each call has one start, then deltas that come to its arguments, then the whole call."""
	begun: dict[str, str] = {}
	for chunk in chunks:
		if isinstance(chunk, ToolCallStart):
			assert chunk.id not in begun
			begun[chunk.id] = ""
			names = [one.name for one in chunks if isinstance(one, ToolCall) and one.id == chunk.id]
			assert names == [chunk.name]
		elif isinstance(chunk, ToolCallDelta):
			assert chunk.text
			begun[chunk.id] += chunk.text
		elif isinstance(chunk, ToolCall):
			assert begun.pop(chunk.id) == chunk.arguments
	assert begun == {}
