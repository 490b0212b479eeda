"""What Redis contains of the continuations on a bench."""

import frappe
from cryptography.fernet import Fernet

from ai_assistant.bench_tests import TestCase
from ai_assistant.chat import continuations
from ai_assistant.chat.request import ChatRequest

USER = "ann@continuations.test"
CALL = {"id": "call_8Xh2kLm9Qa", "type": "function", "function": {"name": "clock", "arguments": "{}"}}
TEXT = "the reasoning of a model"


class TestContinuations(TestCase):
	def setUp(self) -> None:
		key = continuations.key_of([CALL])
		self.name = f"ai_assistant:continuation:{USER}:{key}"
		self.addCleanup(frappe.cache.delete_value, self.name)
		continuations.remember(USER, {"continuation": TEXT, "call_key": key})

	def restored(self) -> str | None:
		messages = [{"role": "assistant", "content": None, "tool_calls": [CALL]}]
		request = ChatRequest(
			messages=messages,
			model="m",
			request_id="request-1",
			task_id="t",
			mode="chat",
			provider="p",
			background=False,
			fingerprint="",
		)
		restored = continuations.restore(request, USER, keep_content=False)
		return restored.messages[0].get("continuation")

	def test_redis_contains_no_readable_text(self) -> None:
		key = frappe.cache.make_key(self.name)
		# The raw bytes, by a key that `make_key` has made for the site.
		# nosemgrep: frappe-cache-breaks-multitenancy
		stored = frappe.cache.get(key)
		self.assertTrue(stored)
		self.assertNotIn(TEXT.encode(), stored)
		self.assertEqual(self.restored(), TEXT)

	def test_a_text_of_another_key_is_not_found(self) -> None:
		key = frappe.local.conf.encryption_key
		frappe.local.conf.encryption_key = Fernet.generate_key().decode()
		try:
			self.assertIsNone(self.restored())
		finally:
			frappe.local.conf.encryption_key = key
		self.assertEqual(frappe.local.message_log, [])
		self.assertEqual(self.restored(), TEXT)
