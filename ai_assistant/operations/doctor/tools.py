"""Checks of the tools of the site: the names in modes, and the servers of the Model Context Protocol."""

from collections.abc import Iterable
from functools import partial

from ai_assistant.config.settings import McpServer, Settings, load
from ai_assistant.tools import mcp
from ai_assistant.tools.catalog import tools_named
from ai_assistant.tools.tool import ToolError

from .check import Check, CheckFailed, counted


def tools() -> Iterable[Check]:
	"""Makes a check for each MCP server, and one for the tools that modes name, if there are any."""
	loaded = load()
	checks = [
		Check(f"MCP server {server.name}", partial(mcp_server, server), deadline_s=2 * mcp.LIST_S)
		for server in loaded.mcp_servers.values()
	]
	if any(mode.tools for mode in loaded.modes.values()):
		checks.append(Check("tools", partial(modes, loaded), deadline_s=30.0))
	return checks


def mcp_server(server: McpServer) -> str:
	"""Checks that a server answers with its tools."""
	try:
		listed = mcp.listed(server)
	except ToolError as error:
		raise CheckFailed(
			str(error),
			f"Correct AI MCP Server {server.name}, or disable it. docs/tools.md has the package it needs.",
		) from None
	asks = "the user approves each call" if server.ask_first else "calls run without approval"
	return f"{counted(len(listed), 'tool')}; {asks}"


def modes(loaded: Settings) -> str:
	"""Checks that the tools exist that modes name."""
	names = {mode.name: mode.tools for mode in loaded.modes.values() if mode.tools}
	for mode, tools in names.items():
		_tools, missing = tools_named(tools, loaded)
		if missing:
			raise CheckFailed(
				f"the mode {mode} names {', '.join(missing)}, which this site does not have",
				"Correct Tools of the Site in AI Assistant Settings, or install the app that has them.",
			)
	return ", ".join(f"{mode}: {counted(len(tools), 'name')}" for mode, tools in names.items())
