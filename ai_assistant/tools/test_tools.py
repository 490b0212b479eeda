"""The tools of the site on a bench: what a user may read with them, and what stays closed."""

import json
import re
import threading
from typing import Any
from unittest.mock import patch

import frappe
from frappe.utils.password import update_password

from ai_assistant import keys
from ai_assistant.bench_tests import (
	commit,
)

from . import functions
from .for_tests import (
	ANN,
	CHIEF,
	CHILD,
	DOCTYPE,
	NOBODY,
	PAY,
	REPORT,
	ToolsTestCase,
	call,
)
from .tool import Caller, ToolError, as_text, tool


class TestTools(ToolsTestCase):
	# Documents

	def test_a_document_has_the_fields_that_the_user_may_read(self) -> None:
		doc = call("get_doc", ANN, doctype=DOCTYPE, name="Alpha")
		self.assertEqual(
			(doc["title"], doc["country"], doc["items"]), ("Alpha", "Germany", [{"item": "chair"}])
		)
		self.assertEqual({"salary", "bonus", "pin", "api_token"} & doc.keys(), set())
		self.assertEqual(len(doc["notes"]), 4001)
		self.assertNotIn("t0ken", json.dumps(doc))
		doc = call("get_doc", PAY, doctype=DOCTYPE, name="Alpha")
		self.assertEqual((doc["salary"], doc["items"][0]["cost"], "bonus" in doc), (900, 12, False))

	def test_what_the_user_may_not_read_looks_as_if_it_did_not_exist(self) -> None:
		for doctype in ("No Such DocType", DOCTYPE, CHILD, "Employee Secret"):
			words = f"There is no DocType {doctype} that you may read"
			self.refused(words, "get_doc", NOBODY, doctype=doctype, name="Alpha")
			self.refused(words, "get_list", NOBODY, doctype=doctype)
			self.refused(words, "get_schema", NOBODY, doctype=doctype)
			self.refused(words, "search", NOBODY, doctype=doctype, text="Alpha")
		self.refused(f"There is no {DOCTYPE} Gamma that", "get_doc", ANN, doctype=DOCTYPE, name="Gamma")

	def test_a_guest_reads_nothing(self) -> None:
		self.refused("There is no DocType", "get_list", "Guest", doctype="User")
		self.assertEqual(call("get_schema", "Guest")["doctypes"], [])

	def test_user_permissions_count(self) -> None:
		frappe.get_doc(
			{"doctype": "User Permission", "user": ANN, "allow": "Country", "for_value": "Germany"}
		).insert()
		commit()
		try:
			rows = call("get_list", ANN, doctype=DOCTYPE)
			self.assertEqual((rows["count"], [row["name"] for row in rows["rows"]]), (1, ["Alpha"]))
			self.refused("There is no", "get_doc", ANN, doctype=DOCTYPE, name="Beta")
			self.assertEqual(call("search", ANN, doctype=DOCTYPE, text="Beta"), [])
		finally:
			frappe.db.delete("User Permission", {"user": ANN})
			frappe.clear_cache(user=ANN)
			commit()

	def test_closed_doctypes_are_closed_for_administrators_too(self) -> None:
		closed = (
			*(
				"AI Provider",
				"AI MCP Server",
				"AI Key",
				"AI Request",
				"AI Request Event",
				"AI Assistant Settings",
			),
			*(
				"File",
				"Version",
				"Error Log",
				"Server Script",
				"OAuth Bearer Token",
				"Deleted Document",
				"DocType",
			),
			*("System Settings", "Webhook", "Email Account", "Prepared Report", "Access Log", "Activity Log"),
			*("Comment", "DocShare", "Integration Request", "Token Cache", "Social Login Key", "Report"),
		)
		listed = {doctype["name"] for doctype in call("get_schema", "Administrator")["doctypes"]}
		for doctype in closed:
			for user in (CHIEF, "Administrator"):
				self.refused("There is no DocType", "get_list", user, doctype=doctype)
				self.refused("There is no DocType", "get_doc", user, doctype=doctype, name=doctype)
			self.assertNotIn(doctype, listed)
		self.assertIn("ToDo", listed)

	def test_secrets_of_users_are_not_read(self) -> None:
		update_password(CHIEF, "Tests-Passw0rd")
		doc = call("get_doc", "Administrator", doctype="User", name=CHIEF)
		self.assertEqual(
			[name for name in doc if re.search("key|secret|passw|token", name)], [], "fields of a user"
		)
		for fieldname in ("api_key", "api_secret", "reset_password_key", "new_password"):
			self.refused("has no field", "get_list", "Administrator", doctype="User", fields=[fieldname])

	# Lists

	def test_a_list_is_filtered_sorted_and_counted(self) -> None:
		rows = call(
			"get_list",
			PAY,
			doctype=DOCTYPE,
			fields=["title", "salary"],
			filters=[{"field": "salary", "operator": ">", "value": 50}],
			order_by="salary",
			limit=1,
		)
		self.assertEqual(rows, {"count": 2, "rows": [{"name": "Alpha", "title": "Alpha", "salary": 900}]})
		rows = call("get_list", PAY, doctype=DOCTYPE, order_by="title", descending=False, offset=1)
		self.assertEqual(rows["rows"], [{"name": "Beta"}])
		for operator, value, count in (
			("in", ["Alpha", "Gamma"], 1),
			("not in", ["Alpha"], 1),
			("like", "%lph%", 1),
			("not like", "%lph%", 1),
			("between", ["A", "B"], 1),
			("=", None, 0),
			("!=", None, 2),
			("is", "set", 2),
			("is", "not set", 0),
		):
			condition = {"field": "title", "operator": operator, "value": value}
			self.assertEqual(
				call("get_list", ANN, doctype=DOCTYPE, filters=[condition])["count"], count, condition
			)

	def test_a_field_that_may_not_be_read_is_no_oracle(self) -> None:
		for fieldname in ("salary", "bonus", "pin", "api_token", "items", "nothing", "_comments", "_assign"):
			for arguments in (
				{"fields": [fieldname]},
				{"order_by": fieldname},
				{"filters": [{"field": fieldname, "operator": ">", "value": 1}]},
			):
				self.refused(f"has no field {fieldname}", "get_list", ANN, doctype=DOCTYPE, **arguments)
		# `salary` is a search field.
		self.assertEqual(call("search", ANN, doctype=DOCTYPE, text="900"), [])

	def test_sql_is_no_field(self) -> None:
		for text in (
			"*",
			"(select password from __Auth limit 1)",
			"name, (select 1)",
			"`tabUser`.`api_key`",
			f"`tab{DOCTYPE}`.`salary`",
			"country.name",
			"items.cost",
			"sleep(5)",
			"name as x",
			"name desc",
			"title\x00",
		):
			self.refused("has no field", "get_list", PAY, doctype=DOCTYPE, fields=[text])
			self.refused("has no field", "get_list", PAY, doctype=DOCTYPE, order_by=text)
			condition = {"field": text, "operator": "=", "value": 1}
			self.refused("has no field", "get_list", PAY, doctype=DOCTYPE, filters=[condition])

	def test_values_are_values(self) -> None:
		for value in ("' or 1=1 -- ", "`name`", "(select 1)", "name", "%", "\\", "\x00", "x" * 500):
			condition = {"field": "title", "operator": "=", "value": value}
			self.assertEqual(call("get_list", ANN, doctype=DOCTYPE, filters=[condition])["count"], 0, value)
			self.assertEqual(call("search", ANN, doctype=DOCTYPE, text=f"{value[:100]}''"), [])
		self.refused(
			"arguments are not valid", "get_list", ANN, doctype=DOCTYPE, filters=[{"field": "title"}]
		)
		wrong: tuple[tuple[str, Any], ...] = (
			("or", 1),
			("=", {"select": 1}),
			("in", "Alpha"),
			("=", ["Alpha"]),
			("between", ["A"]),
			("is", "name"),
			("descendants of", "Alpha"),
		)
		for operator, wrong_value in wrong:
			condition = {"field": "title", "operator": operator, "value": wrong_value}
			self.refused("not valid|does not take", "get_list", ANN, doctype=DOCTYPE, filters=[condition])
		self.refused("not valid", "get_list", ANN, doctype=DOCTYPE, limit=1000)
		self.refused("not valid", "get_list", ANN, doctype=DOCTYPE, ignore_permissions=True)

	def test_a_search_without_a_doctype_finds_what_the_user_may_read(self) -> None:
		frappe.get_doc({"doctype": "ToDo", "description": "whale watching", "allocated_to": ANN}).insert()
		commit()
		self.assertIsInstance(call("search", ANN, text="whale"), list)
		self.assertEqual(call("search", "Guest", text="whale"), [])

	def test_the_schema_has_no_field_that_may_not_be_read(self) -> None:
		schema = call("get_schema", ANN, doctype=DOCTYPE)
		names = {described["field"] for described in schema["fields"]}
		self.assertEqual(names, {"title", "country", "notes", "items"})
		items = next(described for described in schema["fields"] if described["field"] == "items")
		self.assertEqual([column["field"] for column in items["columns"]], ["item"])

	# Reports

	def test_a_report_needs_its_own_role_and_the_right_to_report(self) -> None:
		result = call("run_report", PAY, report=REPORT)
		self.assertEqual(
			(result["count"], sorted(row["title"] for row in result["rows"])), (2, ["Alpha", "Beta"])
		)
		for user in (ANN, NOBODY, "Guest"):
			self.refused(f"There is no report {REPORT} that you may run", "run_report", user, report=REPORT)
		self.refused("There is no report", "run_report", PAY, report="No Such Report")

	def test_reports_of_frappe_and_of_this_app_are_closed(self) -> None:
		for report in ("AI Budgets", "AI Cost by Reference", "Permitted Documents For User"):
			self.refused("There is no report", "run_report", "Administrator", report=report)

	# The connection

	def test_a_tool_that_reads_cannot_write(self) -> None:
		@tool(reads_only=True)
		def sneaky() -> str:
			"""Writes nevertheless."""
			frappe.get_doc({"doctype": "ToDo", "description": "sneaky"}).insert(ignore_permissions=True)
			# The test shows that the database refuses this commit.
			frappe.db.commit()  # nosemgrep: frappe-manual-commit
			return "written"

		with self.assertRaisesRegex(ToolError, "may only read"):
			functions.tool_of(sneaky).start({}, Caller(ANN)).result(30)
		self.assertFalse(frappe.db.exists("ToDo", {"description": "sneaky"}))

	def test_a_statement_that_takes_long_is_ended(self) -> None:
		@tool(reads_only=True)
		def slow() -> str:
			"""Sleeps in the database."""
			frappe.db.sql("select sleep(30)")
			return "slept"

		with patch.object(functions, "STATEMENT_S", 1):
			# MariaDB ends the sleep with a result or with an error, by version.
			future = functions.tool_of(slow).start({}, Caller(ANN))
			try:
				future.result(15)
			except ToolError:
				pass

	def test_a_call_that_is_given_up_writes_nothing(self) -> None:
		begun, gate, ended = threading.Event(), threading.Event(), threading.Event()

		def late() -> str:
			"""Writes late."""
			frappe.get_doc({"doctype": "ToDo", "description": "late"}).insert()
			begun.set()
			gate.wait(20)
			return "written"

		future = functions.tool_of(late).start({}, Caller(CHIEF))
		self.assertTrue(begun.wait(20))
		self.assertTrue(future.cancel())
		future.add_done_callback(lambda _future: ended.set())
		gate.set()
		self.assertTrue(ended.wait(20))
		frappe.db.rollback()
		self.assertFalse(frappe.db.exists("ToDo", {"description": "late"}))

	def test_a_key_that_sees_its_own_rows_limits_the_tools_too(self) -> None:
		@tool(reads_only=True)
		def who() -> str:
			"""Says by which key it runs."""
			key = keys.current()
			return key.name if key else "none"

		caller = Caller(CHIEF, keys.Key("k1", CHIEF))
		self.assertEqual(functions.tool_of(who).start({}, caller).result(30), "k1")

	def test_a_long_result_is_cut(self) -> None:
		self.assertLess(len(as_text("ü" * 100_000).encode()), 32_200)
		self.assertIn("is cut here", as_text("x" * 100_000))
