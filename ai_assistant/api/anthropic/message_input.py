"""Reads the messages and the tools of a request to Anthropic's Messages API.

The wire is the one of Anthropic's public API reference, version 2023-06-01: a content is a string or a list of blocks
(text, image, document, thinking, tool_use, tool_result).
"""

import json
from typing import Any

from frappe import _

from ai_assistant.chat.errors import invalid
from ai_assistant.gateway.attachments import parts_of
from ai_assistant.gateway.continuation import is_continuation

from ..conversation import Conversation
from ..fields import schema_of, string_in

ROLES = ("user", "assistant", "system")
BLOCKS = ("text", "image", "document", "thinking", "redacted_thinking", "tool_use", "tool_result")
# Calls of tools that a provider runs, and their results. The site has no such tools, but another server may have
# them.
FOREIGN = ("server_tool_use", "container_upload", "compaction", "mcp_tool_use", "mcp_tool_result")
FOREIGN_RESULT = "_tool_result"
# The types of the tools that a client runs itself.
RUN_BY_CLIENT = (None, "custom")
CHOICES = {"auto": "auto", "any": "required", "none": "none"}


def conversation_of(body: dict[str, Any]) -> Conversation:
	"""Returns the `system` and the `messages` of a request, in the form of the OpenAI chat API.

	Raises:
		ChatError: `invalid_request`, with the path of the field.
	"""
	conversation = Conversation()
	_add(conversation, "system", body.get("system"), "system", "system")
	messages = body.get("messages")
	if not isinstance(messages, list) or not messages:
		raise invalid(_("{0} accepts a list of at least one {1}."), "messages", "{role, content}")
	for n, message in enumerate(messages):
		where = f"messages[{n}]"
		role = message.get("role") if isinstance(message, dict) else None
		if role not in ROLES:
			raise invalid(_("{0}.role accepts one of: {1}."), where, ", ".join(ROLES))
		if role == "assistant":
			_assistant(conversation, message.get("content"), f"{where}.content")
		else:
			_add(conversation, role, message.get("content"), f"{where}.content", where)
	return conversation


def with_marker(messages: list[dict[str, Any]], marker: Any) -> list[dict[str, Any]]:
	"""Marks the end of a conversation for the provider's cache, as a `cache_control` beside `messages` does.

	Args:
		messages: in the form of the OpenAI chat API.
		marker: the `cache_control`; None for none.
	"""
	if marker is None or not messages or not (content := messages[-1]["content"]):
		return messages
	parts = parts_of(content)
	return [
		*messages[:-1],
		{**messages[-1], "content": [*parts[:-1], {**parts[-1], "cache_control": marker}]},
	]


def _add(conversation: Conversation, role: str, content: Any, where: str, path: str) -> None:
	"""Adds a turn of the user, or instructions. Results of tools come first, because the chat API requires that.

	Args:
		where: the path of the content.
		path: the path of the turn.
	"""
	parts: list[dict[str, Any]] = []
	paths: list[str] = []
	for block_path, block in _blocks(content, where):
		if block["type"] == "tool_result" and role == "user":
			_result(conversation, block, block_path)
			continue
		own = _parts(block, block_path)
		parts += own
		paths += [block_path] * len(own)
	conversation.add(role, _plain(parts), path, paths)


def _assistant(conversation: Conversation, content: Any, where: str) -> None:
	for path, block in _blocks(content, where):
		kind = block["type"]
		if kind in ("thinking", "redacted_thinking"):
			sealed = block.get("signature" if kind == "thinking" else "data")
			if isinstance(sealed, str) and is_continuation(sealed):
				conversation.think(sealed, path)
		elif kind == "tool_use":
			tool_input = block.get("input")
			# Most models write the arguments in this form, so a provider finds its own earlier text in its cache.
			compact = json.dumps(tool_input or {}, ensure_ascii=False, separators=(",", ":"))
			arguments = tool_input if isinstance(tool_input, str) else compact
			conversation.call(string_in(block, "id", path), string_in(block, "name", path), arguments, path)
		elif kind == "text":
			conversation.say(string_in(block, "text", path), path)
		else:
			raise invalid(
				_("{0}.type accepts one of: {1}."), path, "text, thinking, redacted_thinking, tool_use"
			)


def _result(conversation: Conversation, block: dict[str, Any], where: str) -> None:
	parts = _all_parts(block, where)
	text = "\n".join(part["text"] for part in parts if part["type"] == "text")
	if block.get("is_error"):
		# The chat API has no field for it.
		text = f"Error: {text}"
	content: str | list[dict[str, Any]] = text
	if text and block.get("cache_control"):
		content = [{"type": "text", "text": text, "cache_control": block["cache_control"]}]
	images = [part for part in parts if part["type"] != "text"]
	conversation.result(string_in(block, "tool_use_id", where), content, images, where)


def _plain(parts: list[dict[str, Any]]) -> str | list[dict[str, Any]]:
	"""Joins the parts to one text if all of them are text, because not every provider accepts parts."""
	if all(part.keys() == {"type", "text"} for part in parts):
		return "\n\n".join(part["text"] for part in parts)
	return parts


