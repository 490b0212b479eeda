"""The tools of `ai-assistant chat --tools FILE`: functions of a Python file, which run here when the model calls them."""

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

# The file's own name may be that of another module.
MODULE = "ai_assistant_local_tools"


class LocalTools:
	"""The public functions of a Python file, as tools.

	The docstring of a function is its description for the model. Arguments are checked by its annotations.

	Attributes:
		offered: The tools in the form of the OpenAI chat API.
	"""

	def __init__(self, path: Path) -> None:
		"""Run the file. Raises ValueError if it cannot be run or has no such function."""
		spec = importlib.util.spec_from_file_location(MODULE, path)
		if spec is None or spec.loader is None:
			raise ValueError(f"{path} is no Python file.")
		# dataclasses and annotations look up names there.
		sys.modules[MODULE] = module = importlib.util.module_from_spec(spec)
		try:
			spec.loader.exec_module(module)
		except (Exception, SystemExit) as error:
			raise ValueError(f"{path} cannot be loaded: {_one_line(error)}") from error
		self._adapters: dict[str, TypeAdapter[Any]] = {}
		self.offered: list[dict[str, Any]] = []
		for name, function in inspect.getmembers(module, inspect.isfunction):
			if function.__module__ != module.__name__ or name.startswith("_"):
				continue
			try:
				self._adapters[name] = TypeAdapter(function)  # type: ignore[arg-type]
				parameters = self._adapters[name].json_schema()
			except Exception as error:
				raise ValueError(f"{name}() of {path} cannot be a tool: {_one_line(error)}") from error
			if parameters.get("type") != "object":
				raise ValueError(
					f"{name}() of {path} cannot be a tool: its parameters are not given by name."
				)
			definition = {"name": name, "parameters": parameters}
			if description := inspect.getdoc(function):
				definition["description"] = description
			self.offered.append({"type": "function", "function": definition})
		if not self.offered:
			raise ValueError(f"{path} defines no function that could be a tool.")

	def run(self, call: Mapping[str, Any]) -> str:
		"""Run a tool call of an answer.

		Returns:
			The result for the model, or an error that it may react to.
		"""
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


def _one_line(error: BaseException) -> str:
	"""The first line of an exception. pydantic's other lines are for authors of pydantic models."""
	return f"{type(error).__name__}: {error}".partition("\n")[0]
