"""The document to which a request belongs, on a bench: who may name it, and what its requests cost."""

import re
from typing import Any
from unittest.mock import patch

import frappe
from frappe.model.dynamic_links import fetch_distinct_link_doctypes

import ai_assistant
from ai_assistant.ai_assistant.doctype.ai_request import ai_request
from ai_assistant.ai_assistant.report.ai_cost_by_reference.ai_cost_by_reference import execute
from ai_assistant.api.test_python import provider
from ai_assistant.bench_tests import TestCase, commit, delete_user, make_user, rest, start_without_requests
from ai_assistant.permissions import MANAGER, USER

ANN, BOB, CHIEF, STRANGER = (f"{name}@reference.example" for name in ("ann", "bob", "chief", "stranger"))
ROLES = {ANN: USER, BOB: USER, CHIEF: MANAGER, STRANGER: "Report Manager"}
METHOD = "/api/method/ai_assistant.api.chat_completion"


def ask(user: str, doctype: Any, name: Any, **fields: Any) -> tuple[int, Any]:
	messages = [{"role": "user", "content": "Hi"}]
	fields = {"messages": messages, "reference_doctype": doctype, "reference_name": name, **fields}
	status, body = rest("POST", METHOD, user, **fields)
	return status, body["message"]


def todo(description: str) -> Any:
	"""A ToDo that ANN alone may read, who assigned it."""
	fields = {"doctype": "ToDo", "description": description, "assigned_by": ANN, "allocated_to": ANN}
	return frappe.get_doc(fields).insert(ignore_permissions=True)


