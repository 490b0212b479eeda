import json

import frappe

from ai_assistant.bench_tests import TestCase

from .empty_deleted_documents import COPIES, execute


class TestEmptyDeletedDocuments(TestCase):
	def copy(self, doctype: str, **values: str) -> str:
		"""Makes a copy of a deleted document, and returns its name."""
		return self.copy_with(doctype, json.dumps(values))

	def copy_with(self, doctype: str, data: str | None) -> str:
		copy = frappe.get_doc({"doctype": COPIES, "deleted_doctype": doctype, "data": data}).insert()
		return str(copy.name)

	def test_copies_of_requests_events_and_deliveries_lose_their_content_alone(self) -> None:
		copies = {
			self.copy("AI Request", user="ann", response="said", sent="asked"): {
				"user": "ann",
				"response": None,
				"sent": None,
			},
			self.copy("AI Request Event", request="r", text="said", payload="{}"): {
				"request": "r",
				"text": None,
				"payload": None,
			},
			self.copy("AI Webhook Delivery", request="r", payload="ann"): {"request": "r", "payload": None},
			self.copy("ToDo", response="of another app"): {"response": "of another app"},
		}
		execute()
		for name, expected in copies.items():
			self.assertEqual(json.loads(frappe.db.get_value(COPIES, name, "data")), expected)

	def test_copies_without_data_stay(self) -> None:
		empty = [self.copy_with("AI Request", data) for data in (None, "")]
		full = self.copy("AI Request", response="said")
		execute()
		for name in empty:
			self.assertFalse(frappe.db.get_value(COPIES, name, "data"))
		self.assertEqual(json.loads(frappe.db.get_value(COPIES, full, "data")), {"response": None})
