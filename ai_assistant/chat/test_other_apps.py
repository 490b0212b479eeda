"""The hooks of other apps on a bench: their user, their connection, and each path by which a request arrives."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any
from unittest.mock import patch

import frappe

import ai_assistant
from ai_assistant import app_hooks
from ai_assistant.api.test_python import provider
from ai_assistant.bench_tests import TestCase, delete_user, make_user, rest, start_without_requests
from ai_assistant.permissions import USER

ASKER = "hooked@apps.example"
HERE = __name__
calls: list[tuple[Any, ...]] = []
gate = threading.Event()


def redact(request: dict[str, Any]) -> None:
	calls.append(("before", request["user"], frappe.session.user))
	frappe.get_doc({"doctype": "ToDo", "description": f"audit {request['request_id']}"}).insert(
		ignore_permissions=True
	)
	request["messages"][-1]["content"] = request["messages"][-1]["content"].replace("number 4711", "[number]")


def refuse(request: dict[str, Any]) -> None:
	# What an app says is its own: it is not translated here.
	frappe.throw("No customer data, please.")  # nosemgrep: frappe-missing-translate-function-python


def wait(request: dict[str, Any]) -> None:
	gate.wait(20)


def note(answer: dict[str, Any]) -> None:
	calls.append(("after", answer["status"], frappe.session.user))


def choose(user: str, models: list[str]) -> list[str]:
	calls.append(("models", user))
	return []


@contextmanager
def hooks(**functions: Callable[..., Any]) -> Iterator[None]:
	"""Declares a function of this module for each hook."""
	real = frappe.get_hooks
	declared = {
		f"ai_assistant_{hook}": [f"{HERE}.{function.__name__}"] for hook, function in functions.items()
	}

	def get_hooks(hook: str | None = None, *args: Any, **kwargs: Any) -> Any:
		return declared.get(hook or "") or real(hook, *args, **kwargs)

	with patch.object(frappe, "get_hooks", get_hooks):
		yield


class TestOtherApps(TestCase):
	@classmethod
	def setUpClass(cls) -> None:
		super().setUpClass()
		make_user(ASKER, USER)

	@classmethod
	def tearDownClass(cls) -> None:
		frappe.set_user("Administrator")
		frappe.db.delete("ToDo", {"description": ("like", "audit %")})
		delete_user(ASKER)
		super().tearDownClass()

	def setUp(self) -> None:
		start_without_requests(self, ASKER)
		calls.clear()

	def test_the_hooks_run_as_the_user_on_a_connection_of_their_own(self) -> None:
		with provider() as handler, hooks(before_request=redact, after_response=note):
			answer = ai_assistant.ask("Customer number 4711", user=ASKER)
		self.assertEqual(calls, [("before", ASKER, ASKER), ("after", "completed", ASKER)])
		self.assertEqual(handler.bodies[0]["messages"][-1]["content"], "Customer [number]")
		frappe.db.rollback()
		self.assertTrue(frappe.db.exists("ToDo", {"description": f"audit {answer.details['request_id']}"}))

	def test_a_request_over_http_and_one_of_a_standard_api_call_each_hook_once(self) -> None:
		messages = [{"role": "user", "content": "Customer number 4711"}]
		with provider() as handler, hooks(before_request=redact, after_response=note):
			status, body = rest(
				"POST", "/api/method/ai_assistant.api.chat_completion", ASKER, messages=messages
			)
			self.assertEqual((status, body["message"]["response"]), (200, "Hello there."))
			status, body = rest(
				"POST", "/api/method/ai_assistant.v1/chat/completions", ASKER, messages=messages
			)
			self.assertEqual((status, body["choices"][0]["message"]["content"]), (200, "Hello there."))
		self.assertEqual(calls, [("before", ASKER, ASKER), ("after", "completed", ASKER)] * 2)
		contents = [body["messages"][-1]["content"] for body in handler.bodies]
		self.assertEqual(contents, ["Customer [number]"] * 2)

	def test_the_stored_input_of_a_response_is_the_redacted_one(self) -> None:
		path = "/api/method/ai_assistant.v1/responses"
		asked = {"model": "m", "input": "Customer number 4711"}
		with provider() as handler, hooks(before_request=redact):
			_status, first = rest("POST", path, ASKER, **asked)
			_status, queued = rest("POST", path, ASKER, background=True, **asked)
			frappe.db.rollback()
			for response in (first, queued):
				name = frappe.db.get_value("AI Request", {"request_id": response["id"].removeprefix("resp_")})
				row = frappe.db.get_value("AI Request", name, "*")
				self.assertIn("Customer [number]", row.sent)
				self.assertNotIn("number 4711", str(row))
			rest("POST", path, ASKER, **{**asked, "input": "And?", "previous_response_id": first["id"]})
		contents = [message["content"] for message in handler.bodies[-1]["messages"]]
		self.assertEqual(contents, ["Customer [number]", "Hello there.", "And?"])

	def test_a_refusal_is_not_permitted(self) -> None:
		messages = [{"role": "user", "content": "Customer number 4711"}]
		with provider() as handler, hooks(before_request=refuse):
			with self.assertRaisesRegex(ai_assistant.ChatError, r"^No customer data, please\.$"):
				ai_assistant.ask("Customer number 4711", user=ASKER)
			status, body = rest(
				"POST", "/api/method/ai_assistant.api.chat_completion", ASKER, messages=messages
			)
			self.assertEqual((status, body["message"]["error"]["code"]), (403, "not_permitted"))
			status, body = rest(
				"POST", "/api/method/ai_assistant.v1/chat/completions", ASKER, messages=messages
			)
			self.assertEqual((status, body["error"]["message"]), (403, "No customer data, please."))
		self.assertEqual(handler.bodies, [])

	def test_a_slow_hook_is_skipped(self) -> None:
		self.addCleanup(gate.set)
		with provider(), hooks(before_request=wait), patch.object(app_hooks, "LIMIT_S", 0.2):
			self.assertEqual(ai_assistant.ask("Hi", user=ASKER).text, "Hello there.")

	def test_a_filter_withholds_models_from_a_user(self) -> None:
		with provider(), hooks(models=choose):
			status, body = rest("GET", "/api/method/ai_assistant.api.list_models", ASKER)
			self.assertEqual((status, body["message"]["providers"]), (200, []))
			with self.assertRaises(ai_assistant.ChatError) as refused:
				ai_assistant.ask("Hi", user=ASKER)
		self.assertEqual(refused.exception.code, "not_permitted")
		self.assertEqual(calls, [("models", ASKER)] * 2)
