"""Answers that cite pages, as each wire writes them."""

from typing import Any

from tests.support.provider import ScriptedProvider

from .asking import Heard, family, gateway, hear, scripted
from .counted_answers import sse

TOOL = {"type": "function", "function": {"name": "read", "parameters": {"type": "object"}}}
URL, TITLE = "https://example.com/a", "A page"
SEARCH = {"type": "web_search_20250305", "name": "web_search"}


def answer(server: ScriptedProvider, api: str, *events: dict[str, Any], **fields: Any) -> Heard:
	one = gateway(family(server, api, **fields))
	return hear(one.stream_generate(scripted([{"raw": sse(*events)}]), tools=[TOOL]))


def chat(**fields: Any) -> dict[str, Any]:
	message = {name: fields.pop(name) for name in ("content", "annotations", "images") if name in fields}
	return {"choices": [{"index": 0, "delta": message, **fields}]}


def responses(kind: str, **fields: Any) -> dict[str, Any]:
	return {"type": f"response.{kind}", "output_index": 1, **fields}


def block(index: int, content: dict[str, Any], *deltas: dict[str, Any]) -> list[dict[str, Any]]:
	return [
		{"type": "content_block_start", "index": index, "content_block": content},
		*({"type": "content_block_delta", "index": index, "delta": delta} for delta in deltas),
		{"type": "content_block_stop", "index": index},
	]


def message(*blocks: list[dict[str, Any]], stop: str = "end_turn", **delta: Any) -> list[dict[str, Any]]:
	begin = {"type": "message_start", "message": {"usage": {"input_tokens": 10}}}
	delta = {"stop_reason": stop, **delta}
	end = {"type": "message_delta", "delta": delta, "usage": {"output_tokens": 5}}
	return [begin, *(event for block in blocks for event in block), end, {"type": "message_stop"}]


def cited_text(index: int, text: str, *citations: dict[str, Any]) -> list[dict[str, Any]]:
	cited = ({"type": "citations_delta", "citation": citation} for citation in citations)
	return block(index, {"type": "text", "text": ""}, *cited, {"type": "text_delta", "text": text})


def grounded(text: str, **grounding: Any) -> dict[str, Any]:
	content = {"parts": [{"text": text}]}
	return {"candidates": [{"content": content, "finishReason": "STOP", "groundingMetadata": grounding}]}
