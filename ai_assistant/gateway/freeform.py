"""Tools whose input is text and not JSON: `custom` tools of OpenAI's Responses API, such as Codex' apply_patch.

A tool of this kind is a function with one string, `input`, and has the field `custom` beside its `function`: an object
with the `format` of the input, if it has one. Providers of the Responses API get it as a custom tool, all others as the
function.
"""

import json
import re
from collections.abc import Iterable
from dataclasses import replace
from typing import Any

from .chunks import Ask
from .strict_json import object_of

FIELD, INPUT = "custom", "input"
# OpenAI has custom tools since GPT-5.
_OLDER = re.compile(r"(?:.*/)?(?:gpt-[34]|o[134]\b|chatgpt-4)")
PARAMETERS = {"type": "object", "properties": {INPUT: {"type": "string"}}, "required": [INPUT]}
# How the arguments of a call begin and end.
BEGIN, END = f'{{"{INPUT}":"', '"}'
_BEGIN = re.compile(rf'\s*{{\s*"{INPUT}"\s*:\s*"')
# What a JSON string may be cut after: whole characters and escapes. A pair of surrogates is one.
_WHOLE = re.compile(
	r'(?:[^"\\]|\\["\\/bfnrt]|\\u[dD][89abAB][0-9a-fA-F]{2}\\u[0-9a-fA-F]{4}'
	r"|\\u(?![dD][89abAB])[0-9a-fA-F]{4})*"
)


def names_of(tools: Iterable[dict[str, Any]] | None) -> frozenset[str]:
	"""Returns the names of those tools whose input is text."""
	return frozenset(tool["function"]["name"] for tool in tools or () if FIELD in tool)


def for_provider(api: str, ask: Ask) -> Ask:
	"""Returns the question with functions in the place of custom tools, unless the provider's model has these.

	The description of a function says what the format of its input is.
	"""
	if not names_of(ask.tools) or (api == "openai_responses" and not _OLDER.match(ask.model)):
		return ask
	return replace(ask, tools=[_as_function(tool) for tool in ask.tools or ()])


def _as_function(tool: dict[str, Any]) -> dict[str, Any]:
	if FIELD not in tool:
		return tool
	form = tool[FIELD].get("format") or {}
	described = [tool["function"].get("description") or ""]
	if form.get("type") == "grammar":
		described.append(f"`{INPUT}` matches this {form['syntax']} grammar:\n{form['definition']}")
	function = {**tool["function"], "description": "\n\n".join(part for part in described if part)}
	return {**{name: value for name, value in tool.items() if name != FIELD}, "function": function}


def arguments_of(text: str) -> str:
	"""Returns the arguments of a call with this input."""
	return BEGIN + escaped(text) + END


def escaped(piece: str) -> str:
	"""Returns a piece of the input as it stands between BEGIN and END."""
	return json.dumps(piece, ensure_ascii=False)[1:-1]


def input_of(arguments: str) -> str:
	"""Returns the input of a call: the field `input` of its arguments, or else the arguments themselves."""
	value = (object_of(arguments) or {}).get(INPUT)
	return value if isinstance(value, str) else arguments


class InputReader:
	"""Reads the input of one call while its arguments arrive."""

	def __init__(self) -> None:
		self._held = ""
		self._has_begun = False
		self._read: list[str] = []

	def feed(self, piece: str) -> str:
		"""Returns the part of the input that a piece of the arguments completes."""
		self._held += piece
		if not self._has_begun:
			begin = _BEGIN.match(self._held)
			if begin is None:
				return ""
			self._has_begun, self._held = True, self._held[begin.end() :]
		whole = _WHOLE.match(self._held)
		end = whole.end() if whole else 0
		text: str = json.loads(f'"{self._held[:end]}"', strict=False)
		self._held = self._held[end:]
		self._read.append(text)
		return text

	def rest(self, arguments: str) -> tuple[str, str]:
		"""Returns the whole input of the call, and the part of it that `feed` has not returned.

		Args:
			arguments: all arguments of the call.
		"""
		text, read = input_of(arguments), "".join(self._read)
		return (text, text[len(read) :]) if text.startswith(read) else (read, "")
