"""Finds the tools that a request may use, by the names that its mode or its Python caller gave."""

from collections.abc import Sequence
from itertools import chain

import frappe

from ai_assistant import app_hooks
from ai_assistant.config import forms
from ai_assistant.config.settings import Settings

from . import mcp
from .functions import tool_of
from .tool import Tool

BUILT_IN = ("get_doc", "get_list", "search", "run_report", "get_schema")
"""The tools of this app. They need a bench."""


def tools_named(names: Sequence[str], settings: Settings) -> tuple[dict[str, Tool], list[str]]:
	"""Finds tools by their names.

	Args:
		names: names of tools of this app, of functions that the hook `ai_assistant_tools` declares, of MCP servers (all
			tools of the server), and of tools of MCP servers.
		settings: the site's settings.

	Returns:
		The tools by name, and the names of those that there are not. A tool of this app wins over a function of the same
		name.
	"""
	found = {name: _tools(name, settings) for name in dict.fromkeys(names)}
	tools: dict[str, Tool] = {}
	for tool in chain.from_iterable(found.values()):
		tools.setdefault(tool.name, tool)
	return tools, [name for name, of_name in found.items() if not of_name]


def _tools(name: str, settings: Settings) -> list[Tool]:
	if name in BUILT_IN:
		if not forms.exist():
			return []
		# Imported at the first use: the standalone site has no documents.
		from . import documents, reports

		return [tool_of(getattr(reports if name == "run_report" else documents, name))]
	if tool := _of_app(name):
		return [tool]
	return mcp.tools_of(name, settings)


def _of_app(name: str) -> Tool | None:
	for path in app_hooks.declared(app_hooks.TOOLS):
		if path.rpartition(".")[2] == name:
			try:
				return tool_of(frappe.get_attr(path))
			except Exception as error:
				# The failure of another app is not the chat's.
				app_hooks.skipped(app_hooks.TOOLS, path, "is no tool", frappe.session.user, error)
	return None
