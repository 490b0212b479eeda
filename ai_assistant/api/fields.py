"""Reads a field of the body of a standard API. The error names the field and what it accepts."""

from collections.abc import Container, Mapping
from typing import Any

from frappe import _

from ai_assistant.chat.errors import invalid


def object_in(body: dict[str, Any], name: str) -> dict[str, Any]:
	"""Returns an object, {} if none was sent. Raises ChatError `invalid_request`."""
	value = body.get(name)
	if not isinstance(value, dict | None):
		raise invalid(_("{0} accepts an object."), name)
	return value or {}


def list_in(body: dict[str, Any], name: str) -> list[Any]:
	"""Returns a list, [] if none was sent. Raises ChatError `invalid_request`."""
	value = body.get(name)
	if not isinstance(value, list | None):
		raise invalid(_("{0} accepts a list."), name)
	return value or []


def string_in(item: dict[str, Any], name: str, where: str) -> str:
	"""Returns a string, which an item or a block must have. Raises ChatError `invalid_request`."""
	value = item.get(name)
	if not isinstance(value, str):
		raise invalid(_("{0}.{1} accepts a string."), where, name)
	return value


def unread(body: dict[str, Any], read: Container[str], neutral: Mapping[str, Any]) -> list[str]:
	"""Returns the names of the fields that the site ignores.

	Args:
		body: the body of a request.
		read: the names of the fields that the site reads.
		neutral: values of other fields that ask for what the site does anyway.
	"""
	return [
		name
		for name, value in body.items()
		if name not in read and value is not None and value != neutral.get(name)
	]


def schema_of(value: Any) -> Any:
	"""Returns the schema of a tool's arguments with the type of an object, which some clients leave out."""
	return {"type": "object", **value} if isinstance(value, dict) else value


def effort_of(value: Any) -> Any:
	"""Returns a reasoning effort, None for the words by which clients such as Cherry Studio leave it to the server."""
	return None if isinstance(value, str) and value in ("auto", "default") else value
