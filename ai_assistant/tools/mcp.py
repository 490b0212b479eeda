"""Tools of servers of the Model Context Protocol, which an administrator configures. They are asked over HTTP only.

The official client, the package `mcp`, is optional (docs/tools.md). Each call opens a session of its own, so a server that
restarts is no problem. The client runs on the loop of the providers.
"""

import asyncio
import hashlib
import re
import time
from collections.abc import Awaitable, Callable
from concurrent.futures import Future
from concurrent.futures import TimeoutError as OutOfTime
from datetime import timedelta
from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar

import frappe
from frappe import _

from ai_assistant.config.settings import McpServer, Settings
from ai_assistant.gateway.bridge import provider_loop
from ai_assistant.gateway.schemas import Inliner, TooLarge
from ai_assistant.log import fields, logger

from .tool import MAX_DESCRIPTION_CHARS, NAME, Caller, Tool, ToolError, as_text

if TYPE_CHECKING:
	from mcp import ClientSession

# How long the list of a server may take, how long it is remembered, and how long a failure is.
LIST_S, REMEMBERED_S, FAILURE_REMEMBERED_S = 5.0, 300.0, 30.0
# The seconds of one HTTP request of a call.
CALL_S = 20.0
MAX_TOOLS = 64
# Between the name of the server and that of its tool.
SEPARATOR = "__"
T = TypeVar("T")

# By site, server and a hash of its configuration: until when the list counts, and the list.
_lists: dict[tuple[str, str, str], tuple[float, list[Tool]]] = {}


def tools_of(name: str, settings: Settings) -> list[Tool]:
	"""Returns the tools of a server, or the one tool of a name `SERVER__TOOL`. It is empty if there are none.

	A server that does not answer has no tools. The log says why.
	"""
	server_name, _separator, tool = name.partition(SEPARATOR)
	server = settings.mcp_servers.get(server_name)
	if server is None:
		return []
	return [listed_tool for listed_tool in _remembered(server) if not tool or listed_tool.name == name]


def listed(server: McpServer) -> list[Tool]:
	"""Asks a server for its tools.

	Raises:
		ToolError: with a sentence for the administrator.
	"""
	future = _submit(server, _list, LIST_S)
	try:
		tools_found = future.result(LIST_S + 1)
	except OutOfTime:
		future.cancel()
		raise ToolError(_("The server takes longer than {0} seconds.").format(f"{LIST_S:g}")) from None
	return [tool for entry in tools_found[:MAX_TOOLS] if (tool := _tool(server, entry))]


def _remembered(server: McpServer) -> list[Tool]:
	known_as = hashlib.sha256(repr((server, server.token)).encode()).hexdigest()
	key = (frappe.local.site, server.name, known_as)
	until, tools = _lists.get(key, (0.0, []))
	if time.monotonic() < until:
		return tools
	try:
		tools, seconds = listed(server), REMEMBERED_S
	except ToolError as error:
		logger().warning(f"[Tool] the MCP server is not used: {error} {fields(name=server.name)}")
		tools, seconds = [], FAILURE_REMEMBERED_S
	_lists[key] = (time.monotonic() + seconds, tools)
	return tools


def _tool(server: McpServer, entry: Any) -> Tool | None:
	name = f"{server.name}{SEPARATOR}{re.sub(r'[^A-Za-z0-9_-]', '_', entry.name)}"
	try:
		parameters = Inliner().inlined(entry.inputSchema)
	except TooLarge:
		return None
	if not NAME.fullmatch(name):
		return None
	description = (entry.description or "")[:MAX_DESCRIPTION_CHARS]
	return Tool(name, description, parameters, server.ask_first, partial(_start, server, entry.name))


def _start(server: McpServer, name: str, arguments: dict[str, Any], caller: Caller) -> "Future[str]":
	async def call(session: "ClientSession") -> str:
		return _text_of(await session.call_tool(name, arguments))

	return _submit(server, call, CALL_S)


async def _list(session: "ClientSession") -> list[Any]:
	page = await session.list_tools()
	tools = list(page.tools)
	while page.nextCursor and len(tools) < MAX_TOOLS:
		page = await session.list_tools(page.nextCursor)
		tools += page.tools
	return tools


def _submit(server: McpServer, use: "Callable[[ClientSession], Awaitable[T]]", seconds: float) -> "Future[T]":
	"""Opens a session with a server on the loop of the providers, and calls `use` with it.

	The exception of the Future is a ToolError.
	"""
	try:
		import anyio
		from mcp import ClientSession
		from mcp.client.streamable_http import streamablehttp_client
	except ImportError:
		raise ToolError(
			_("The Python package mcp is not installed; docs/tools.md says which version.")
		) from None
	headers = {"Authorization": f"Bearer {server.token}"} if server.token else {}
	timeout = timedelta(seconds=seconds)

	async def run() -> T:
		try:
			with anyio.fail_after(seconds):
				async with (
					streamablehttp_client(server.url, headers, timeout, timeout) as (
						read,
						write,
						_session_id,
					),
					ClientSession(read, write, timeout) as session,
				):
					await session.initialize()
					return await use(session)
		except Exception as error:
			raise ToolError(_reason(server, error, seconds)) from None

	return asyncio.run_coroutine_threadsafe(run(), provider_loop())


def _reason(server: McpServer, error: BaseException, seconds: float) -> str:
	"""Returns a sentence about a failure, without the address, the token and the server's own words."""
	# anyio wraps errors in groups, which Python 3.10 does not have.
	while inner := getattr(error, "exceptions", None):
		error = inner[0]
	if isinstance(error, ToolError):
		return str(error)
	if isinstance(error, TimeoutError):
		return str(_("The server takes longer than {0} seconds.").format(f"{seconds:g}"))
	status = getattr(getattr(error, "response", None), "status_code", None)
	if status:
		return str(_("The server {0} answers with HTTP {1}.").format(server.name, status))
	return str(_("The server {0} cannot be asked ({1}).").format(server.name, type(error).__name__))


def _text_of(result: Any) -> str:
	"""Returns the text of a result. Raises ToolError for a result that says it is an error."""
	texts = [part.text if part.type == "text" else f"[{part.type}]" for part in result.content]
	structured = getattr(result, "structuredContent", None)
	text = as_text("\n".join(texts) if texts or structured is None else structured)
	if result.isError:
		raise ToolError(text)
	return text
