"""The tools of the site in a chat on a bench: in a mode, by an alias, in a worker, and the example of the guide."""

import json
import re
from dataclasses import replace
from pathlib import Path
from typing import Any
from unittest.mock import patch

import frappe

import ai_assistant
from ai_assistant import api, app_hooks
from ai_assistant.api.test_python import provider
from ai_assistant.bench_tests import (
	commit,
	rest,
	rest_with,
)
from ai_assistant.chat import queue
from ai_assistant.config import access, sections

from .for_tests import (
	ANN,
	DOCTYPE,
	ToolsTestCase,
)

GUIDE = Path(__file__).parents[2] / "docs" / "tools.md"


class TestToolsInChats(ToolsTestCase):
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
			modes = {**site.modes, "erp": sections.Mode("erp", tools=("get_doc",))}
			aliases = {"erp": sections.Alias("erp", "local", "m", "erp")}
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
