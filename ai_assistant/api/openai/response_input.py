"""Reads the input of a request to OpenAI's Responses API.

The wire is the one of OpenAI's public API reference, and of Open Responses: an input is a string or a list of items
(message, function_call, function_call_output, reasoning). The site answers with items of the same types.
"""

import json
from collections.abc import Callable, Sequence
from typing import Any

from frappe import _

from ai_assistant.chat import documents
from ai_assistant.chat.errors import invalid
from ai_assistant.gateway import freeform
from ai_assistant.gateway.continuation import is_continuation

from ..conversation import Conversation
from ..fields import string_in
from .response_object import summary_of
from .response_tools import model_name

ROLES = ("user", "assistant", "system", "developer")
TEXTS = ("input_text", "output_text", "text", "summary_text", "reasoning_text")
PARTS = ("input_text", "input_image", "input_file", "input_audio", "output_text")
# Calls of OpenAI's own tools and their results. The site has no such tools, but another server may have them.
FOREIGN = (
	*("web_search_call", "file_search_call", "code_interpreter_call", "image_generation_call"),
	*("mcp_list_tools", "mcp_call", "mcp_approval_request", "mcp_approval_response"),
	*("tool_search_call", "tool_search_output", "computer_call", "computer_call_output"),
	*("local_shell_call", "local_shell_call_output", "shell_call", "shell_call_output"),
	*("apply_patch_call", "apply_patch_call_output"),
)
DETAILS = {"low": "low", "high": "high", "original": "high"}


def conversation_of(input_items: Any, history: Sequence[dict[str, Any]]) -> Conversation:
	"""Returns the messages of `history` and then those of an `input`, in the form of the OpenAI chat API.

	Raises:
		ChatError: `invalid_request`, with the path of the field.
	"""
	conversation = Conversation(history)
	if isinstance(input_items, str):
		conversation.add("user", input_items, "input")
		return conversation
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
			# `stored_responses` has put stored items into the places of references.
			accepted = ", ".join([*ITEMS, "item_reference"])
			raise invalid(_("{0}.type accepts one of: {1}."), where, accepted)
		ITEMS[kind](conversation, item, where)
	return conversation


def _message(conversation: Conversation, item: dict[str, Any], where: str) -> None:
	role = item.get("role")
	if role not in ROLES:
		raise invalid(_("{0}.role accepts one of: {1}."), where, ", ".join(ROLES))
	text, parts = _content(item.get("content"), f"{where}.content")
	if role == "assistant":
		conversation.say(text, where)
	elif role == "user" and any(part["type"] != "text" for part in parts):
		conversation.add("user", parts, where, [f"{where}.content[{n}]" for n in range(len(parts))])
	else:
		conversation.add("user" if role == "user" else "system", text, where)


def _call(conversation: Conversation, item: dict[str, Any], where: str) -> None:
	arguments = item.get("arguments")
	if isinstance(arguments, dict):
		arguments = json.dumps(arguments, ensure_ascii=False)
	if not isinstance(arguments, str):
		raise invalid(_("{0}.arguments accepts a string with a JSON object."), where)
	_add_call(conversation, item, where, arguments or "{}")


def _custom_call(conversation: Conversation, item: dict[str, Any], where: str) -> None:
	_add_call(conversation, item, where, freeform.arguments_of(string_in(item, "input", where)))


def _add_call(conversation: Conversation, item: dict[str, Any], where: str, arguments: str) -> None:
	call_id, name = string_in(item, "call_id", where), string_in(item, "name", where)
	conversation.call(call_id, model_name(name, item.get("namespace")), arguments, where)


def _output(conversation: Conversation, item: dict[str, Any], where: str) -> None:
	text, parts = _content(item.get("output"), f"{where}.output")
	images = [part for part in parts if part["type"] != "text"]
	conversation.result(string_in(item, "call_id", where), text, images, where)


def _reasoning(conversation: Conversation, item: dict[str, Any], where: str) -> None:
	sealed = item.get("encrypted_content")
	if isinstance(sealed, str) and is_continuation(sealed):
		conversation.think(sealed, where)


def _compaction(conversation: Conversation, item: dict[str, Any], where: str) -> None:
	summary = summary_of(item.get("encrypted_content"))
	if summary is not None:
		conversation.add("user", f"Summary of the conversation so far:\n\n{summary}", where)


def _tools(conversation: Conversation, item: dict[str, Any], where: str) -> None:
	"""Offers tools, which `response_tools` reads. It is no part of the conversation."""


ITEMS: dict[str, Callable[[Conversation, dict[str, Any], str], None]] = {
	"message": _message,
	"function_call": _call,
	"function_call_output": _output,
	"custom_tool_call": _custom_call,
	"custom_tool_call_output": _output,
	"additional_tools": _tools,
	"reasoning": _reasoning,
	"compaction": _compaction,
}


def _content(content: Any, where: str) -> tuple[str, list[dict[str, Any]]]:
	"""Returns the text of a content, and its parts in the form of the chat API."""
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
		return _file(part, where)
	if kind == "input_audio":
		return {"type": kind, kind: part.get(kind)}
	raise invalid(_("{0}.type accepts one of: {1}."), where, ", ".join(PARTS))


def _file(part: dict[str, Any], where: str) -> dict[str, Any]:
	"""Returns a PDF as a file, and a text as the text of the message, because few providers accept other files than PDFs.

	OpenAI does so too: https://developers.openai.com/api/docs/guides/file-inputs.
	"""
	url, name = part.get("file_data"), part.get("filename")
	if isinstance(url, str) and documents.PDF.match(url):
		named = {"filename": name} if isinstance(name, str) else {}
		return {"type": "file", "file": {**named, "file_data": url}}
	text = documents.text_of(url) if isinstance(url, str) else None
	if text is None:
		raise invalid(
			_("{0}.file_data accepts a data URL with a PDF or a UTF-8 text; files are not kept here."), where
		)
	title = f"{name}\n\n" if isinstance(name, str) and name else ""
	return {"type": "text", "text": f"\n\n{title}{text}\n\n"}
