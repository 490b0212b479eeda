"""The tools of `ai-assistant chat --tools FILE`: the functions of a Python file, run here as the model calls them."""

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
			functions = {
				name: function
				for name, function in inspect.getmembers(module, inspect.isfunction)
				if function.__module__ == module.__name__ and not name.startswith("_")
			}
			self._adapters: dict[str, TypeAdapter[Any]] = {
				name: TypeAdapter(function)  # type: ignore[arg-type]
				for name, function in functions.items()
			}
			self.offered = [self._offer(name, function) for name, function in functions.items()]
		except Exception as error:
			raise ValueError(f"{path} cannot be loaded: {type(error).__name__}: {error}") from error
		if not functions:
			raise ValueError(f"{path} defines no function that could be a tool.")

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
			return result if isinstance(result, str) else json.dumps(result, ensure_ascii=False, default=str)
		except Exception as error:
			return f"error: {type(error).__name__}: {error}"
