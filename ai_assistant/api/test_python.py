"""`ai_assistant.ask` and `ai_assistant.stream`, as another app of the bench calls them."""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from unittest.mock import patch

import frappe

import ai_assistant
from ai_assistant.bench_tests import TestCase, delete_user, make_user, start_without_requests
from ai_assistant.config import access, sections, settings
from ai_assistant.gateway import Text
from ai_assistant.permissions import USER

ASKER, STRANGER = "ask@python.example", "stranger@python.example"


class Handler(BaseHTTPRequestHandler):
	"""Streams `deltas` as an OpenAI-compatible server. A question with `wait` ends after `release`.

	It answers with one of the `calls` instead, the name and the arguments of a tool, as long as there are any.
	"""

	release: threading.Event
	closed: threading.Event
	bodies: list[dict[str, Any]]
	deltas: tuple[str, ...]
	calls: list[tuple[str, dict[str, Any]]]

	def do_POST(self) -> None:
		request = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
		self.bodies.append(request)
		self.send_response(200)
		self.send_header("Content-Type", "text/event-stream")
		self.end_headers()
		try:
			if self.calls:
				return self._call(*self.calls.pop(0))
			for text in self.deltas:
				self._send({"choices": [{"index": 0, "delta": {"content": text}}]})
			if "wait" in request["messages"][-1]["content"]:
				while not self.release.wait(0.05):
					self._send({"choices": []})
			self._send({"choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]})
			self.wfile.write(b"data: [DONE]\n\n")
		except OSError:
			self.closed.set()

	def _call(self, name: str, arguments: dict[str, Any]) -> None:
		function = {"name": name, "arguments": json.dumps(arguments)}
		call = {"index": 0, "id": f"call_{len(self.bodies)}", "type": "function", "function": function}
		self._send({"choices": [{"index": 0, "delta": {"tool_calls": [call]}}]})
		self._send({"choices": [{"index": 0, "delta": {}, "finish_reason": "tool_calls"}]})
		self.wfile.write(b"data: [DONE]\n\n")

	def _send(self, chunk: dict[str, Any]) -> None:
		self.wfile.write(f"data: {json.dumps(chunk)}\n\n".encode())
		self.wfile.flush()

	def log_message(self, *args: Any) -> None: ...


def configured(*providers: sections.ConfiguredProvider) -> Any:
	"""The site has these providers alone."""
	site = replace(settings.load(), providers=providers, no_chats=None)
	return patch.object(access, "load", return_value=site)


@contextmanager
def provider(*deltas: str, calls: list[tuple[str, dict[str, Any]]] | None = None) -> Iterator[type[Handler]]:
	"""A provider on loopback that is the site's only one. It streams the `deltas`, `Hello` and ` there.` by default."""
	state: dict[str, Any] = {
		"release": threading.Event(),
		"closed": threading.Event(),
		"bodies": [],
		"calls": calls or [],
	}
	handler: type[Handler] = type("Running", (Handler,), {**state, "deltas": deltas or ("Hello", " there.")})
	server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
	thread = threading.Thread(target=server.serve_forever, daemon=True)
	thread.start()
	only = sections.ConfiguredProvider(
		"local", "openai", "none", "m", api_base=f"http://127.0.0.1:{server.server_port}/v1"
	)
	try:
		with configured(only):
			yield handler
	finally:
		handler.release.set()
		server.shutdown()
		server.server_close()
		thread.join()


class TestPython(TestCase):
	@classmethod
	def setUpClass(cls) -> None:
		super().setUpClass()
		make_user(ASKER, USER)
		make_user(STRANGER)

	@classmethod
	def tearDownClass(cls) -> None:
		frappe.set_user("Administrator")
		for user in (ASKER, STRANGER):
			delete_user(user)
		super().tearDownClass()

	def setUp(self) -> None:
		start_without_requests(self, ASKER)

	def test_the_answer_is_whole_and_stored_as_the_users(self) -> None:
		words: list[str] = []
		with provider():
			answer = ai_assistant.ask(
				"Hi",
				user=ASKER,
				on_event=lambda chunk: words.append(chunk.text) if isinstance(chunk, Text) else None,
			)
		self.assertEqual((answer.text, "".join(words)), ("Hello there.", "Hello there."))
		frappe.db.rollback()
		stored = frappe.db.get_value(
			"AI Request", {"request_id": answer.details["request_id"]}, ["user", "status"]
		)
		self.assertEqual(stored, (ASKER, "completed"))

	def test_the_options_of_a_request_reach_the_provider(self) -> None:
		form = {"type": "json_schema", "json_schema": {"name": "n", "schema": {"type": "object"}}}
		with provider('{"topic":', ' "mail"}') as handler:
			answer = ai_assistant.ask("Hi", user=ASKER, response_format=form, seed=7, metadata={"job": "1"})
		self.assertEqual(answer.json, {"topic": "mail"})
		sent = handler.bodies[0]
		self.assertEqual((sent["response_format"]["type"], sent["seed"]), ("json_schema", 7))
		self.assertEqual(answer.details["metadata"], {"job": "1"})

	def test_a_field_that_chat_completion_does_not_have_is_a_type_error(self) -> None:
		with self.assertRaisesRegex(TypeError, "temprature"):
			ai_assistant.ask("Hi", user=ASKER, temprature=1)

	def test_an_on_event_that_raises_cancels_the_request(self) -> None:
		with provider() as handler:
			with self.assertRaises(ZeroDivisionError):
				ai_assistant.ask("wait", user=ASKER, on_event=lambda _chunk: 1 // 0)
			self.assertTrue(handler.closed.wait(10))
		frappe.db.rollback()
		self.assertEqual(frappe.get_all("AI Request", {"user": ASKER}, pluck="status"), ["cancelled"])

	def test_a_provider_of_another_role_is_not_used(self) -> None:
		only = sections.ConfiguredProvider("local", "openai", "none", "m", roles=("System Manager",))
		with configured(only), self.assertRaises(ai_assistant.ChatError) as refused:
			ai_assistant.ask("Hi", user=ASKER)
		self.assertEqual(refused.exception.code, "not_permitted")

	def test_what_the_caller_has_begun_is_not_committed(self) -> None:
		note = frappe.get_doc({"doctype": "ToDo", "description": "begun"}).insert(ignore_permissions=True)
		with provider():
			ai_assistant.ask("Hi", user=ASKER)
		frappe.db.rollback()
		self.assertFalse(frappe.db.exists("ToDo", note.name))

	def test_closing_the_stream_cancels_the_request(self) -> None:
		with provider() as handler:
			chunks = ai_assistant.stream("wait", user=ASKER, request_id="python-closed-1")
			self.assertEqual(next(chunks), Text("Hello"))
			chunks.close()
			self.assertTrue(handler.closed.wait(10))
		frappe.db.rollback()
		self.assertEqual(
			frappe.db.get_value("AI Request", {"request_id": "python-closed-1"}, "status"), "cancelled"
		)

	def test_a_user_without_the_role_is_refused(self) -> None:
		with provider(), self.assertRaises(ai_assistant.ChatError) as refused:
			ai_assistant.ask("Hi", user=STRANGER)
		self.assertEqual(refused.exception.code, "not_permitted")

	def test_a_failure_is_raised(self) -> None:
		with configured(), self.assertRaises(ai_assistant.ChatError) as failed:
			ai_assistant.ask("Hi", user=ASKER)
		self.assertEqual(failed.exception.code, "not_configured")
