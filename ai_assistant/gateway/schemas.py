"""Replaces the references in a JSON Schema by copies, for an API that takes no references."""

from typing import Any
from urllib.parse import unquote

# The size of all tools of a question in characters: twice what the site accepts. Each value counts as VALUE_SIZE more.
MAX_SIZE, VALUE_SIZE = 400_000, 20
# The depth of objects and lists. Libraries on the way to a provider stop at a hundred.
MAX_DEPTH = 64
DEFINITIONS = ("$defs", "definitions", "components")


class TooLarge(Exception):
	"""With copies in the place of references the schemas exceed MAX_SIZE or MAX_DEPTH."""


class Inliner:
	"""Replaces the references in all tools of a question, which share one MAX_SIZE.

	A few definitions that refer to each other twice make an exponential number of copies, so each copy is counted before it
	is made.
	"""

	def __init__(self) -> None:
		self._room = MAX_SIZE

	def inlined(self, schema: dict[str, Any]) -> dict[str, Any]:
		"""Returns the schema with a copy in the place of each reference. Raises TooLarge."""
		plain = {name: value for name, value in schema.items() if name not in DEFINITIONS}
		made: dict[str, Any] = self._copy(plain, schema, ("#",), 0)
		return made

	def _copy(self, value: Any, root: dict[str, Any], within: tuple[str, ...], depth: int) -> Any:
		self._room -= VALUE_SIZE
		if isinstance(value, str):
			self._room -= len(value)
		elif isinstance(value, dict):
			self._room -= sum(len(key) for key in value)
		if self._room < 0 or depth > MAX_DEPTH:
			raise TooLarge()
		if isinstance(value, list):
			return [self._copy(item, root, within, depth + 1) for item in value]
		if not isinstance(value, dict):
			return value
		reference = value.get("$ref")
		if not isinstance(reference, str):
			return {name: self._copy(item, root, within, depth + 1) for name, item in value.items()}
		self._room -= len(reference)
		target = _resolved(root, reference)
		if not isinstance(target, dict):
			target = {}
		if reference in within:
			# A definition that contains itself has no end, so its inner copy has only its type and description.
			target = {name: target[name] for name in ("type", "description") if name in target}
		beside = {name: item for name, item in value.items() if name != "$ref"}
		return self._copy({**target, **beside}, root, (*within, reference), depth + 1)


def _resolved(root: dict[str, Any], reference: str) -> Any:
	"""Returns the value that a JSON Pointer within the schema points to; None for nothing."""
	head, *steps = unquote(reference).split("/")
	node: Any = root if head == "#" else None
	for step in steps:
		step = step.replace("~1", "/").replace("~0", "~")
		if isinstance(node, list):
			node = {str(index): item for index, item in enumerate(node)}
		node = node.get(step) if isinstance(node, dict) else None
	return node
