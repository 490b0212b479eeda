import frappe
import frappe.client
from frappe.model.base_document import get_controller

from ai_assistant.bench_tests import TestCase
from ai_assistant.doctypes import KeepsSecrets
from ai_assistant.install import MODULE

SERVER = "test-secrets"


class TestDocTypes(TestCase):
	def test_every_doctype_with_a_password_keeps_it(self) -> None:
		doctypes = frappe.get_all("DocType", {"module": MODULE}, pluck="name")
		secret = [name for name in doctypes if frappe.get_meta(name).get("fields", {"fieldtype": "Password"})]
		self.assertIn("AI MCP Server", secret)
		for doctype in secret:
			with self.subTest(doctype=doctype):
				self.assertTrue(issubclass(get_controller(doctype), KeepsSecrets))

	def test_a_system_manager_cannot_read_the_token_of_a_server_back(self) -> None:
		values = {"server_name": SERVER, "url": "https://mcp.example.com", "token": "secret"}
		frappe.get_doc({"doctype": "AI MCP Server", **values}).insert()
		self.addCleanup(frappe.delete_doc, "AI MCP Server", SERVER, force=True)
		with self.assertRaises(frappe.PermissionError):
			frappe.client.get_password("AI MCP Server", SERVER, "token")
