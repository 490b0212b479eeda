"""Validates the tools that a client offers to the model, as in the OpenAI chat API. The client runs them."""

import json
import re
from collections.abc import Iterator
from hashlib import sha256
from typing import Any

from frappe import _

from ai_assistant.gateway import freeform
from ai_assistant.gateway.surrogates import join_surrogates

from .errors import invalid
from .messages import cache_marker, plain_name
from .validators import listed

TOOL = '{"type": "function", "function": {"name", "description", "parameters"}}'
GRAMMAR = '{"type": "grammar", "syntax": "lark" or "regex", "definition"}'
MAX_TOOLS, MAX_CHARS, MAX_VALUES, MAX_DEPTH = 128, 200_000, 5_000, 32
CHOICES = ("none", "auto", "required")
MAX_FAULTS = 512
_faults: dict[bytes, str | None] = {}
# The keywords of a JSON Schema that refer to another one. Neither this site nor a provider may fetch it.
REFERENCES = ("$ref", "$dynamicRef", "$recursiveRef")


def tools_of(value: Any) -> list[dict[str, Any]] | None:
	"""Validates tools, sent as a list or as a JSON string. None means that none were sent.

	Raises ChatError `invalid_request`.
	"""
	if value is None:
		return None
	value = listed(value, "tools", MAX_CHARS, TOOL)
	if len(value) > MAX_TOOLS:
		raise invalid(_("tools accepts at most {0} tools."), MAX_TOOLS)
	_measure(value, "tools")
	tools = [_tool(item, f"tools[{n}]") for n, item in enumerate(value)]
	names = [tool["function"]["name"] for tool in tools]
	for n, name in enumerate(names):
		if name in names[:n]:
			raise invalid(_("tools[{0}].function.name accepts a name that no other tool has."), n)
	return tools


def choice_of(value: Any, tools: list[dict[str, Any]]) -> str | dict[str, Any] | None:
	"""Validates tool_choice. None means that it was not sent.

	Raises:
		ChatError: `invalid_request`.
	"""
	if value is None:
		return None
	if isinstance(value, str) and value in CHOICES:
		return value
	names = [tool["function"]["name"] for tool in tools]
	try:
		choice = json.loads(value) if isinstance(value, str) and len(value) < 1000 else value
		name = choice["function"]["name"]
		if choice["type"] == "function" and isinstance(name, str) and name in names:
			return {"type": "function", "function": {"name": name}}
	except (ValueError, TypeError, KeyError, RecursionError):
		pass
	form = '{"type": "function", "function": {"name": one of the tools}}'
	raise invalid(_("tool_choice accepts one of: {0}, or an object {1}."), ", ".join(CHOICES), form)


def description_of(described: dict[str, Any], where: str) -> dict[str, str]:
	"""Returns the `description` of a tool or a schema, empty if it has none. Raises ChatError `invalid_request`."""
	description = described.get("description")
	if description is None:
		return {}
	if not isinstance(description, str) or len(description) > MAX_CHARS:
		raise invalid(_("{0}.description accepts a string."), where)
	return {"description": join_surrogates(description)}


def json_schema(value: Any, where: str) -> dict[str, Any]:
	"""Checks a JSON Schema for an object. `where` names its field. Raises ChatError `invalid_request`."""
	_measure([value], where)
	return _schema(value, where)


def _measure(items: list[Any], name: str) -> None:
	"""Checks the size and the depth of a field called `name` before anything else."""
	chars, values, level = 0, 0, items
	for _depth in range(MAX_DEPTH):
		inner: list[Any] = []
		for item in level:
			if isinstance(item, str):
				chars += len(item)
			elif isinstance(item, dict):
				chars += sum(len(key) for key in item)
				inner += item.values()
			elif isinstance(item, list):
				inner += item
		values += len(inner)
		for size, most, what in ((chars, MAX_CHARS, "characters"), (values, MAX_VALUES, "values")):
			if size > most:
				raise invalid(_("{0} accepts at most {1} {2} in all."), name, most, what)
		if not inner:
			return
		level = inner
	raise invalid(_("{0} accepts objects and lists in each other to a depth of {1}."), name, MAX_DEPTH)


