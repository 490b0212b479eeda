"""Who may see, change, delete and cancel requests."""

import inspect
import re
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from unittest.mock import patch

import frappe
from frappe.database.database import Database

from ai_assistant import api
from .ai_request import AIRequest
from .for_tests import ANN, BOB, CHIEF, FIELD, LOGS, STRANGER, WEB, LoggedRequestsTestCase
from ai_assistant.bench_tests import (
	COUNTS_FOR_ANYBODY,
	FRAPPE,
	commit,
	rest,
)
from ai_assistant.store.frappe_store import FrappeStore

test_ignore = IGNORE_TEST_RECORD_DEPENDENCIES = ["User"]


@contextmanager
def statements() -> Iterator[list[str]]:
	"""What the database is asked in the context, by whatever connection, with what for left out."""
	queries: list[str] = []
	# Not Database itself: Frappe's assertQueryCount leaves a `sql` of its own on the class of the connection.
	made = frappe.db.__class__
	sql = made.sql

	def noting(self: Database, query: Any, *args: Any, **kwargs: Any) -> Any:
		# Frappe 16 writes times into the statements.
		queries.append(re.sub("'[^']*'", "?", str(query)))
		return sql(self, query, *args, **kwargs)

	with patch.object(made, "sql", noting):
		yield queries


def refusal(doctype: str, user: str | None, way: str) -> int:
	"""The status with which Frappe refuses to list a DocType: 16 fails at a Single before it asks who may read it."""
	if FRAPPE < 16 or doctype != "AI Assistant Settings" or way == "list, version 2":
		return 403
	# A guest may call none of the methods.
	return 500 if user or way == "list" else 403


