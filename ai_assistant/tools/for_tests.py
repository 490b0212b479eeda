"""DocTypes, a report, roles and users with which the tests of the tools ask."""

import json
from typing import Any

import frappe

from ai_assistant.bench_tests import (
	TestCase,
	commit,
	delete_user,
	make_user,
	start_without_requests,
)
from ai_assistant.config import settings
from ai_assistant.permissions import MANAGER, USER

from . import catalog
from .tool import Caller, ToolError

READER, PAYROLL, REPORTER = "AI Tool Reader", "AI Tool Payroll", "AI Tool Reporter"
ANN, PAY, CHIEF, NOBODY = (
	"tool-ann@tools.example",
	"tool-pay@tools.example",
	"tool-chief@tools.example",
	"tool-nobody@tools.example",
)
DOCTYPE, CHILD, REPORT = "AI Tool Test", "AI Tool Test Item", "AI Tool Test Report"


def field(fieldname: str, fieldtype: str = "Data", **more: Any) -> dict[str, Any]:
	return {"fieldname": fieldname, "label": fieldname.title(), "fieldtype": fieldtype, **more}


def make_doctypes() -> None:
	shared = {"doctype": "DocType", "module": "Custom", "custom": 1}
	child_fields = [field("item"), field("cost", "Currency", permlevel=1), field("unlock_token")]
	frappe.get_doc({**shared, "name": CHILD, "istable": 1, "fields": child_fields}).insert()
	frappe.get_doc(
		{
			**shared,
			"name": DOCTYPE,
			"naming_rule": "By fieldname",
			"autoname": "field:title",
			"title_field": "title",
			"search_fields": "country,salary",
			"fields": [
				field("title", unique=1),
				field("country", "Link", options="Country"),
				field("salary", "Currency", permlevel=1),
				field("bonus", "Currency", permlevel=2),
				field("pin", "Password"),
				field("api_token"),
				field("notes", "Text"),
				field("items", "Table", options=CHILD),
			],
			"permissions": [
				{"role": READER, "read": 1},
				{"role": READER, "read": 1, "permlevel": 2, "if_owner": 1},
				{"role": PAYROLL, "read": 1},
				{"role": PAYROLL, "read": 1, "permlevel": 1},
				{"role": REPORTER, "read": 1, "report": 1},
				{"role": "System Manager", "read": 1, "write": 1, "create": 1, "delete": 1},
			],
		}
	).insert()


def clean() -> None:
	frappe.set_user("Administrator")
	frappe.db.rollback()
	frappe.delete_doc_if_exists("Report", REPORT, force=True)
	for user in (ANN, PAY, CHIEF, NOBODY):
		frappe.db.delete("User Permission", {"user": user})
		frappe.db.delete("ToDo", {"allocated_to": user})
		delete_user(user)
	for doctype in (DOCTYPE, CHILD):
		frappe.delete_doc_if_exists("DocType", doctype, force=True)
		# Frappe keeps the table, and the query builder drops none by a name of the tests.
		# nosemgrep: frappe-using-db-sql
		frappe.db.sql_ddl(f"drop table if exists `tab{doctype}`")
	for role in (READER, PAYROLL, REPORTER):
		frappe.delete_doc_if_exists("Role", role, force=True)
	commit()


def call(tool_name: str, user: str, /, **arguments: Any) -> Any:
	"""Runs a tool as a request of the user does."""
	tools, missing = catalog.tools_named((tool_name,), settings.load())
	assert not missing, missing
	text = tools[tool_name].start(arguments, Caller(user)).result(30)
	try:
		return json.loads(text)
	except ValueError:
		return text


class ToolsTestCase(TestCase):
	@classmethod
	def setUpClass(cls) -> None:
		super().setUpClass()
		clean()
		for role in (READER, PAYROLL, REPORTER):
			frappe.get_doc({"doctype": "Role", "role_name": role, "desk_access": 1}).insert()
		make_doctypes()
		make_user(ANN, USER, READER)
		make_user(PAY, USER, PAYROLL, REPORTER)
		make_user(CHIEF, USER, MANAGER)
		make_user(NOBODY, USER)
		for title, country, salary in (("Alpha", "Germany", 900), ("Beta", "France", 100)):
			items = [{"item": "chair", "cost": 12, "unlock_token": "t0ken"}]
			values = {"title": title, "country": country, "salary": salary, "bonus": 7, "pin": "4711"}
			frappe.get_doc(
				{"doctype": DOCTYPE, **values, "api_token": "t0ken", "notes": "N" * 9000, "items": items}
			).insert()
		frappe.get_doc(
			{
				"doctype": "Report",
				"report_name": REPORT,
				"ref_doctype": DOCTYPE,
				"report_type": "Query Report",
				"is_standard": "No",
				"query": f"select title as `Title:Data:100`, salary as `Salary:Currency:100` from `tab{DOCTYPE}`",
				"roles": [{"role": REPORTER}],
			}
		).insert()
		commit()

	@classmethod
	def tearDownClass(cls) -> None:
		clean()
		super().tearDownClass()

	def setUp(self) -> None:
		frappe.set_user("Administrator")
		start_without_requests(self, ANN)

	def refused(self, words: str, tool_name: str, user: str, /, **arguments: Any) -> None:
		with self.assertRaisesRegex(ToolError, words):
			call(tool_name, user, **arguments)
