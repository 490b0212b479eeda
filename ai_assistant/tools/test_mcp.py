"""A tool of an MCP server on a bench that has the package `mcp`, which is optional."""

import threading
import unittest
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from importlib.util import find_spec
from unittest.mock import patch

import frappe

import ai_assistant
from ai_assistant.api.test_python import provider
from ai_assistant.bench_tests import TestCase, delete_user, make_user, start_without_requests
from ai_assistant.config import settings
from ai_assistant.permissions import USER

from . import mcp

ANN = "ann@mcp.example"


@contextmanager
def wiki() -> Iterator[str]:
	"""A server of the package `mcp` on loopback. Yields its address."""
	import uvicorn
	from mcp.server.fastmcp import FastMCP

	wiki_server = FastMCP("wiki", stateless_http=True, json_response=True, log_level="CRITICAL")

	@wiki_server.tool()
	def find_page(text: str) -> str:
		"""Finds a page."""
		return f"page about {text}"

	server = uvicorn.Server(
		uvicorn.Config(wiki_server.streamable_http_app(), port=0, log_level="critical", lifespan="on")
	)
	thread = threading.Thread(target=server.run, daemon=True)
	thread.start()
	while not server.started and thread.is_alive():
		thread.join(0.02)
	try:
		yield f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}/mcp"
	finally:
		server.should_exit = True
		thread.join()


@unittest.skipUnless(find_spec("mcp") and find_spec("uvicorn"), "the package mcp is not installed")
class TestMcp(TestCase):
	@classmethod
	def setUpClass(cls) -> None:
		super().setUpClass()
		make_user(ANN, USER)

	@classmethod
	def tearDownClass(cls) -> None:
		frappe.set_user("Administrator")
		delete_user(ANN)
		super().tearDownClass()

	def test_a_chat_calls_a_tool_of_a_server(self) -> None:
		start_without_requests(self, ANN)
		mcp._lists.clear()
		with wiki() as address:
			server = settings.McpServer("wiki", address, ask_first=False)
			loaded = replace(settings.load(), mcp_servers={"wiki": server})
			calls = [("wiki__find_page", {"text": "whales"})]
			with patch.object(settings, "load", return_value=loaded), provider(calls=calls) as asked:
				answer = ai_assistant.ask("What is a whale?", user=ANN, tools=["wiki__find_page"])
		self.assertEqual(answer.text, "Hello there.")
		self.assertEqual([run["outcome"] for run in answer.details["tool_runs"]], ["ok"])
		offered = [tool["function"]["name"] for tool in asked.bodies[0]["tools"]]
		self.assertEqual(offered, ["wiki__find_page"])
		self.assertEqual(asked.bodies[1]["messages"][-1]["content"], "page about whales")
