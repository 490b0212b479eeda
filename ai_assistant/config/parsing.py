"""Builds settings from JSON. The error for a wrong field is one sentence: the field and what it accepts."""

from collections.abc import Iterator, Mapping
from dataclasses import fields
from inspect import formatannotation
from typing import Any, TypeVar

from frappe import _

from ai_assistant.gateway.caching import SETTINGS as PROMPT_CACHES
from ai_assistant.gateway.efforts import EFFORTS
from ai_assistant.gateway.trimming import SETTINGS as TRIMS
from ai_assistant.log import escaped

from .sections import Limits

# The largest number. With a larger price one answer could use up every budget, and MariaDB could not store the cost.
MOST = 10**15
# Fields that may not be empty. With an empty key litellm would look for one in the environment of the process.
NEEDED = ("name", "api", "api_key", "default_model")
# What a field accepts. The first of these types that is part of its annotation counts.
WORDS = {
	"dict": "an object",
	"tuple": "a list of strings",
	"bool": "true or false",
	"int": "a whole number from 0",
	"float": "a number from 0",
	"str": "a string",
}
T = TypeVar("T")


class Wrong(ValueError):
	"""A part of the configuration is wrong. The message is one sentence: the field and what it accepts."""


def list_of(conf: Mapping[str, Any], key: str, aside: list[tuple[str, str]]) -> list[Any]:
	"""Returns the list under `key`. A value that is not a list is set aside in `aside`."""
	values = conf.get(key)
	if not isinstance(values, list | None):
		aside.append((key, accepts(key, "a list")))
		return []
	return values or []


def section(
	kind: type[T], conf: Mapping[str, Any], key: str, aside: list[tuple[str, str]], strict: bool = False
) -> T:
	"""Builds a section from the fields that are right. Wrong fields are set aside in `aside`.

	Args:
		strict: whether an unknown field is wrong. Otherwise it is ignored, because the configuration may be for a later
			version of the app.
	"""
	values = conf.get(key)
	if isinstance(values, Mapping) and not strict:
		names = {field.name for field in fields(kind)}  # type: ignore[arg-type]
		values = {name: value for name, value in values.items() if name in names}
	return kind(**usable(kind, {} if values is None else values, key, key, aside))


def usable(
	kind: type[Any], values: Any, where: str, name: str, aside: list[tuple[str, str]]
) -> dict[str, Any]:
	"""Returns the fields that are right. The others are set aside in `aside` under `name`."""
	wrong = dict(_wrong(kind, values, where))
	aside += [(name, accepts(path, accepted)) for path, accepted in wrong.items()]
	if not isinstance(values, Mapping):
		return {}
	known = [field.name for field in fields(kind) if field.name in values]
	return {key: values[key] for key in known if f"{where}.{key}" not in wrong}


def build(kind: type[T], values: Any, where: str) -> T:
	"""Builds a settings object from its JSON. Raises Wrong."""
	for path, accepted in _wrong(kind, values, where):
		raise Wrong(accepts(path, accepted))
	return kind(**values)


def _wrong(kind: type[Any], values: Any, where: str) -> Iterator[tuple[str, str]]:
	"""Yields each field that is wrong in the JSON of a settings object, and what it accepts."""
	if not isinstance(values, Mapping):
		yield where or "providers", "an object"
		return
	known = {field.name: formatannotation(field.type) for field in fields(kind)}
	needed = [name for name in NEEDED if name in known and not values.get(name)]
	for name in needed:
		yield f"{where}.{name}" if where else name, "a string that is not empty"
	for name, value in values.items():
		if name in needed:
			continue
		path = f"{where}.{name}" if where else str(name)
		if name not in known:
			# It is probably a misspelled name.
			yield path.removesuffix(str(name)) + escaped(name), "one of " + ", ".join(known)
		elif not _fits(value, known[name]):
			yield path, next(words for kind_of, words in WORDS.items() if kind_of in known[name])
		elif kind is Limits and value is not None and value < 1:
			yield path, "a number from 1"
		elif name == "reasoning_effort" and value not in (None, *EFFORTS):
			yield path, "one of " + ", ".join(EFFORTS)
		elif name == "trim" and value not in (None, *TRIMS):
			yield path, "one of " + ", ".join(TRIMS)
		elif name == "prompt_cache" and value not in PROMPT_CACHES:
			yield path, "one of " + ", ".join(PROMPT_CACHES)
		elif name == "temperature" and value is not None and value > 2:
			yield path, "a number from 0 to 2"


def _fits(value: Any, annotation: str) -> bool:
	if value is None:
		return "None" in annotation
	if "bool" in annotation or isinstance(value, bool):
		return "bool" in annotation and isinstance(value, bool)
	if "int" in annotation or "float" in annotation:
		return isinstance(value, int if "int" in annotation else int | float) and 0 <= value <= MOST
	if "dict" in annotation:
		return isinstance(value, dict)
	if "tuple" in annotation:
		return isinstance(value, tuple) and all(isinstance(item, str) for item in value)
	return isinstance(value, str)


def accepts(where: str, accepted: str) -> str:
	return str(_("{0} accepts {1}.")).format(where, accepted)
