"""Measures a question in bytes, from which its tokens are estimated."""

import json
from typing import Any

# About a thousand tokens at four bytes each, which lies between the counts of the providers.
ATTACHMENT_BYTES = 4000


def bytes_of(messages: list[dict[str, Any]]) -> int:
	"""Returns the bytes of valid messages as JSON without escapes, with ATTACHMENT_BYTES for each part that is not text.

	The length of an image's data says nothing about its tokens. A continuation is not counted. The messages are not
	encoded, because that would cost several milliseconds for each megabyte.
	"""
	attachments, plain = 0, []
	for message in messages:
		if "continuation" in message:
			message = {name: value for name, value in message.items() if name != "continuation"}
		if isinstance(content := message.get("content"), list):
			message = {**message, "content": [part for part in content if part["type"] == "text"]}
			attachments += len(content) - len(message["content"])
		plain.append(message)
	return _bytes_as_json(plain) + ATTACHMENT_BYTES * attachments


def bytes_of_tools(tools: list[dict[str, Any]] | None) -> int:
	"""Returns the bytes of the tools of a question as JSON."""
	return len(json.dumps(tools, ensure_ascii=False).encode()) if tools else 0


def _bytes_as_json(value: Any) -> int:
	if isinstance(value, str):
		return 2 + (len(value) if value.isascii() else len(value.encode(errors="replace")))
	size = 0
	if isinstance(value, dict):
		for name, item in value.items():
			size += _bytes_as_json(name) + 2 + _bytes_as_json(item)
	elif isinstance(value, list):
		for item in value:
			size += _bytes_as_json(item)
	else:
		return len(json.dumps(value))
	# The brackets, and a comma and a space between two items.
	return 2 + size + 2 * max(0, len(value) - 1)
