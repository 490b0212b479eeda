"""Lists the input of a stored response, which is kept as messages of the chat API.

The wire is the one of `GET /responses/{id}/input_items` in OpenAI's public API reference.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from frappe import _

from ai_assistant.chat.errors import invalid
from ai_assistant.chat.validators import one_of, whole_number

from .response_object import ITEM_PREFIXES, call_item, call_kind, message_item, reasoning_item
from .response_tools import CalledTool

PREFIXES = {**ITEM_PREFIXES, "function_call_output": "fco", "custom_tool_call_output": "ctco"}
ORDERS = ("desc", "asc")
LIMIT, MAX_LIMIT = 20, 100


def items_of(
	messages: Sequence[dict[str, Any]], request_id: str, tools: Mapping[str, CalledTool]
) -> list[dict[str, Any]]:
	"""Returns the items of an input, in their order.

	Args:
		messages: the messages in the form of the chat API.
		request_id: the id of the request, which is part of the ids of the items.
		tools: the tools of the request, by the names by which the model knows them.
	"""
	calls = (call for message in messages for call in message.get("tool_calls") or ())
	custom = {
		call["id"] for call in calls if call_kind(call["function"]["name"], tools) == "custom_tool_call"
	}
	items = (item for message in messages for item in _items(message, tools, custom))
	return [
		{**item, "id": f"{PREFIXES[item['type']]}_{request_id}_input_{n}"} for n, item in enumerate(items)
	]


def page_of(items: Sequence[dict[str, Any]], query: Mapping[str, str]) -> dict[str, Any]:
	"""Returns one page of a list, as the fields `after`, `limit` and `order` of a query ask for it. Raises ChatError."""
	limit = whole_number(query.get("limit"), "limit", 1, MAX_LIMIT) or LIMIT
	order = one_of(query.get("order", ORDERS[0]), "order", ORDERS)
	ordered = list(items if order == "asc" else reversed(items))
	if (after := query.get("after")) is not None:
		ids = [item["id"] for item in ordered]
		if after not in ids:
			raise invalid(_("{0} accepts the id of an item of a stored response."), "after")
		ordered = ordered[ids.index(after) + 1 :]
	page = ordered[:limit]
	first, last = (page[0]["id"], page[-1]["id"]) if page else (None, None)
	ends = {"first_id": first, "last_id": last, "has_more": len(ordered) > limit}
	return {"object": "list", "data": page, **ends}


def _items(
	message: dict[str, Any], tools: Mapping[str, CalledTool], custom: set[str]
) -> Iterator[dict[str, Any]]:
	"""Yields the items for which a message stands. Their ids are empty."""
	role, content = message["role"], message.get("content")
	if role == "tool":
		kind = "custom_tool_call_output" if message["tool_call_id"] in custom else "function_call_output"
		output = content if isinstance(content, str) else _parts(content)
		yield {"type": kind, "call_id": message["tool_call_id"], "output": output, "status": "completed"}
		return
	if role != "assistant":
		yield {"type": "message", "status": "completed", "role": role, "content": _parts(content)}
		return
	if message.get("continuation"):
		yield reasoning_item("", "", message["continuation"])
	if content:
		texts = [part.get("text", "") for part in _parts(content)]
		yield message_item("", "".join(texts), "completed")
	for call in message.get("tool_calls") or ():
		function = call["function"]
		yield call_item("", call["id"], function["name"], function["arguments"], "completed", tools)


def _parts(content: Any) -> list[dict[str, Any]]:
	"""Returns the parts of a content in the form of the Responses API."""
	if isinstance(content, str):
		return [{"type": "input_text", "text": content}]
	return [_part(part) for part in content or ()]


def _part(part: dict[str, Any]) -> dict[str, Any]:
	kind = part["type"]
	if kind == "text":
		return {"type": "input_text", "text": part["text"]}
	if kind == "image_url":
		image = part[kind]
		return {"type": "input_image", "image_url": image["url"], "detail": image.get("detail", "auto")}
	if kind == "file":
		return {"type": "input_file", **part[kind]}
	return {"type": kind, kind: part[kind]}