class TestAIRequest(LoggedRequestsTestCase):
	def test_a_user_lists_their_own_rows_alone(self) -> None:
		for doctype in LOGS:
			own, others = self.names(doctype)
			for way, (method, path, fields) in self.reads(doctype).items():
				status, body = rest(method, path, ANN, **fields)
				with self.subTest(doctype=doctype, way=way, status=status):
					if way == "export" and doctype:
						# Export is for System Managers.
						self.assertEqual(status, 403)
					if way == "group by":
						counts = body["message"]
						self.assertEqual(sum(count["count"] for count in counts), 1, counts)
						continue
					self.assertNotIn(others, str(body))
					self.assertNotIn("said to bob", str(body))
					if status == 200 and way != "client.get_list":
						self.assertIn(own, str(body))

	def test_a_user_counts_their_own_rows_alone(self) -> None:
		for doctype in LOGS:
			field = "name" if doctype == LOGS[0] else "request"
			theirs = f'{{"{field}": ["in", ["{self.anns}", "{self.bobs}"]]}}'
			for path in (
				"/api/method/frappe.client.get_count",
				"/api/method/frappe.desk.reportview.get_count",
				f"/api/v2/doctype/{doctype}/count",
			):
				if COUNTS_FOR_ANYBODY and path.endswith("client.get_count"):
					continue
				for user, expected in ((ANN, 1), (CHIEF, 2), (STRANGER, None), (WEB, None), (None, None)):
					status, body = rest("GET", path, user, doctype=doctype, filters=theirs)
					with self.subTest(user=user, path=path, doctype=doctype):
						self.assertEqual(status, 200 if expected else 403)
						if expected:
							self.assertEqual(body.get("message", body.get("data")), expected)
		for user in (ANN, STRANGER, None) if not COUNTS_FOR_ANYBODY else (None,):
			for doctype in ("AI Provider", "AI Provider Model", "AI Mode", "AI Assistant Settings"):
				status, _body = rest("GET", "/api/method/frappe.client.get_count", user, doctype=doctype)
				self.assertEqual(status, refusal(doctype, user, "count"), (user, doctype))
		# Of all else Frappe counts as ever.
		self.assertGreater(
			rest("GET", "/api/method/frappe.client.get_count", ANN, doctype="Country")[1]["message"], 100
		)

	def test_a_user_reads_one_row_where_it_is_their_own(self) -> None:
		for doctype in LOGS:
			own, others = self.names(doctype)
			text = FIELD[doctype]
			for path, fields in (
				(f"/api/resource/{doctype}/{{}}", {}),
				("/api/method/frappe.client.get", {"doctype": doctype, "name": "{}"}),
				("/api/method/frappe.desk.form.load.getdoc", {"doctype": doctype, "name": "{}"}),
			):
				for name, expected in ((own, 200), (others, 403)):
					filled = {key: value.format(name) for key, value in fields.items()}
					status, body = rest("GET", path.format(name), ANN, **filled)
					with self.subTest(doctype=doctype, path=path, name=name):
						self.assertEqual(status, expected)
						self.assertEqual("said to ann" in str(body), expected == 200)
						self.assertNotIn("said to bob", str(body))
			_status, body = rest(
				"GET",
				"/api/method/frappe.client.get_value",
				ANN,
				doctype=doctype,
				fieldname=text,
				filters=f'{{"name": "{others}"}}',
			)
			self.assertNotIn("said to bob", str(body))

	def test_anothers_ids_and_nobodys_are_looked_for_alike(self) -> None:
		ids = {"request_id": "the-anns-request", "task_id": "the ann's task"}
		FrappeStore().open({"user": ANN, **ids, "status": "completed", "created": 1.0})
		commit()
		tried = 0
		for path, method in vars(api).items():
			parameters = (
				inspect.signature(method).parameters
				if callable(method) and method in frappe.whitelisted
				else {}
			)
			for parameter in ids if "messages" not in parameters else ():
				if parameter not in parameters:
					continue
				verb = frappe.allowed_http_methods_for_whitelisted_func[method][0]

				def ask(user: str, value: str) -> tuple[int, Any, list[str]]:
					with statements() as queries:
						fields = {parameter: value}
						return (*rest(verb, f"/api/method/ai_assistant.api.{path}", user, **fields), queries)

				own = ids[parameter]
				with self.subTest(path, parameter=parameter):
					# The request waits for no approval.
					self.assertEqual(ask(ANN, own)[0], 417 if path == "approve" else 200)
					# The second time, what Frappe remembers of a user is remembered.
					ask(BOB, own)
					theirs, nobodys = ask(BOB, own), ask(BOB, own.replace("ann", "dan"))
					self.assertEqual(theirs[0], 404)
					self.assertEqual(theirs, nobodys)
					self.assertTrue(any("tabAI Request" in query for query in theirs[2]))
				tried += 1
		self.assertGreaterEqual(tried, 5)

	def test_a_system_manager_reads_all(self) -> None:
		for doctype in LOGS:
			for way, (method, path, fields) in self.reads(doctype).items():
				status, body = rest(method, path, CHIEF, **fields)
				with self.subTest(doctype=doctype, way=way):
					self.assertEqual(status, 200)
					if way not in ("client.get_list", "export", "group by"):
						for name in self.names(doctype):
							self.assertIn(name, str(body))
			for name, text in zip(self.names(doctype), ("said to ann", "said to bob"), strict=True):
				status, body = rest("GET", f"/api/resource/{doctype}/{name}", CHIEF)
				self.assertEqual(status, 200)
				self.assertIn(text, str(body))

	def test_nobody_else_reads_anything(self) -> None:
		doctypes = tuple(FIELD)
		for user in (STRANGER, WEB, None):
			for doctype in doctypes:
				for way, (method, path, fields) in self.reads(doctype).items():
					expected = refusal(doctype, user, way)
					with self.subTest(user=user, doctype=doctype, way=way):
						self.assertEqual(rest(method, path, user, **fields)[0], expected)
			for doctype in LOGS:
				for name in self.names(doctype):
					self.assertEqual(rest("GET", f"/api/resource/{doctype}/{name}", user)[0], 403)
		for doctype in doctypes[2:]:
			self.assertEqual(rest("GET", f"/api/resource/{doctype}", ANN)[0], refusal(doctype, ANN, "list"))
			self.assertEqual(
				rest("POST", f"/api/resource/{doctype}", ANN, provider_name="x", api="x")[0], 403
			)
		self.assertEqual(
			rest("GET", "/api/resource/AI Assistant Settings/AI Assistant Settings", ANN)[0], 403
		)

	def test_the_methods_are_for_users_with_a_role(self) -> None:
		for user, expected in ((ANN, 200), (CHIEF, 200), (STRANGER, 403), (WEB, 403), (None, 403)):
			status, _body = rest("GET", "/api/method/ai_assistant.api.list_models", user)
			self.assertEqual(status, expected, user)

	def test_nobody_makes_or_edits_rows(self) -> None:
		for user in (ANN, CHIEF):
			for doctype, fields in (
				(LOGS[0], {"user": user, "request_id": "made-by-hand"}),
				(LOGS[1], {"name": "x:1", "request": self.anns, "seq": 7, "type": "text"}),
			):
				own = self.names(doctype)[0]
				self.assertEqual(rest("POST", f"/api/resource/{doctype}", user, **fields)[0], 403)
				self.assertEqual(
					rest("PUT", f"/api/resource/{doctype}/{own}", user, type="x", status="failed")[0], 403
				)
				value = {"doctype": doctype, "name": own, "fieldname": FIELD[doctype], "value": "x"}
				self.assertEqual(rest("POST", "/api/method/frappe.client.set_value", user, **value)[0], 403)
		for doctype in LOGS:
			# Administrator has every permission.
			with self.assertRaises(frappe.PermissionError):
				frappe.get_doc({"doctype": doctype, "name": "x", "type": "text"}).insert()
			with self.assertRaises(frappe.PermissionError):
				frappe.get_doc(doctype, self.names(doctype)[0]).save()

	def test_a_user_deletes_nothing_and_a_system_manager_deletes_a_request_with_its_events(self) -> None:
		for doctype in LOGS:
			self.assertEqual(rest("DELETE", f"/api/resource/{doctype}/{self.names(doctype)[0]}", ANN)[0], 403)
		name = FrappeStore().open(
			{
				"user": BOB,
				"request_id": "to-be-deleted",
				"task_id": "t",
				"status": "completed",
				"created": 1.0,
			}
		)
		FrappeStore().append(name, {"seq": 1, "type": "text", "text": "x"})
		commit()
		self.assertEqual(rest("DELETE", f"/api/resource/AI Request/{name}", CHIEF)[0], 202)
		frappe.db.rollback()
		self.assertFalse(frappe.db.exists("AI Request", name))
		self.assertFalse(frappe.db.exists("AI Request Event", f"{name}:1"))

	def test_cancel_in_desk_is_for_the_user_and_for_system_managers(self) -> None:
		def stop(user: str, name: str) -> tuple[int, Any]:
			return rest("POST", f"/api/method/{AIRequest.__module__}.stop", user, name=name)

		names = []
		for number in range(2):
			row = {
				"user": ANN,
				"request_id": f"queued-{number}",
				"task_id": "t",
				"status": "queued",
				"created": time.time(),
			}
			names.append(FrappeStore().open(row, {"messages": []}))
		commit()
		self.assertEqual(stop(BOB, names[0])[0], 403)
		self.assertEqual(stop(STRANGER, names[0])[0], 403)
		self.assertEqual(stop(ANN, names[0]), (200, {"message": ["queued-0"]}))
		self.assertEqual(stop(ANN, names[0]), (200, {"message": []}))
		self.assertEqual(stop(CHIEF, names[1]), (200, {"message": ["queued-1"]}))
		frappe.db.rollback()
		for name in names:
			self.assertEqual(frappe.db.get_value("AI Request", name, "status"), "cancelled")
			frappe.delete_doc("AI Request", name, force=True)
		commit()

	def test_health_is_for_everybody_and_figures_for_system_managers(self) -> None:
		self.assertEqual(rest("GET", "/api/method/ai_assistant.api.health"), (200, "ok\n"))
		for user in (None, ANN, STRANGER):
			self.assertEqual(rest("GET", "/api/method/ai_assistant.api.metrics", user)[0], 403)
		status, text = rest("GET", "/api/method/ai_assistant.api.metrics", CHIEF)
		self.assertEqual(status, 200)
		self.assertIn('ai_assistant_requests_total{status="completed"}', text)

	def test_the_rows_that_the_app_keeps_for_itself_are_shown_to_nobody(self) -> None:
		for doctype in ("AI Sum", "AI Lock"):
			for user in (ANN, CHIEF, STRANGER, None):
				self.assertEqual(rest("GET", f"/api/resource/{doctype}", user)[0], 403)
