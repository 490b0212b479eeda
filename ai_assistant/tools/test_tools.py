"""The tools of the site on a bench: what a user may read by them, and above all what not."""

import json
import re
import threading
from dataclasses import replace
from pathlib import Path
from typing import Any
from unittest.mock import patch

import frappe
from frappe.utils.password import update_password

import ai_assistant
from ai_assistant import api, app_hooks, keys
from ai_assistant.api.test_python import provider
from ai_assistant.bench_tests import (
	TestCase,
	commit,
	delete_user,
	make_user,
	rest,
	rest_with,
	start_without_requests,
)
from ai_assistant.chat import queue
from ai_assistant.config import access, settings
from ai_assistant.permissions import MANAGER, USER

from . import catalog, functions
from .tool import Caller, ToolError, as_text, tool

READER, PAYROLL, REPORTER = "AI Tool Reader", "AI Tool Payroll", "AI Tool Reporter"
ANN, PAY, CHIEF, NOBODY = (
	"tool-ann@tools.example",
	"tool-pay@tools.example",
	"tool-chief@tools.example",
	"tool-nobody@tools.example",
)
DOCTYPE, CHILD, REPORT = "AI Tool Test", "AI Tool Test Item", "AI Tool Test Report"
GUIDE = Path(__file__).parents[2] / "docs" / "tools.md"


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
		# Frappe keeps the table.
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


class TestTools(TestCase):
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
			frappe.db.commit()
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

	# In a chat

	def test_a_mode_offers_its_tools_and_the_site_runs_them_as_the_user(self) -> None:
		calls = [("get_list", {"doctype": DOCTYPE, "fields": ["title"]})]
		with provider("Two.", calls=calls) as handler:
			answer = ai_assistant.ask("How many?", user=ANN, tools=["get_list"])
		self.assertEqual((answer.text, answer.tool_calls), ("Two.", []))
		self.assertEqual(answer.details["tool_runs"][0]["outcome"], "ok")
		self.assertEqual(json.loads(handler.bodies[1]["messages"][-1]["content"])["count"], 2)
		frappe.db.rollback()
		row = frappe.get_doc("AI Request", {"user": ANN})
		self.assertEqual(json.loads(row.tool_runs)[0]["name"], "get_list")
		kinds = frappe.get_all("AI Request Event", {"request": row.name}, pluck="type", order_by="seq")
		self.assertEqual(kinds, ["reasoning", "tool_result", "text", "completion"])

	def test_a_client_of_a_standard_api_reaches_a_mode_by_an_alias(self) -> None:
		path, messages = "/api/method/ai_assistant.v1/chat/completions", [{"role": "user", "content": "Hi"}]
		secrets = {}
		for permitted in (0, 1):
			key: Any = frappe.get_doc(
				{"doctype": "AI Key", "label": "t", "user": ANN, "site_tools": permitted}
			)
			secrets[permitted] = key.insert()._key
		commit()
		calls = [("get_doc", {"doctype": DOCTYPE, "name": "Alpha"})]
		with provider("Two.") as handler:
			site = frappe.get_attr("ai_assistant.config.access.load")()
			modes = {**site.modes, "erp": settings.Mode("erp", tools=("get_doc",))}
			aliases = {"erp": settings.Alias("erp", "local", "m", "erp")}
			with patch.object(access, "load", return_value=replace(site, modes=modes, aliases=aliases)):
				for model, key_of, offered in (("m", 1, False), ("erp", 0, False), ("erp", 1, True)):
					handler.bodies.clear()
					handler.calls = calls.copy() if offered else []
					headers = {"Authorization": f"Bearer {secrets[key_of]}"}
					status, body = rest_with(headers, "POST", path, model=model, messages=messages)
					self.assertEqual((status, body["choices"][0]["message"]["content"]), (200, "Two."))
					self.assertEqual("tools" in handler.bodies[0], offered)
		doc = json.loads(handler.bodies[1]["messages"][-1]["content"])
		self.assertEqual((doc["title"], "salary" in doc), ("Alpha", False))

	def test_a_worker_runs_tools_as_the_user_of_the_request(self) -> None:
		calls = [("get_doc", {"doctype": DOCTYPE, "name": "Alpha"})]
		with provider("Two.", calls=calls) as handler:
			queued = ai_assistant.ask("Hi", user=ANN, tools=["get_doc"], background=True)
			frappe.db.rollback()
			name = frappe.db.get_value("AI Request", {"request_id": queued.details["request_id"]})
			# The scheduler enqueues lost jobs as Administrator.
			self.assertEqual(frappe.session.user, "Administrator")
			site = frappe.get_attr("ai_assistant.config.access.load")()
			with patch.object(queue, "load", return_value=site):
				api.answer_queued(name)
		doc = json.loads(handler.bodies[1]["messages"][-1]["content"])
		self.assertEqual((doc["title"], "salary" in doc), ("Alpha", False))

	def test_a_tool_that_there_is_not_is_refused_in_python(self) -> None:
		with provider(), self.assertRaisesRegex(ai_assistant.ChatError, "there is no nothing"):
			ai_assistant.ask("Hi", user=ANN, tools=["nothing"])

	def test_rest_takes_no_names_of_tools(self) -> None:
		with provider() as handler:
			status, body = rest(
				"POST",
				"/api/method/ai_assistant.api.chat_completion",
				ANN,
				messages=[{"role": "user", "content": "Hi"}],
				tools=["get_list"],
			)
		self.assertEqual((status, body["message"]["error"]["code"]), (417, "invalid_request"))
		self.assertEqual(handler.bodies, [])

	def test_the_example_of_the_guide(self) -> None:
		example = re.findall(r"```python\n(# my_app/ai.py.*?)```", GUIDE.read_text(), re.DOTALL)[0]
		exec(example, globals())
		calls = [("add_task", {"description": "Call Ann"}), ("open_tasks", {"text": "Ann"})]
		approved: list[Any] = []

		def approve(chunk: Any) -> None:
			if type(chunk).__name__ == "ToolApproval":
				self.assertFalse(frappe.db.exists("ToDo", {"description": "Call Ann", "allocated_to": ANN}))
				status, body = rest(
					"POST",
					"/api/method/ai_assistant.api.approve",
					ANN,
					request_id=request_id,
					approval=chunk.approval,
				)
				approved.append((status, body["message"]["approved"], chunk.arguments))

		request_id = "tools-example-1"
		with provider("Done.", calls=calls) as handler:
			with patch.object(app_hooks, "declared", _declared):
				answer = ai_assistant.ask(
					"Add it",
					user=ANN,
					tools=["add_task", "open_tasks"],
					on_event=approve,
					request_id=request_id,
				)
		self.assertEqual(approved, [(200, True, '{"description": "Call Ann"}')])
		outcomes = [(run["name"], run["outcome"]) for run in answer.details["tool_runs"]]
		self.assertEqual(outcomes, [("add_task", "ok"), ("open_tasks", "ok")])
		self.assertIn("Call Ann", handler.bodies[-1]["messages"][-1]["content"])
		frappe.db.rollback()
		task = frappe.get_doc("ToDo", {"description": "Call Ann", "allocated_to": ANN})
		self.assertEqual(task.owner, ANN)


def _declared(hook: str) -> list[str]:
	return [f"{__name__}.open_tasks", f"{__name__}.add_task"] if hook == "ai_assistant_tools" else []
