"""The tools of `ai-assistant chat --tools FILE`: the functions of a Python file, run here as the model calls them."""

import asyncio
import importlib.util
import inspect
import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter
from pydantic_core import ArgsKwargs

# Not the file's own, which may be that of another module.
MODULE = "ai_assistant_local_tools"


class LocalTools:
	"""Each function of the file that has no underscore before its name is a tool.

	Its docstring tells the model what it is for, its annotations are checked before it is called.
	"""

	def __init__(self, path: Path) -> None:
		"""Runs the file. Raises ValueError for one that has no such function, or that cannot be run."""
		spec = importlib.util.spec_from_file_location(MODULE, path)
		if spec is None or spec.loader is None:
			raise ValueError(f"{path} is no Python file.")
		# Where dataclasses and annotations look for what they name.
		sys.modules[MODULE] = module = importlib.util.module_from_spec(spec)
		try:
			spec.loader.exec_module(module)
		except (Exception, SystemExit) as error:
			raise ValueError(f"{path} cannot be loaded: {_in_a_line(error)}") from error
		functions = {
			name: function
			for name, function in inspect.getmembers(module, inspect.isfunction)
			if function.__module__ == module.__name__ and not name.startswith("_")
		}
		if not functions:
			raise ValueError(f"{path} defines no function that could be a tool.")
		self._adapters: dict[str, TypeAdapter[Any]] = {}
		self.offered: list[dict[str, Any]] = []
		for name, function in functions.items():
			try:
				self._adapters[name] = TypeAdapter(function)  # type: ignore[arg-type]
				offered = self._offer(name, function)
			except Exception as error:
				raise ValueError(f"{name}() of {path} cannot be a tool: {_in_a_line(error)}") from error
			if offered["function"]["parameters"].get("type") != "object":
				raise ValueError(
					f"{name}() of {path} cannot be a tool: its parameters are not given by name."
				)
			self.offered.append(offered)

	def _offer(self, name: str, function: Any) -> dict[str, Any]:
		described = {"name": name, "parameters": self._adapters[name].json_schema()}
		if description := inspect.getdoc(function):
			described["description"] = description
		return {"type": "function", "function": described}

	def run(self, call: Mapping[str, Any]) -> str:
		"""What the model is told of a call, as an answer's `tool_calls` have it. A failure is told too: it may try again."""
		name = call["function"]["name"]
		if call.get("arguments_error"):
			return f"error: {call['arguments_error']}"
		if name not in self._adapters:
			return f"error: there is no tool {name}"
		try:
			arguments = json.loads(call["function"]["arguments"] or "{}")
			result = self._adapters[name].validate_python(ArgsKwargs((), arguments))
			if inspect.iscoroutine(result):
				result = asyncio.run(result)
			return result if isinstance(result, str) else json.dumps(result, ensure_ascii=False, default=str)
		except (Exception, SystemExit) as error:
			return f"error: {type(error).__name__}: {error}"


def _in_a_line(error: BaseException) -> str:
	"""An exception's first line: what pydantic says after it is for who writes models."""
	return f"{type(error).__name__}: {error}".partition("\n")[0]