def _tool(tool: Any, where: str) -> dict[str, Any]:
	if not isinstance(tool, dict) or tool.get("type") != "function":
		raise invalid(_("{0} accepts an object {1}."), where, TOOL)
	function = tool.get("function")
	whole, where = where, f"{where}.function"
	if not isinstance(function, dict):
		raise invalid(_("{0} accepts an object with name, description and parameters."), where)
	made: dict[str, Any] = {"name": plain_name(function.get("name"), f"{where}.name")}
	made |= description_of(function, where)
	parameters = function.get("parameters")
	if parameters is None or parameters == {}:
		parameters = {"type": "object"}
	made["parameters"] = _schema(parameters, f"{where}.parameters")
	# OpenAI refuses the schema of an object without properties.
	made["parameters"].setdefault("properties", {})
	if (strict := function.get("strict")) is not None:
		if not isinstance(strict, bool):
			raise invalid(_("{0}.strict accepts true or false."), where)
		made["strict"] = strict
	return {"type": "function", "function": made, **_custom(tool, whole), **cache_marker(tool, whole)}


def _custom(tool: dict[str, Any], where: str) -> dict[str, Any]:
	"""Returns the field of a tool whose input is text (`ai_assistant.gateway.freeform`), {} for other tools."""
	if (custom := tool.get(freeform.FIELD)) is None:
		return {}
	form = custom.get("format") if isinstance(custom, dict) else {}
	if form is None or form == {"type": "text"}:
		return {freeform.FIELD: {}}
	if isinstance(form, dict) and form.get("type") == "grammar":
		grammar = {name: form.get(name) for name in ("syntax", "definition")}
		if grammar["syntax"] in ("lark", "regex") and isinstance(grammar["definition"], str):
			definition = join_surrogates(grammar["definition"])
			return {freeform.FIELD: {"format": {"type": "grammar", **grammar, "definition": definition}}}
	raise invalid(_("{0} accepts one of: {1}."), f"{where}.format", f'{{"type": "text"}}, {GRAMMAR}')


def _schema(value: Any, where: str) -> dict[str, Any]:
	if not isinstance(value, dict) or value.get("type") != "object":
		raise invalid(_('{0} accepts a JSON Schema {{"type": "object", "properties": {{…}}}}.'), where)
	try:
		text = join_surrogates(json.dumps(value, ensure_ascii=False, allow_nan=False))
	except ValueError:
		raise invalid(_("{0} accepts no number that JSON cannot say."), where) from None
	schema: dict[str, Any] = json.loads(text)
	for reference in _references(schema):
		if not reference.startswith("#"):
			raise invalid(_("{0} accepts references within itself alone, such as #/$defs/item."), where)
	if fault := _fault(text):
		raise invalid(_("{0} accepts a JSON Schema; at {1} it is none."), where, fault)
	return schema


def _references(schema: Any) -> Iterator[str]:
	if isinstance(schema, dict):
		yield from (schema[key] for key in REFERENCES if isinstance(schema.get(key), str))
		schema = list(schema.values())
	if isinstance(schema, list):
		for item in schema:
			yield from _references(item)


def _fault(schema: str) -> str | None:
	"""Returns where a schema, as JSON, is invalid; None if it is valid.

	The result is cached, because an agent sends the same tools in each round. The key is a hash, because a
	schema may be long.
	"""
	key = sha256(schema.encode()).digest()
	try:
		return _faults[key]
	except KeyError:
		fault = _find_fault(schema)
	if len(_faults) >= MAX_FAULTS:
		_faults.clear()
	_faults[key] = fault
	return fault


def _find_fault(schema: str) -> str | None:
	"""Validates by draft 7, even if the schema names another draft.

	Later drafts differ only in keywords that few providers support, and their validation costs twenty times as much (2.1 s
	against 0.11 s for 5,000 values).
	"""
	# This import takes 0.1 s, which only the first request with tools of a process pays.
	from jsonschema import Draft7Validator

	error = next(Draft7Validator(Draft7Validator.META_SCHEMA).iter_errors(json.loads(schema)), None)
	if error is None:
		return None
	path = "/".join(str(step) for step in error.absolute_path) or "its root"
	return re.sub(r"[^\w$/ -]", "?", path[:200])