def _blocks(content: Any, where: str) -> list[tuple[str, dict[str, Any]]]:
	"""Returns the blocks of a content with their paths, without those of tools that a provider runs."""
	if content is None or content == "":
		return []
	if isinstance(content, str):
		return [(where, {"type": "text", "text": content})]
	if not isinstance(content, list):
		raise invalid(_("{0} accepts a string or a list of content blocks."), where)
	blocks = []
	for n, block in enumerate(content):
		kind = block.get("type") if isinstance(block, dict) else None
		if not isinstance(kind, str):
			raise invalid(_("{0} accepts an object with a type."), f"{where}[{n}]")
		if kind not in FOREIGN and not (kind.endswith(FOREIGN_RESULT) and kind not in BLOCKS):
			blocks.append((f"{where}[{n}]", block))
	return blocks


def _parts(block: dict[str, Any], where: str) -> list[dict[str, Any]]:
	"""Returns a block of the user or of a tool as parts of the chat API. A cache marker stays where it is."""
	kind, source = block["type"], block.get("source")
	if kind == "tool_result":
		return []
	source = source if isinstance(source, dict) else {}
	mark = {"cache_control": block["cache_control"]} if block.get("cache_control") else {}
	if kind == "text":
		text = string_in(block, "text", where)
		return [{"type": "text", "text": text, **mark}] if text else []
	if kind == "image":
		return [{"type": "image_url", "image_url": {"url": _url(source, f"{where}.source")}, **mark}]
	if kind == "document":
		return [{**part, **mark} for part in _document(block, source, where)]
	if kind == "search_result":
		title = {"type": "text", "text": f"{block.get('title') or ''}\n{block.get('source') or ''}".strip()}
		return [title, *_all_parts(block, where)]
	if kind == "tool_reference":
		return [{"type": "text", "text": str(block.get("tool_name") or "")}]
	raise invalid(_("{0}.type accepts one of: {1}."), where, ", ".join(BLOCKS))


def _all_parts(block: dict[str, Any], where: str) -> list[dict[str, Any]]:
	"""Returns the blocks in a block as parts of the chat API."""
	blocks = _blocks(block.get("content"), f"{where}.content")
	return [part for path, inner in blocks for part in _parts(inner, path)]


def _url(source: dict[str, Any], where: str) -> str:
	"""Returns the address of a source: a link, or a data URL."""
	if source.get("type") == "base64":
		return f"data:{string_in(source, 'media_type', where)};base64,{string_in(source, 'data', where)}"
	if source.get("type") == "url":
		return string_in(source, "url", where)
	raise invalid(_("{0}.type accepts one of: {1}; files are not kept here."), where, "base64, url")


def _document(block: dict[str, Any], source: dict[str, Any], where: str) -> list[dict[str, Any]]:
	where, kind = f"{where}.source", source.get("type")
	title, context = (
		text if isinstance(text := block.get(name), str) else "" for name in ("title", "context")
	)
	if kind == "base64":
		named = {"filename": title} if title else {}
		file = {"type": "file", "file": {**named, "file_data": _url(source, where)}}
		return [*_texts(context), file]
	if kind == "text":
		return [*_texts(title, context), {"type": "text", "text": string_in(source, "data", where)}]
	if kind == "content":
		return [*_texts(title, context), *_all_parts(source, where)]
	raise invalid(_("{0}.type accepts one of: {1}; files are not kept here."), where, "base64, text, content")


def _texts(*texts: Any) -> list[dict[str, Any]]:
	"""Returns the title and the context of a document as parts; the chat API has no fields for them."""
	return [{"type": "text", "text": text} for text in texts if text]


def tools_of(body: dict[str, Any]) -> tuple[list[dict[str, Any]], list[str], Any, list[str]]:
	"""Returns the `tools`, their paths, the `tool_choice` in the form of the chat API, and the names that are left out.

	Tools with a type are Anthropic's own: the provider runs them, or knows their schema. They are left out, by name.

	Raises:
		ChatError: `invalid_request`.
	"""
	definitions = body.get("tools")
	if not isinstance(definitions, list | None):
		raise invalid(_("{0} accepts a list of tools."), "tools")
	tools, paths, dropped = [], [], []
	for n, tool in enumerate(definitions or []):
		if not isinstance(tool, dict):
			raise invalid(_("{0} accepts an object {1}."), f"tools[{n}]", "{name, description, input_schema}")
		if tool.get("type") not in RUN_BY_CLIENT:
			dropped.append(f"tools.{tool['type']}")
			continue
		function = {
			"name": tool.get("name"),
			"description": tool.get("description"),
			"parameters": schema_of(tool.get("input_schema")),
		}
		mark = {"cache_control": tool["cache_control"]} if tool.get("cache_control") else {}
		tools.append({"type": "function", "function": function, **mark})
		paths.append(f"tools[{n}]")
	return tools, paths, _choice(body.get("tool_choice")) if tools else None, dropped


def _choice(tool_choice: Any) -> Any:
	if tool_choice is None:
		return None
	kind = tool_choice.get("type") if isinstance(tool_choice, dict) else None
	if kind == "tool":
		return {"type": "function", "function": {"name": tool_choice.get("name")}}
	if not isinstance(kind, str) or kind not in CHOICES:
		raise invalid(_("{0} accepts one of: {1}."), "tool_choice.type", "auto, any, tool, none")
	return CHOICES[kind]
