"""Where Frappe shows the content of requests, and how it logs who reads that of another user."""

import itertools
import json
from typing import Any
from unittest.mock import patch

import frappe
import redis
from frappe.model.base_document import get_controller
from frappe.utils.redis_wrapper import RedisWrapper

from .ai_request import AIRequest
from .for_tests import ANN, BOB, CHIEF, FIELD, LOGS, STRANGER, LoggedRequestsTestCase
from ai_assistant.bench_tests import FRAPPE, commit, rest
from ai_assistant.doctypes import WrittenByApp

test_ignore = IGNORE_TEST_RECORD_DEPENDENCIES = ["User"]


class TestContent(LoggedRequestsTestCase):
	def setUp(self) -> None:
		super().setUp()
		self.taken_views()

	def test_lists_and_reports_contain_no_content(self) -> None:
		for user, doctype in itertools.product((ANN, CHIEF), LOGS):
			text = FIELD[doctype]
			chart = {"document_type": doctype, "chart_type": "Group By", "group_by_based_on": text}
			chart |= {
				"group_by_type": "Count",
				"filters_json": "[]",
				"name": "x",
				"doctype": "Dashboard Chart",
			}
			more: dict[str, tuple[str, str, dict[str, Any]]] = {
				"all fields": ("GET", f"/api/resource/{doctype}", {"fields": '["*"]', "limit": "500"}),
				"alias": (
					"GET",
					f"/api/resource/{doctype}",
					{"fields": f'["{text} as name"]', "limit": "500"},
				),
				"function": ("GET", f"/api/resource/{doctype}", {"fields": f'["max({text}) as name"]'}),
				"joined": (
					"GET",
					"/api/resource/AI Request Event",
					{"fields": '["request.response as name"]', "limit": "500"},
				),
				"value": (
					"GET",
					"/api/method/frappe.client.get_value",
					{"doctype": doctype, "fieldname": text, "filters": f'["{self.names(doctype)[0]}"]'},
				),
				"group by content": (
					"GET",
					"/api/method/frappe.desk.listview.get_group_by_count",
					{"doctype": doctype, "current_filters": "[]", "field": text},
				),
				"chart": (
					"POST",
					"/api/method/frappe.desk.doctype.dashboard_chart.dashboard_chart.get",
					{"chart": json.dumps(chart), "no_cache": 1},
				),
				"all fields of the report view": (
					"POST",
					"/api/method/frappe.desk.reportview.get",
					{"doctype": doctype, "fields": '["*"]', "view": "Report"},
				),
			}
			for way, (method, path, fields) in (self.reads(doctype) | more).items():
				status, body = rest(method, path, user, **fields)
				with self.subTest(user=user, doctype=doctype, way=way, status=status):
					self.assertNotIn("said to", str(body))

	def test_only_frappe_15_filters_by_content(self) -> None:
		filters = '[["response", "like", "said to%"]]'
		for user in (ANN, CHIEF):
			status, _body = rest("GET", "/api/resource/AI Request", user, filters=filters)
			self.assertEqual(status, 403 if FRAPPE >= 16 else 200)

	def test_the_events_of_a_form_are_for_those_who_may_read_the_request(self) -> None:
		path = f"/api/method/{AIRequest.__module__}.get_events"
		for user, expected in ((ANN, 200), (CHIEF, 200), (BOB, 403), (STRANGER, 403), (None, 403)):
			status, body = rest("POST", path, user, name=self.anns)
			self.assertEqual(status, expected, user)
			self.assertEqual("said to ann" in str(body), expected == 200)

	def test_frappe_logs_who_reads_the_request_of_another(self) -> None:
		# Frappe 16 commits the row after a response, but in tests with the request, so not after a GET.
		for path in ("frappe.desk.form.load.getdoc", "frappe.client.get"):
			for doctype, name in (("AI Request", self.anns), ("AI Request Event", f"{self.anns}:1")):
				views = {"reference_doctype": doctype, "reference_name": name}
				for user, expected in ((CHIEF, [CHIEF]), (ANN, [ANN] if path.endswith("getdoc") else [])):
					status, answer = rest("POST", f"/api/method/{path}", user, doctype=doctype, name=name)
					self.assertEqual(status, 200, answer)
					frappe.db.rollback()
					self.assertEqual(frappe.get_all("View Log", views, pluck="viewed_by"), expected)
					frappe.db.delete("View Log", views)
					commit()

	def test_frappe_logs_who_prints_the_request_of_another_and_who_reads_its_events(self) -> None:
		views = {"reference_doctype": "AI Request", "reference_name": self.anns}
		for path, fields in (
			("frappe.www.printview.get_html_and_style", {"doc": "AI Request", "name": self.anns}),
			(f"{AIRequest.__module__}.get_events", {"name": self.anns}),
		):
			for user, expected in ((CHIEF, [CHIEF]), (ANN, [])):
				with self.subTest(path, user=user):
					status, body = rest("POST", f"/api/method/{path}", user, **fields)
					self.assertEqual(status, 200, body)
					self.assertIn("said to ann", str(body))
					frappe.db.rollback()
					self.assertEqual(frappe.get_all("View Log", views, pluck="viewed_by"), expected)
				frappe.db.delete("View Log", views)
				commit()

	def test_no_method_of_a_document_shows_content_without_a_row(self) -> None:
		# Each with arguments with which Frappe's own method succeeds, if it can.
		methods: dict[str, dict[str, Any]] = {
			"add_comment": {"text": "x"},
			"rename": {"name": "renamed", "force": True, "validate_rename": False},
			"submit": {},
			"cancel": {},
			"discard": {},
		}
		for doctype in LOGS:
			name = self.names(doctype)[0]
			ways: list[tuple[str, dict[str, Any]]] = [
				(
					"method/frappe.client.get_password",
					{"doctype": doctype, "name": name, "fieldname": FIELD[doctype]},
				),
				("method/frappe.desk.form.save.discard", {"doctype": doctype, "name": name}),
				("method/frappe.desk.form.save.cancel", {"doctype": doctype, "name": name}),
			]
			for method, arguments in methods.items():
				called = {"dt": doctype, "dn": name, "method": method, "args": json.dumps(arguments)}
				ways += [
					("method/run_doc_method", called),
					(f"v2/document/{doctype}/{name}/method/{method}", arguments),
					(f"resource/{doctype}/{name}", {"run_method": method, **arguments}),
				]
			for way, fields in ways:
				with self.subTest(way, **fields):
					status, body = rest("POST", f"/api/{way}", CHIEF, **fields)
					self.assertGreaterEqual(status, 400, body)
					self.assertNotIn("said to", str(body))
			frappe.db.rollback()
			self.assertTrue(frappe.db.exists(doctype, name))
			self.assertFalse(
				frappe.db.exists("Comment", {"reference_doctype": doctype, "reference_name": name})
			)

	def test_not_even_administrator_discards_a_request(self) -> None:
		frappe.set_user("Administrator")
		for doctype in LOGS:
			document: Any = frappe.get_doc(doctype, self.names(doctype)[0])
			self.assertRaises(frappe.PermissionError, document.discard)

	def test_clients_call_no_method_of_a_document_that_the_app_writes(self) -> None:
		for doctype in frappe.get_all("DocType", {"module": "AI Assistant"}, pluck="name"):
			controller = get_controller(doctype)
			if issubclass(controller, WrittenByApp):
				members = [getattr(controller, name, None) for name in dir(controller)]
				exposed = [member for member in members if callable(member) and member in frappe.whitelisted]
				self.assertEqual(exposed, [], doctype)

	def test_who_may_read_or_print_is_logged(self) -> None:
		frappe.set_user("Administrator")
		for permission in ("read", "print"):
			frappe.get_doc("AI Request", self.anns).check_permission(permission)
			self.assertEqual(self.taken_views(), ["Administrator"])
		frappe.get_doc("AI Request", self.anns).check_permission("delete")
		self.assertEqual(self.taken_views(), [])

	def test_methods_that_show_any_field_of_a_document_log_it(self) -> None:
		goal = {"doctype": "AI Request", "docname": self.anns, "title": "x", "goal_value_field": "title"}
		goal |= {"goal_total_field": "response", "goal_history_field": "metadata", "date_field": "creation"}
		goal |= {"goal_doctype": "AI Request", "goal_field": "total_tokens", "goal_doctype_link": "user"}
		ways = {"utils.goal.get_monthly_goal_graph_data": goal}
		if FRAPPE < 16:
			# Frappe 16 takes the text of an Auto Repeat, and a DocType has one only if it allows it.
			preview = {
				"reference_dt": "AI Request",
				"reference_doc": self.anns,
				"message": "{{ doc.response }}",
			}
			ways["automation.doctype.auto_repeat.auto_repeat.generate_message_preview"] = preview
		for way, fields in ways.items():
			with self.subTest(way):
				status, body = rest("POST", f"/api/method/frappe.{way}", CHIEF, **fields)
				self.assertEqual(status, 200, body)
				self.assertIn("said to ann", str(body))
				self.assertEqual(self.taken_views(), [CHIEF])

	def test_who_stops_a_request_reads_no_content_and_is_not_logged(self) -> None:
		path = f"/api/method/{AIRequest.__module__}.stop"
		for user, expected in ((CHIEF, 200), (BOB, 403)):
			status, body = rest("POST", path, user, name=self.anns)
			self.assertEqual(status, expected, body)
		self.assertEqual(self.taken_views(), [])

	def test_views_are_logged_if_track_views_is_off(self) -> None:
		frappe.set_user("Administrator")
		with patch.object(frappe.get_meta("AI Request"), "track_views", 0):
			frappe.get_doc("AI Request", self.anns).check_permission()
		self.assertEqual(self.taken_views(), ["Administrator"])

	def test_a_share_key_shows_no_content_to_visitors(self) -> None:
		fields = {"reference_doctype": "AI Request", "reference_docname": self.anns}
		status, body = rest("POST", "/api/resource/Document Share Key", CHIEF, **fields)
		self.assertEqual(status, 200, body)
		key = body["data"]["key"]
		self.addCleanup(commit)
		self.addCleanup(frappe.db.delete, "Document Share Key", {"key": key})
		asked = {"doctype": "AI Request", "name": self.anns, "key": key}
		for path in ("/printview", "/api/method/frappe.utils.print_format.download_pdf"):
			status, body = rest("GET", path, None, **asked)
			self.assertEqual(status, 403, body)
			self.assertNotIn("said to ann", str(body))
		self.assertEqual(self.taken_views(), [])
		status, body = rest("GET", "/printview", BOB, **asked)
		self.assertEqual(status, 200, body)
		self.assertIn("said to ann", str(body))
		if FRAPPE < 16:
			# Frappe 16 commits the row after a response, but in tests with the request, so not after a GET.
			self.assertEqual(self.taken_views(), [BOB])

	def test_a_view_that_cannot_be_logged_in_a_maintenance_is_an_error(self) -> None:
		frappe.set_user("Administrator")
		down = patch.object(RedisWrapper, "rpush", side_effect=redis.ConnectionError("down"))
		with patch.dict(frappe.local.flags, read_only=True), down:
			document = frappe.get_doc("AI Request", self.anns)
			for _try in range(2):
				self.assertRaises(redis.ConnectionError, document.apply_fieldlevel_read_permissions)

	def taken_views(self) -> list[str]:
		"""Returns who has read ANN's request, and forgets it."""
		views = {"reference_doctype": "AI Request", "reference_name": self.anns}
		commit()
		readers = sorted(frappe.get_all("View Log", views, pluck="viewed_by"))
		frappe.db.delete("View Log", views)
		commit()
		return readers