class TestReference(TestCase):
	@classmethod
	def setUpClass(cls) -> None:
		super().setUpClass()
		for user, role in ROLES.items():
			make_user(user, role)

	@classmethod
	def tearDownClass(cls) -> None:
		frappe.set_user("Administrator")
		for user in ROLES:
			delete_user(user)
		super().tearDownClass()

	def setUp(self) -> None:
		start_without_requests(self, ANN, BOB)
		frappe.set_user(ANN)
		self.todo = todo("Feed the whale")
		commit()
		self.addCleanup(frappe.delete_doc, "ToDo", self.todo.name, force=True, ignore_permissions=True)

	def test_a_request_belongs_to_a_document(self) -> None:
		with provider():
			# The database ignores case; the names are stored as the document has them.
			status, answer = ask(ANN, "todo", self.todo.name.upper(), request_id="reference-1")
			_status, again = ask(ANN, "ToDo", self.todo.name, request_id="reference-1")
		self.assertEqual(
			(status, answer["reference_doctype"], answer["reference_name"]), (200, "ToDo", self.todo.name)
		)
		self.assertEqual(again["response"], answer["response"])
		frappe.db.rollback()
		fields = ["reference_doctype", "reference_name"]
		stored = frappe.db.get_value("AI Request", {"request_id": "reference-1"}, fields)
		self.assertEqual(stored, ("ToDo", self.todo.name))

	def test_a_document_that_does_not_exist_and_one_that_is_not_the_users_are_refused_alike(self) -> None:
		missing = [("ToDo", "none"), ("ToDo", "ToDo"), ("No DocType", "none"), ("Has Role", "none")]
		missing.append(("System Settings", "System Settings"))
		half = [("ToDo", None), (None, self.todo.name), (["ToDo"], self.todo.name)]
		with provider():
			refusals = [ask(BOB, "ToDo", self.todo.name), *(ask(ANN, *names) for names in missing)]
			wrong = [ask(ANN, *names) for names in half]
		for status, answer in (*refusals, *wrong):
			self.assertEqual((status, answer["error"]["code"]), (417, "invalid_request"))
		self.assertEqual(len({answer["error"]["message"] for _status, answer in refusals}), 1)

	def test_another_app_names_a_document_that_is_not_committed_yet(self) -> None:
		begun = todo("begun")
		with provider():
			answer = ai_assistant.ask("Hi", reference=begun)
			self.assertEqual(answer.details["reference_name"], begun.name)
			with self.assertRaises(ai_assistant.ChatError):
				ai_assistant.ask("Hi", reference=begun, user=BOB)

	def test_the_report_adds_up_the_requests_of_a_document(self) -> None:
		with provider():
			for _request in range(2):
				ai_assistant.ask("Hi", reference=self.todo)
		frappe.db.rollback()
		_columns, rows = execute({"reference_doctype": "ToDo", "from_date": frappe.utils.today()})
		own = [row for row in rows if row["reference_name"] == self.todo.name]
		self.assertEqual([(row["requests"], row["users"]) for row in own], [(2, 1)])
		self.assertGreater(own[0]["tokens"], 0)
		frappe.set_user(BOB)
		self.assertEqual(execute({"to_date": frappe.utils.today()})[1], [])

	def test_the_form_of_a_document_shows_the_requests_that_the_user_may_read(self) -> None:
		self.todo.db_set("allocated_to", BOB)
		with provider():
			for question in ("Hi", "<b>Why?</b>"):
				ai_assistant.ask(question, reference=self.todo)
			ai_assistant.ask("Elsewhere", reference=todo("other"))
			ai_assistant.ask("Me too", reference=self.todo, user=BOB)
		commit()
		own = ["&lt;b&gt;Why?&lt;/b&gt;", "Hi"]
		self.assertEqual(self.shown_to(ANN), own)
		self.assertEqual(self.shown_to(BOB), ["Me too"])
		self.assertEqual(self.shown_to(CHIEF), ["AI Request"] * 3)
		self.todo.db_set("allocated_to", STRANGER)
		commit()
		self.assertEqual(self.shown_to(STRANGER), [])

	def test_a_form_shows_the_newest_requests_and_where_the_others_are(self) -> None:
		with provider():
			for number in range(3):
				ai_assistant.ask(f"Question {number}", reference=self.todo, request_id=f"shown-on-{number}")
		commit()
		with patch.object(ai_request, "SHOWN_ON_FORMS", 2):
			self.assertEqual(self.shown_to(ANN), ["Question 2", "Question 1", "All AI Requests"])
		newest = frappe.db.get_value("AI Request", {"request_id": "shown-on-2"})
		self.assertIn(f"/ai-request/{newest}", ai_request.timeline_of("ToDo", self.todo.name)[0]["content"])

	def shown_to(self, user: str) -> list[str]:
		"""The texts of the links that the app adds to the timeline of the document."""
		path = "/api/method/frappe.desk.form.load.getdoc"
		status, body = rest("GET", path, user, doctype="ToDo", name=self.todo.name)
		self.assertEqual(status, 200, body)
		items = body["docinfo"]["additional_timeline_content"]
		return [text for item in items for text in re.findall(r">(.*?)</a>", item["content"])]

	def test_a_document_with_requests_can_be_renamed_and_deleted(self) -> None:
		with provider():
			ai_assistant.ask("Hi", reference=self.todo, request_id="reference-2")
		frappe.db.rollback()
		frappe.set_user("Administrator")
		frappe.rename_doc("ToDo", self.todo.name, "whale-task", force=True)
		name = frappe.db.get_value("AI Request", {"request_id": "reference-2"}, "reference_name")
		self.assertEqual(name, "whale-task")
		frappe.delete_doc("ToDo", "whale-task")

	def test_the_first_request_of_a_doctype_follows_a_new_name(self) -> None:
		note = frappe.get_doc({"doctype": "Note", "title": "Whales"}).insert(ignore_permissions=True)
		commit()
		self.addCleanup(frappe.delete_doc, "Note", "Baleines", force=True, ignore_permissions=True)
		# Frappe remembers the DocTypes for 12 hours.
		frappe.cache.delete_value("dynamic_link_map::AI Request::reference_doctype")
		self.assertNotIn("Note", fetch_distinct_link_doctypes("AI Request", "reference_doctype"))
		with provider():
			ai_assistant.ask("Hi", reference=note, request_id="reference-3")
		frappe.db.rollback()
		# What this process remembers lasts for one request in production.
		frappe.local.cache.clear()
		frappe.set_user("Administrator")
		frappe.rename_doc("Note", note.name, "Baleines", force=True)
		name = frappe.db.get_value("AI Request", {"request_id": "reference-3"}, "reference_name")
		self.assertEqual(name, "Baleines")
