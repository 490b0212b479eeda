"""Takes the input and the tools of a request to OpenAI's Responses API apart.

The wire is the one of OpenAI's public API reference, and of Open Responses: an input is a string or a list of items
(message, function_call, function_call_output, reasoning). The site answers with items of the same types.
"""

import json
from collections.abc import Callable, Sequence
from typing import Any

from frappe import _

from ai_assistant.chat.errors import invalid
from ai_assistant.gateway import freeform
from ai_assistant.gateway.continuation import is_continuation

from ..conversation import Conversation
from ..fields import string_in
from .response_object import summary_of

ROLES = ("user", "assistant", "system", "developer")
TEXTS = ("input_text", "output_text", "text", "summary_text", "reasoning_text")
# Calls of tools that a provider runs, and what they gave: the site offers none of them, another server may have.
FOREIGN = (
	"web_search_call",
	"file_search_call",
	"code_interpreter_call",
	"image_generation_call",
	"mcp_list_tools",
	"mcp_call",
)
DETAILS = {"low": "low", "high": "high", "original": "high"}


def messages_of(input_items: Any, history: Sequence[dict[str, Any]] = ()) -> list[dict[str, Any]]:
	"""The messages of an `input` after those of `history`, in the form of the OpenAI chat API.

	Raises:
		ChatError: `invalid_request`, with the path of the field.
	"""
	conversation = Conversation(history)
	if isinstance(input_items, str):
		conversation.add("user", input_items)
		return conversation.messages
	if not isinstance(input_items, list):
		raise invalid(_("{0} accepts a string or a list of items."), "input")
	for n, item in enumerate(input_items):
		where = f"input[{n}]"
		if not isinstance(item, dict):
			raise invalid(_("{0} accepts an object with a type."), where)
		kind = item.get("type") or "message"
		if kind in FOREIGN:
			continue
		if not isinstance(kind, str) or kind not in ITEMS:
			raise invalid(_("{0}.type accepts one of: {1}."), where, ", ".join(ITEMS))
		ITEMS[kind](conversation, item, where)
	return conversation.messages


def _message(conversation: Conversation, item: dict[str, Any], where: str) -> None:
	role = item.get("role")
	if role not in ROLES:
		raise invalid(_("{0}.role accepts one of: {1}."), where, ", ".join(ROLES))
	text, others = _content(item.get("content"), f"{where}.content")
	if role == "user":
		conversation.add("user", others if any(part["type"] != "text" for part in others) else text)
	elif role == "assistant":
		conversation.say(text)
	else:
		conversation.add("system", text)


def _call(conversation: Conversation, item: dict[str, Any], where: str) -> None:
	arguments = item.get("arguments")
	if isinstance(arguments, dict):
		arguments = json.dumps(arguments, ensure_ascii=False)
	if not isinstance(arguments, str):
		raise invalid(_("{0}.arguments accepts a string with a JSON object."), where)
	conversation.call(string_in(item, "call_id", where), string_in(item, "name", where), arguments or "{}")


def _custom_call(conversation: Conversation, item: dict[str, Any], where: str) -> None:
	arguments = freeform.arguments_of(string_in(item, "input", where))
	conversation.call(string_in(item, "call_id", where), string_in(item, "name", where), arguments)


def _output(conversation: Conversation, item: dict[str, Any], where: str) -> None:
	text, parts = _content(item.get("output"), f"{where}.output")
	images = [part for part in parts if part["type"] != "text"]
	conversation.result(string_in(item, "call_id", where), text, images)


def _reasoning(conversation: Conversation, item: dict[str, Any], where: str) -> None:
	sealed = item.get("encrypted_content")
	if isinstance(sealed, str) and is_continuation(sealed):
		conversation.think(sealed)


def _compaction(conversation: Conversation, item: dict[str, Any], where: str) -> None:
	summary = summary_of(item.get("encrypted_content"))
	if summary is not None:
		conversation.add("user", f"Summary of the conversation so far:\n\n{summary}")


def _reference(conversation: Conversation, item: dict[str, Any], where: str) -> None:
	raise invalid(
		_("{0}.id accepts the id of an item that this site has stored; send the item itself."), where
	)


ITEMS: dict[str, Callable[[Conversation, dict[str, Any], str], None]] = {
	"message": _message,
	"function_call": _call,
	"function_call_output": _output,
	"custom_tool_call": _custom_call,
	"custom_tool_call_output": _output,
	"reasoning": _reasoning,
	"compaction": _compaction,
	"item_reference": _reference,
}


