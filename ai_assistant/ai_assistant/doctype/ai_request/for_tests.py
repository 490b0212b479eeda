"""Users and requests for the tests of AI Request."""

from typing import Any

import frappe

from ai_assistant.bench_tests import TestCase, commit, delete_user, make_user
from ai_assistant.permissions import MANAGER, USER
from ai_assistant.store.frappe_store import FrappeStore

ANN, BOB, CHIEF, STRANGER, WEB = (
	f"{name}@permissions.test" for name in ("ann", "bob", "chief", "stranger", "web")
)

LOGS = ("AI Request", "AI Request Event")

# Of each DocType, a field that is nobody else's business.
FIELD = {
	"AI Request": "response",
	"AI Request Event": "text",
	"AI Provider": "api_key",
	"AI Assistant Settings": "default_provider",
}


def make_request(user: str, text: str) -> str:
	store = FrappeStore()
	refusal = {
		"code": "content_filtered",
		"message": "It refuses.",
		"retryable": False,
		"explanation": text,
	}
	name = store.open(
		{
			"user": user,
			"request_id": "request-1",
			"task_id": "t1",
			"status": "completed",
			"created": 1.5,
			"response": text,
			"error": refusal,
		}
	)
	store.append(name, {"seq": 1, "type": "text", "text": text})
	return name


class LoggedRequestsTestCase(TestCase):
	"""A request of ANN and one of BOB, and users with other roles."""

	@classmethod
	def setUpClass(cls) -> None:
		super().setUpClass()
		frappe.set_user("Administrator")
		make_user(ANN, USER)
		make_user(BOB, USER)
		make_user(CHIEF, MANAGER)
		make_user(STRANGER, "Report Manager")
		make_user(WEB)
		cls.anns, cls.bobs = make_request(ANN, "said to ann"), make_request(BOB, "said to bob")
		commit()

	@classmethod
	def tearDownClass(cls) -> None:
		frappe.db.rollback()
		for user in (ANN, BOB, CHIEF, STRANGER, WEB):
			delete_user(user)
		super().tearDownClass()

	def tearDown(self) -> None:
		frappe.db.rollback()
		frappe.set_user("Administrator")

	def names(self, doctype: str) -> tuple[str, str]:
		return (self.anns, self.bobs) if doctype == LOGS[0] else (f"{self.anns}:1", f"{self.bobs}:1")

	def reads(self, doctype: str) -> dict[str, tuple[str, str, dict[str, Any]]]:
		"""Every way that reads rows over HTTP."""
		text = FIELD[doctype]
		return {
			"list": ("GET", f"/api/resource/{doctype}", {"fields": f'["name", "{text}"]', "limit": "0"}),
			"list, version 2": (
				"GET",
				f"/api/v2/document/{doctype}",
				# None is 20 to both, and 0 is none to Frappe 16.
				{"fields": f'["name", "{text}"]', "limit": "500"},
			),
			"client.get_list": (
				"POST",
				"/api/method/frappe.client.get_list",
				{"doctype": doctype, "fields": [text], "limit_page_length": 0},
			),
			"report view": (
				"POST",
				"/api/method/frappe.desk.reportview.get",
				{"doctype": doctype, "fields": f'["name", "{text}"]', "view": "Report"},
			),
			"export": (
				"POST",
				"/api/method/frappe.desk.reportview.export_query",
				{
					"doctype": doctype,
					"fields": f'["`tab{doctype}`.`{text}`"]',
					"file_format_type": "CSV",
					"title": "x",
				},
			),
			"link search": (
				"GET",
				"/api/method/frappe.desk.search.search_link",
				{"doctype": doctype, "txt": "", "page_length": "500"},
			),
			"link search without user permissions": (
				"GET",
				"/api/method/frappe.desk.search.search_link",
				{"doctype": doctype, "txt": "", "page_length": "500", "ignore_user_permissions": "1"},
			),
			"search widget for any field": (
				"GET",
				"/api/method/frappe.desk.search.search_widget",
				{
					"doctype": doctype,
					"txt": "",
					"ignore_user_permissions": "1",
					"filter_fields": f'["{text}"]',
				},
			),
			"group by": (
				"GET",
				"/api/method/frappe.desk.listview.get_group_by_count",
				{"doctype": doctype, "current_filters": "[]", "field": "owner"},
			),
		}
