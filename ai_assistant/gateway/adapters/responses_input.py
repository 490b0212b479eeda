"""The conversation and the tools of a question, as OpenAI's Responses API has them."""

from collections.abc import Iterator
from typing import Any

from .. import compaction, continuation, freeform
from ..chunks import Ask, Provider
from ..tool_calls import OwnIds, sendable

REASONING_ITEM = {"reasoning": ("id", "encrypted_content")}
SUMMARY = {"summary_text": ("text",)}


def items(provider: Provider, ask: Ask) -> Iterator[dict[str, Any]]:
	"""Yields the `input` of a request. A call is an item of its own, and so is the result of a call."""
	own = OwnIds()
	# The tools whose input is text, and the ids of their calls in the conversation so far.
	custom, custom_calls = freeform.names_of(ask.tools), set[str]()
	for message_of_ask, fields in continuation.of_messages(provider, ask):
		message = own.of(sendable(message_of_ask))
		role, content = message["role"], message.get("content")
		if role == "tool":
			identity = message["tool_call_id"]
			kind = "custom_tool_call" if identity in custom_calls else "function_call"
			yield {"type": f"{kind}_output", "call_id": identity, "output": _content("user", content)}
			continue
		if ask.compact:
			yield from continuation.known(fields.get(compaction.FIELD), compaction.BLOCKS)
		yield from _reasoning(fields)
		calls = message.get("tool_calls") or ()
		if content or not calls:
			yield {"role": role, "content": _content(role, content)}
		for call in calls:
			name, arguments = call["function"]["name"], call["function"]["arguments"]
			begin = {"call_id": call["id"], "name": name}
			if name in custom:
				custom_calls.add(call["id"])
				yield {"type": "custom_tool_call", **begin, "input": freeform.input_of(arguments)}
			else:
				yield {"type": "function_call", **begin, "arguments": arguments}


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
