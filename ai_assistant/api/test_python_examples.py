"""Runs the examples of docs/python-api.md as they stand there."""

import re
from pathlib import Path
from typing import Any
from unittest.mock import patch

import frappe

from ai_assistant.bench_tests import TestCase, delete_user, make_user, start_without_requests
from ai_assistant.permissions import MANAGER

from .test_python import provider

USER = "example@python.example"
GUIDE = Path(__file__).parents[2] / "docs" / "python-api.md"
FIRST, MAIL, CLASSIFY, JOB, SCRIPT, REPORT = re.findall(
	r"^```python\n(.*?)^```$", GUIDE.read_text(), re.MULTILINE | re.DOTALL
)


def run(example: str) -> dict[str, Any]:
	names: dict[str, Any] = {"__name__": "my_app.example"}
	exec(compile(example, str(GUIDE), "exec"), names)
	return names


class TestExamples(TestCase):
	@classmethod
	def setUpClass(cls) -> None:
		super().setUpClass()
		make_user(USER, MANAGER)

	@classmethod
	def tearDownClass(cls) -> None:
		frappe.set_user("Administrator")
		delete_user(USER)
		super().tearDownClass()

	def setUp(self) -> None:
		start_without_requests(self, USER)
		frappe.set_user(USER)

	def test_the_first_lines(self) -> None:
		with provider(), patch("builtins.print") as printed:
			run(FIRST)
		self.assertEqual(printed.call_args_list[0].args[0], "Hello there.")

	def test_a_communication_is_summarised(self) -> None:
		fields = {
			"communication_medium": "Email",
			"subject": "A visit",
			"content": "<p>We come on Monday.</p>",
		}
		mail = frappe.get_doc({"doctype": "Communication", **fields}).insert(ignore_permissions=True)
		names = run(MAIL)
		with patch.object(frappe, "enqueue") as enqueued:
			names["on_communication"](mail)
		job = enqueued.call_args
		with provider() as handler:
			job.args[0](communication=job.kwargs["communication"])
		self.assertTrue(job.kwargs["enqueue_after_commit"])
		self.assertIn("We come on Monday.", handler.bodies[0]["messages"][-1]["content"])
		comment = {
			"reference_doctype": "Communication",
			"reference_name": mail.name,
			"comment_type": "Comment",
		}
		self.assertIn("Hello there.", frappe.get_all("Comment", comment, pluck="content")[0])

	def test_an_issue_is_classified(self) -> None:
		with provider('{"priority": "High", "topic": "printer"}') as handler:
			answer = run(CLASSIFY)["classify"]("My printer burns.")
		self.assertEqual(answer, {"priority": "High", "topic": "printer"})
		self.assertEqual(handler.bodies[0]["response_format"]["type"], "json_schema")

	def test_a_job_shows_its_progress(self) -> None:
		names = run(JOB)
		with patch.object(frappe, "enqueue") as enqueued:
			names["start"]("whales")
		with provider(), patch.object(frappe, "publish_realtime") as published:
			self.assertEqual(enqueued.call_args.args[0](subject="whales"), "Hello there.")
		texts = [call.args[1]["text"] for call in published.call_args_list if call.args[0] == "report_text"]
		self.assertEqual("".join(texts), "Hello there.")

	def test_a_server_script_asks(self) -> None:
		from frappe.utils import safe_exec

		todo = frappe.get_doc({"doctype": "ToDo", "description": "begun"}).insert(ignore_permissions=True)
		with provider(), patch.object(safe_exec, "is_safe_exec_enabled", return_value=True):
			safe_exec.safe_exec(SCRIPT)
		self.assertEqual(frappe.response["message"], "Hello there.")
		frappe.db.rollback()
		self.assertFalse(frappe.db.exists("ToDo", todo.name))

	def test_a_report_asks_once_for_each_row(self) -> None:
		# Another run may have left one of the same words.
		description = f"Feed the whale {frappe.generate_hash(length=10)}"
		frappe.get_doc({"doctype": "ToDo", "description": description}).insert()
		execute = run(REPORT)["execute"]
		with provider() as handler:
			for _run in range(2):
				_columns, rows = execute({"description": description})
				self.assertEqual([row.topic for row in rows], ["Hello there."])
		self.assertEqual(len(handler.bodies), 1)
