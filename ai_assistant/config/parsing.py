"""Validates JSON with pydantic. The error for a wrong field is one sentence: the field and what it accepts."""

import json
from collections.abc import Mapping
from functools import cache
from typing import Any, TypeVar

from frappe import _
from pydantic import TypeAdapter, ValidationError

from ai_assistant.gateway.field_types import MOST
from ai_assistant.log import escaped

TYPES = {
	"boolean": "true or false",
	"object": "an object",
	"array": "a list of objects",
	"string": "a string",
}
T = TypeVar("T")
Schema = dict[str, Any]
# The parts that are wrong: the name of each, and a sentence without secrets.
Aside = list[tuple[str, str]]
# The keys and indices that lead to a field in the JSON.
Location = tuple[int | str, ...]


class Wrong(ValueError):
	"""A part of the configuration is wrong. The message is one sentence: the field and what it accepts."""


def list_of(conf: Mapping[str, Any], key: str, aside: Aside) -> list[Any]:
	"""Returns the list under `key`. A value that is not a list is set aside in `aside`."""
	values = conf.get(key)
	if not isinstance(values, list | None):
		aside.append((key, accepts(key, "a list")))
		return []
	return values or []


def section(kind: type[T], conf: Mapping[str, Any], key: str, aside: Aside) -> T:
	"""Builds a section from the fields that are right. Wrong fields are set aside in `aside`."""
	values = conf.get(key)
	return kind(**usable(kind, {} if values is None else values, key, key, aside))


def usable(kind: type[Any], values: Any, where: str, name: str, aside: Aside) -> dict[str, Any]:
	"""Returns the fields that are right. The others are set aside in `aside` under `name`."""
	try:
		_validated(kind, values)
	except ValidationError as error:
		wrong = _wrong(kind, error)
		aside += [(name, accepts(_path(where, location), words)) for location, words in wrong.items()]
		fields = {location[0] for location in wrong if location}
		return {key: values[key] for key in values if key not in fields} if fields else {}
	return dict(values)


def build(kind: type[T], values: Any, where: str) -> T:
	"""Builds a settings object from its JSON. `where` is its name in an error. Raises Wrong."""
	try:
		built: T = _validated(kind, values)
	except ValidationError as error:
		location, words = next(iter(_wrong(kind, error).items()))
		raise Wrong(accepts(_path(where, location), words)) from None
	return built


def accepts(where: str, accepted: str) -> str:
	return str(_("{0} accepts {1}.")).format(where, accepted)


@cache
def _adapter(kind: type[Any]) -> TypeAdapter[Any]:
	return TypeAdapter(kind)


def _validated(kind: Any, values: Any) -> Any:
	# As JSON, because pydantic's strict mode accepts objects and lists for dataclasses and tuples only there.
	return _adapter(kind).validate_json(json.dumps(values))


def _path(where: str, location: Location) -> str:
	parts = [f"[{part}]" if isinstance(part, int) else f".{escaped(part)}" for part in location]
	return (where + "".join(parts)).removeprefix(".") or "providers"


def _wrong(kind: Any, error: ValidationError) -> dict[Location, str]:
	"""Returns what each wrong field accepts, in the order in which pydantic reports them."""
	schema = _adapter(kind).json_schema()
	return {problem["loc"]: _words(schema, problem["loc"]) for problem in error.errors()}


def _words(root: Schema, location: Location) -> str:
	"""Returns what a JSON schema accepts at a location."""
	schema = _resolved(root, root)
	for part in location:
		properties = schema.get("properties", {})
		inner = schema.get("items") if isinstance(part, int) else schema.get("additionalProperties")
		inner = properties.get(part, inner)
		if not isinstance(inner, dict):
			# The field is unknown. Its name is probably misspelled.
			return "one of " + ", ".join(properties)
		schema = _resolved(root, inner)
	if "enum" in schema:
		return "one of " + ", ".join(schema["enum"])
	if schema["type"] in ("integer", "number"):
		number = "a whole number" if schema["type"] == "integer" else "a number"
		upper = f" to {schema['maximum']:g}" if schema["maximum"] < MOST else ""
		return f"{number} from {schema['minimum']:g}{upper}"
	if schema.get("minLength"):
		return "a string that is not empty"
	if schema.get("items", {}).get("type") == "string":
		return "a list of strings"
	return TYPES[schema["type"]]


def _resolved(root: Schema, schema: Schema) -> Schema:
	"""Follows a reference to a definition, and takes the first of a field's alternatives: the other one is null."""
	schema = schema.get("anyOf", [schema])[0]
	name = schema.get("$ref", "").rpartition("/")[2]
	return root["$defs"][name] if name else schema