def _content(content: Any, where: str) -> tuple[str, list[dict[str, Any]]]:
	"""All text of a content, and its parts in the form of the chat API."""
	if content is None:
		return "", []
	if isinstance(content, str):
		return content, [{"type": "text", "text": content}] if content else []
	if not isinstance(content, list):
		raise invalid(_("{0} accepts a string or a list of content parts."), where)
	parts = [_part(part, f"{where}[{n}]") for n, part in enumerate(content)]
	return "".join(part["text"] for part in parts if part["type"] == "text"), parts


def _part(part: Any, where: str) -> dict[str, Any]:
	kind = part.get("type") if isinstance(part, dict) else None
	if kind in TEXTS:
		return {"type": "text", "text": string_in(part, "text", where)}
	if kind == "refusal":
		return {"type": "text", "text": string_in(part, "refusal", where)}
	if kind == "input_image":
		if not isinstance(part.get("image_url"), str):
			raise invalid(
				_("{0}.image_url accepts an https address or a data URL; files are not kept here."), where
			)
		image = {"url": part["image_url"], "detail": DETAILS.get(str(part.get("detail")), "auto")}
		return {"type": "image_url", "image_url": image}
	if kind == "input_file":
		if not isinstance(part.get("file_data"), str):
			raise invalid(_("{0}.file_data accepts a data URL; files are not kept here."), where)
		named = {"filename": part["filename"]} if isinstance(part.get("filename"), str) else {}
		return {"type": "file", "file": {**named, "file_data": part["file_data"]}}
	raise invalid(
		_("{0}.type accepts one of: {1}."), where, "input_text, input_image, input_file, output_text"
	)


def tools_of(body: dict[str, Any]) -> tuple[list[dict[str, Any]], Any, tuple[str, ...]]:
	"""The functions in `tools` and the `tool_choice` in the form of the chat API, and the fields that are left out.

	The chat API puts a function one level below. A custom tool is a function whose input is text. Tools that a provider would run are left out, by name: Codex offers its
	web search to every server.

	Raises:
		ChatError: `invalid_request`.
	"""
	definitions = body.get("tools")
	if not isinstance(definitions, list | None):
		raise invalid(_("{0} accepts a list of tools."), "tools")
	tools: list[dict[str, Any]] = []
	dropped: list[str] = []
	for n, tool in enumerate(definitions or []):
		kind = tool.get("type") if isinstance(tool, dict) else None
		if not isinstance(kind, str):
			raise invalid(
				_('{0} accepts an object {{"type": "function", "name", "parameters"}}.'), f"tools[{n}]"
			)
		if kind == "custom":
			tools.append(_custom_tool(tool))
			continue
		if kind != "function":
			dropped.append(f"tools.{kind}")
			continue
		function = tool["function"] if isinstance(tool.get("function"), dict) else tool
		named = ("name", "description", "parameters", "strict")
		tools.append({"type": "function", "function": {name: function.get(name) for name in named}})
	choice, allowed = _choice(body.get("tool_choice"))
	if allowed is not None:
		tools = [tool for tool in tools if tool["function"]["name"] in allowed]
	return tools, choice if tools else None, tuple(dropped)


def _custom_tool(tool: dict[str, Any]) -> dict[str, Any]:
	described = {name: tool.get(name) for name in ("name", "description")}
	function = {**described, "parameters": freeform.PARAMETERS}
	return {"type": "function", "function": function, freeform.FIELD: {"format": tool.get("format")}}


def _choice(tool_choice: Any) -> tuple[Any, list[Any] | None]:
	"""A `tool_choice` in the form of the chat API, and the names of the tools that it allows, None for all."""
	if not isinstance(tool_choice, dict):
		return tool_choice, None
	if tool_choice.get("type") == "allowed_tools" and isinstance(tool_choice.get("tools"), list):
		names = [tool.get("name") for tool in tool_choice["tools"] if isinstance(tool, dict)]
		return tool_choice.get("mode") or "auto", names
	if tool_choice.get("type") in ("function", "custom"):
		named = tool_choice["function"] if isinstance(tool_choice.get("function"), dict) else tool_choice
		return {"type": "function", "function": {"name": named.get("name")}}, None
	return "auto", None
