"""Reads the tools of a request to OpenAI's Responses API.

A tool is a function, or a custom tool, whose input is text. A namespace holds several tools. Codex sends its tools for
OpenAI's newer models in namespaces, in an item `additional_tools` of the input.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from frappe import _

from ai_assistant.chat.errors import invalid
from ai_assistant.chat.tools import CHOICES
from ai_assistant.chat.validators import one_of
from ai_assistant.gateway import freeform

from ..fields import schema_of

ADDITIONAL = "additional_tools"
# Tools in this namespace are known by their own names.
PLAIN = "functions"
RUN_BY_CLIENT = ("function", "custom")


@dataclass(frozen=True)
class CalledTool:
	"""The fields in the item of a call that name its tool."""

	name: str
	namespace: str | None = None
	is_custom: bool = False


def model_name(name: Any, namespace: Any) -> Any:
	"""Returns the name by which the model knows a tool. Tools of different namespaces may have the same name.

	A name that is not a string stays as it is. `chat.tools` refuses it.
	"""
	has_prefix = isinstance(name, str) and isinstance(namespace, str) and namespace != PLAIN
	return f"{namespace}__{name}" if has_prefix else name


def with_additional_tools(body: dict[str, Any]) -> tuple[dict[str, Any], list[str]]:
	"""Returns a request with the tools of its input in `tools`, and the path at which the client sent each of these.

	Of tools of the input with the same name the last one counts.
	"""
	items, tools = body.get("input"), body.get("tools")
	paths = [f"tools[{n}]" for n in range(len(tools))] if isinstance(tools, list) else []
	additional: dict[tuple[str, str], tuple[str, Any]] = {}
	for i, item in enumerate(items if isinstance(items, list) else ()):
		if isinstance(item, dict) and item.get("type") == ADDITIONAL and isinstance(item.get("tools"), list):
			for n, tool in enumerate(item["tools"]):
				named = isinstance(tool, dict) and tool.get("name")
				key = (str(named), "") if named else ("", str(n))
				additional[key] = f"input[{i}].tools[{n}]", tool
	if not additional or not isinstance(tools, list | None):
		return body, paths
	paths += [path for path, _tool in additional.values()]
	return {**body, "tools": [*(tools or ()), *(tool for _path, tool in additional.values())]}, paths


def called_tools(tools: Any) -> Mapping[str, CalledTool]:
	"""Returns the tools of a request that was read before, by the names by which the model knows them."""
	called = {}
	tools = tools if isinstance(tools, list) else []
	for _where, tool, namespace in _flat(tools, [""] * len(tools)):
		if isinstance(tool, dict) and isinstance(tool.get("name"), str):
			name = tool["name"]
			called[model_name(name, namespace)] = CalledTool(name, namespace, tool.get("type") == "custom")
	return called


def names_of(tools: Any) -> list[dict[str, Any]]:
	"""Returns the custom tools and the namespaces of a request, with their types and names only."""
	named: list[dict[str, Any]] = []
	for called in called_tools(tools).values():
		tool = {"type": "custom" if called.is_custom else "function", "name": called.name}
		if called.namespace is not None:
			named.append({"type": "namespace", "name": called.namespace, "tools": [tool]})
		elif called.is_custom:
			named.append(tool)
	return named


def tools_of(
	body: dict[str, Any], paths_of_body: Sequence[str]
) -> tuple[list[dict[str, Any]], list[str], Any, list[str]]:
	"""Returns functions of `tools`, their paths, `tool_choice` in the form of the chat API, and the fields that are left out.

	The chat API puts a function one level below. Tools that a provider would run are left out, by name: Codex offers its
	web search to every server. Functions that `tool_choice` does not allow are left out too.

	Args:
		body: the request.
		paths_of_body: the path of each of its `tools`.

	Raises:
		ChatError: `invalid_request`.
	"""
	definitions = body.get("tools")
	if not isinstance(definitions, list | None):
		raise invalid(_("{0} accepts a list of tools."), "tools")
	tools: list[dict[str, Any]] = []
	paths: list[str] = []
	dropped: list[str] = []
	for where, tool, namespace in _flat(definitions or [], paths_of_body):
		kind = tool.get("type") if isinstance(tool, dict) else None
		if not isinstance(kind, str):
			raise invalid(_('{0} accepts an object {{"type": "function", "name", "parameters"}}.'), where)
		if kind not in RUN_BY_CLIENT:
			dropped.append(f"tools.{kind}")
			continue
		tools.append(_custom(tool) if kind == "custom" else _function(tool))
		function = tools[-1]["function"]
		function["name"] = model_name(function["name"], namespace)
		paths.append(where)
	choice, allowed = _choice(body.get("tool_choice"))
	if allowed is not None:
		kept = [n for n, tool in enumerate(tools) if tool["function"]["name"] in allowed]
		tools, paths = [tools[n] for n in kept], [paths[n] for n in kept]
		if tools:
			choice = one_of(choice, "tool_choice.mode", CHOICES)
	return tools, paths, choice if tools else None, dropped


def _flat(tools: list[Any], paths: Sequence[str]) -> Iterator[tuple[str, Any, str | None]]:
	"""Yields the path, the definition and the namespace of each tool."""
	for path, tool in zip(paths, tools, strict=True):
		inner = tool.get("tools") if isinstance(tool, dict) and tool.get("type") == "namespace" else None
		if not isinstance(inner, list):
			yield path, tool, None
			continue
		namespace = str(tool.get("name"))
		yield from ((f"{path}.tools[{m}]", inner_tool, namespace) for m, inner_tool in enumerate(inner))


def _function(tool: dict[str, Any]) -> dict[str, Any]:
	function = tool["function"] if isinstance(tool.get("function"), dict) else tool
	named = {name: function.get(name) for name in ("name", "description", "strict")}
	return {"type": "function", "function": {**named, "parameters": schema_of(function.get("parameters"))}}


def _custom(tool: dict[str, Any]) -> dict[str, Any]:
	described = {name: tool.get(name) for name in ("name", "description")}
	function = {**described, "parameters": freeform.PARAMETERS}
	return {"type": "function", "function": function, freeform.FIELD: {"format": tool.get("format")}}


def _choice(tool_choice: Any) -> tuple[Any, list[Any] | None]:
	"""Returns a `tool_choice` in the form of the chat API, and the names of the tools that it allows, None for all."""
	if not isinstance(tool_choice, dict):
		return tool_choice, None
	if tool_choice.get("type") == "allowed_tools" and isinstance(tool_choice.get("tools"), list):
		names = [_model_name(tool) for tool in tool_choice["tools"] if isinstance(tool, dict)]
		return tool_choice.get("mode") or "auto", names
	if tool_choice.get("type") in ("function", "custom"):
		named = tool_choice["function"] if isinstance(tool_choice.get("function"), dict) else tool_choice
		return {"type": "function", "function": {"name": _model_name(named)}}, None
	return "auto", None


def _model_name(tool: dict[str, Any]) -> Any:
	return model_name(tool.get("name"), tool.get("namespace"))
