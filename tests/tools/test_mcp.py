"""Tests the tools of MCP servers against a real server of the official package, over HTTP."""

import asyncio
import json
import threading
from collections.abc import Iterator
from concurrent.futures import Future
from typing import Any

import frappe
import pytest
import uvicorn
from mcp.server.fastmcp import FastMCP

from ai_assistant.chat import lifecycle
from ai_assistant.config.settings import McpServer, Settings
from ai_assistant.operations.doctor import tools as doctor
from ai_assistant.operations.doctor.check import CheckFailed
from ai_assistant.tools import mcp
from ai_assistant.tools.catalog import tools_named
from ai_assistant.tools.tool import Caller, ToolError
from tests.chat.conftest import ANN, ChatSite
from tests.support import script

TOKEN = "wiki-token-5b1c"
CALLER = Caller(ANN)


class Wiki:
	"""A server on loopback with three tools. It answers 401 to a wrong token."""

	def __init__(self) -> None:
		self.seen: list[str] = []
		self.pages: list[str] = []
		server = FastMCP("wiki", stateless_http=True, json_response=True)

		@server.tool()
		def find_page(text: str) -> str:
			"""Finds a page."""
			if text == "fail":
				raise ValueError("no such page")
			return f"page about {text}"

		@server.tool()
		def add_page(text: str) -> str:
			"""Adds a page."""
			self.pages.append(text)
			return f"page {len(self.pages)}"

		@server.tool()
		async def slow_page() -> str:
			"""Takes long."""
			await asyncio.sleep(30)
			return "late"

		app = server.streamable_http_app()

		async def guarded(scope: Any, receive: Any, send: Any) -> None:
			if scope["type"] == "http":
				sent = dict(scope["headers"]).get(b"authorization", b"").decode()
				self.seen.append(sent)
				if sent != f"Bearer {TOKEN}":
					await send({"type": "http.response.start", "status": 401, "headers": []})
					await send({"type": "http.response.body", "body": b"secret body of the server"})
					return
			await app(scope, receive, send)

		self._server = uvicorn.Server(uvicorn.Config(guarded, port=0, log_level="critical"))
		self._thread = threading.Thread(target=self._server.run, daemon=True)

	def __enter__(self) -> "Wiki":
		self._thread.start()
		while not self._server.started:
			self._thread.join(0.02)
		port = self._server.servers[0].sockets[0].getsockname()[1]
		self.url = f"http://127.0.0.1:{port}/mcp"
		return self

	def __exit__(self, *exc: object) -> None:
		self._server.should_exit = True
		self._server.force_exit = True
		self._thread.join()


@pytest.fixture(scope="module")
def wiki() -> Iterator[Wiki]:
	with Wiki() as server:
		yield server


@pytest.fixture(autouse=True)
def site(monkeypatch: pytest.MonkeyPatch) -> None:
	monkeypatch.setattr(frappe.local, "site", "s", raising=False)
	mcp._lists.clear()


def settings(server: McpServer) -> Settings:
	return Settings(mcp_servers={server.name: server})


def server_of(wiki: Wiki, **more: Any) -> McpServer:
	return McpServer("wiki", wiki.url, **{"token": TOKEN, **more})


def test_a_mode_may_name_a_server_or_one_of_its_tools(wiki: Wiki) -> None:
	tools, missing = tools_named(
		("wiki", "wiki__find_page", "wiki__nothing", "other"), settings(server_of(wiki))
	)
	assert (sorted(tools), missing) == (
		["wiki__add_page", "wiki__find_page", "wiki__slow_page"],
		["wiki__nothing", "other"],
	)
	tool = tools["wiki__find_page"]
	assert (tool.description, tool.asks_first) == ("Finds a page.", True)
	assert tool.parameters["properties"]["text"]["type"] == "string"
	assert not tools_named(("wiki",), settings(server_of(wiki, ask_first=False)))[0][
		"wiki__find_page"
	].asks_first


def test_a_call_returns_its_text_or_its_error(wiki: Wiki) -> None:
	(tool,) = mcp.tools_of("wiki__find_page", settings(server_of(wiki)))
	assert tool.start({"text": "whales"}, CALLER).result(10) == "page about whales"
	with pytest.raises(ToolError, match="no such page"):
		tool.start({"text": "fail"}, CALLER).result(10)
	with pytest.raises(ToolError):
		tool.start({"wrong": 1}, CALLER).result(10)
	assert set(wiki.seen) == {f"Bearer {TOKEN}"}


def test_a_call_that_takes_long_is_ended(wiki: Wiki, monkeypatch: pytest.MonkeyPatch) -> None:
	monkeypatch.setattr(mcp, "CALL_S", 0.5)
	(tool,) = mcp.tools_of("wiki__slow_page", settings(server_of(wiki)))
	with pytest.raises(ToolError, match=r"longer than 0\.5 seconds"):
		tool.start({}, CALLER).result(10)


def test_a_loop_that_does_not_answer_in_time_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
	pending: Future[Any] = Future()
	monkeypatch.setattr(mcp, "_submit", lambda *_arguments: pending)
	monkeypatch.setattr(mcp, "LIST_S", -0.9)
	with pytest.raises(ToolError, match="takes longer"):
		mcp.listed(McpServer("wiki", "http://127.0.0.1:1"))
	assert pending.cancelled()


def test_a_server_that_fails_has_no_tools_and_the_reason_has_no_secret(
	wiki: Wiki, monkeypatch: pytest.MonkeyPatch
) -> None:
	wrong = server_of(wiki, token="wrong")
	assert mcp.tools_of("wiki", settings(wrong)) == []
	with pytest.raises(ToolError) as failed:
		mcp.listed(wrong)
	assert str(failed.value) == "The server wiki answers with HTTP 401."
	for server in (wrong, McpServer("gone", "http://127.0.0.1:9/mcp")):
		with pytest.raises(CheckFailed) as check:
			doctor.mcp_server(server)
		assert "wrong" not in str(check.value) and "secret body" not in str(check.value)
	assert doctor.mcp_server(server_of(wiki)) == "3 tools; the user approves each call"


def test_a_chat_asks_a_server(wiki: Wiki, chat_site: ChatSite) -> None:
	configured = chat_site.configure(
		modes=[{"name": "chat", "tools": ["wiki"]}],
		mcp_servers=[{"name": "wiki", "url": wiki.url, "token": TOKEN, "ask_first": False}],
	)
	call = {"call": 0, "id": "call_1", "name": "wiki__find_page", "arguments": '{"text": "whales"}'}
	question = script({"turn": [call]}, {"turn": [{"text": "Found."}]})
	chat = lifecycle.begin(chat_site.request(question), configured, 0.0)
	answer = lifecycle.result_of(lifecycle.run(chat))
	assert (answer["response"], answer["tool_runs"][0]["outcome"]) == ("Found.", "ok")
	assert (
		json.loads(json.dumps(chat_site.provider.requests[-1].body))["messages"][-1]["content"]
		== "page about whales"
	)


def test_the_doctor_names_tools_that_there_are_not(wiki: Wiki, chat_site: ChatSite) -> None:
	chat_site.configure(modes=[{"name": "chat", "tools": ["nothing"]}])
	(check,) = doctor.tools()
	with pytest.raises(CheckFailed, match="the mode chat names nothing"):
		check.look()
