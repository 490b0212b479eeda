"""The conversation and the tools of a question, as OpenAI's Responses API has them."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from .. import compaction, continuation, freeform
from ..chunks import Ask, Provider
from ..tool_calls import OwnIds, sendable

REASONING_ITEM = {"reasoning": ("id", "encrypted_content")}
SUMMARY = {"summary_text": ("text",)}


def items(provider: Provider, ask: Ask) -> list[dict[str, Any]]:
	"""Returns the `input` of a request."""
	own, custom = OwnIds(), _Custom(freeform.names_of(ask.tools))
	return [
		item
		for message, fields in continuation.of_messages(provider, ask)
		for item in _items(own.of(sendable(message)), fields, custom, ask.compact)
	]


def tools(ask: Ask) -> dict[str, Any]:
	"""Returns the fields `tools` and `tool_choice` of a request, those of them that it has."""
	if not ask.tools:
		return {}
	# Functions have no inner object here. They are strict by default, and most schemas would then be refused.
	offered = [_tool(tool) for tool in ask.tools]
	choice = ask.tool_choice
	if isinstance(choice, dict):
		name = choice["function"]["name"]
		choice = {"type": "custom" if name in freeform.names_of(ask.tools) else "function", "name": name}
	return {"tools": offered, "tool_choice": choice} if choice else {"tools": offered}


def _tool(tool: dict[str, Any]) -> dict[str, Any]:
	function = tool["function"]
	if freeform.FIELD not in tool:
		return {"type": "function", "strict": False, **function}
	named = {name: function[name] for name in ("name", "description") if name in function}
	return {"type": "custom", **named, **tool[freeform.FIELD]}


@dataclass
class _Custom:
	"""The names of the tools whose input is text, and the ids of their calls in the conversation so far."""

	names: frozenset[str]
	calls: set[str] = field(default_factory=set)


def _items(
	message: dict[str, Any], fields: continuation.Fields, custom: _Custom, compact: bool
) -> Iterator[dict[str, Any]]:
	"""Yields a chat message as input items. A call is an item of its own, and so is the result of a call."""
	if message["role"] == "tool":
		output, identity = _content("user", message["content"]), message["tool_call_id"]
		kind = "custom_tool_call" if identity in custom.calls else "function_call"
		yield {"type": f"{kind}_output", "call_id": identity, "output": output}
		return
	if compact:
		yield from continuation.known(fields.get(compaction.FIELD), compaction.BLOCKS)
	yield from _reasoning(fields)
	if message.get("content") or not message.get("tool_calls"):
		yield {"role": message["role"], "content": _content(message["role"], message["content"])}
	for call in message.get("tool_calls") or ():
		name, arguments = call["function"]["name"], call["function"]["arguments"]
		if name in custom.names:
			custom.calls.add(call["id"])
			text = freeform.input_of(arguments)
			yield {"type": "custom_tool_call", "call_id": call["id"], "name": name, "input": text}
		else:
			yield {"type": "function_call", "call_id": call["id"], "name": name, "arguments": arguments}


def _content(role: str, content: Any) -> Any:
	"""Returns a content with the names that its parts have in this API."""
	return [_part(role, part) for part in content] if isinstance(content, list) else content


def _part(role: str, part: dict[str, Any]) -> dict[str, Any]:
	if part["type"] == "image_url":
		image = part["image_url"]
		return {"type": "input_image", "image_url": image["url"], "detail": image.get("detail") or "auto"}
	if part["type"] == "file":
		return {"type": "input_file", **part["file"]}
	return {"type": "output_text" if role == "assistant" else "input_text", "text": part["text"]}


def _reasoning(fields: continuation.Fields) -> Iterator[dict[str, Any]]:
	items = fields.get("items")
	for item in items if isinstance(items, list) else ():
		for plain in continuation.known([item], REASONING_ITEM):
			yield {**plain, "summary": continuation.known(item.get("summary"), SUMMARY)}
