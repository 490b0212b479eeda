"""The methods for conversations over REST, on a bench that keeps questions."""

from dataclasses import replace
from typing import Any
from unittest.mock import patch

import frappe

from ai_assistant.api import conversations
from ai_assistant.api.test_python import provider
from ai_assistant.bench_tests import TestCase, delete_user, make_user, rest, start_without_requests
from ai_assistant.chat import jobs
from ai_assistant.config import settings
from ai_assistant.permissions import USER

ANN, BOB = "ann@conversations.example", "bob@conversations.example"


def call(http_method: str, name: str, user: str, **fields: Any) -> tuple[int, Any]:
	status, body = rest(http_method, f"/api/method/ai_assistant.api.conversations.{name}", user, **fields)
	return status, body["message"]


def ask(task_id: str, *contents: str) -> None:
	"""ANN's question; before it, in turn, earlier questions and answers."""
	roles = ("user", "assistant")
	messages = [{"role": roles[n % 2], "content": content} for n, content in enumerate(contents)]
	path = "/api/method/ai_assistant.api.chat_completion"
	status, body = rest("POST", path, ANN, messages=messages, task_id=task_id)
	assert (status, body["message"]["status"]) == (200, "completed"), body


def titles(user: str, search: str = "") -> list[str]:
	_status, answer = call("GET", "get_list", user, search=search)
	return [entry["title"] for entry in answer["conversations"]]


class TestConversations(TestCase):
	@classmethod
	def setUpClass(cls) -> None:
		super().setUpClass()
		for user in (ANN, BOB):
			make_user(user, USER)

	@classmethod
	def tearDownClass(cls) -> None:
		frappe.set_user("Administrator")
		for user in (ANN, BOB):
			delete_user(user)
		super().tearDownClass()

	def setUp(self) -> None:
		start_without_requests(self, ANN, BOB)
		loaded = settings.load()
		retention = replace(loaded.retention, keep_content=True, keep_questions=True)
		kept = patch.object(settings, "load", return_value=replace(loaded, retention=retention))
		# The site's worker does not know the provider of the test.
		enqueued = patch.object(jobs, "enqueue")
		self.enqueued = enqueued.start()
		self.addCleanup(enqueued.stop)
		kept.start()
		self.addCleanup(kept.stop)

	def test_a_conversation_is_listed_found_continued_renamed_and_deleted(self) -> None:
		with provider():
			ask("whales", "What is a whale?")
			ask("sharks", "What is a shark?")
		self.assertEqual(titles(ANN), ["What is a shark?", "What is a whale?"])
		self.assertEqual(titles(ANN, "whale"), ["What is a whale?"])

		# Another machine reads the turns, and goes on with them.
		status, read = call("GET", "get", ANN, task_id="whales")
		self.assertEqual(status, 200)
		(turn,) = read["turns"]
		self.assertEqual(turn["messages"], [{"role": "user", "content": "What is a whale?"}])
		self.assertEqual(turn["answer"]["response"], "Hello there.")
		with provider(" It is big."):
			ask("whales", "What is a whale?", "Hello there.", "And how big?")
		_status, read = call("GET", "get", ANN, task_id="whales")
		self.assertEqual(
			[message["content"] for turn in read["turns"] for message in turn["messages"]],
			["What is a whale?", "And how big?"],
		)

		self.assertEqual(
			call("POST", "rename", ANN, task_id="whales", title=" Whales "), (200, {"title": "Whales"})
		)
		self.assertEqual(titles(ANN, "whales"), ["Whales"])
		self.assertEqual(call("POST", "delete", ANN, task_id="whales"), (200, {"deleted": 2}))
		self.assertEqual(titles(ANN), ["What is a shark?"])
		self.assertEqual(call("GET", "get", ANN, task_id="whales")[1]["error"]["code"], "not_found")

	def test_the_conversation_of_another_user_does_not_exist(self) -> None:
		with provider():
			ask("whales", "What is a whale?")
		self.assertEqual(titles(BOB), [])
		for http_method, name, fields in (
			("GET", "get", {}),
			("POST", "rename", {"title": "Mine"}),
			("POST", "delete", {}),
		):
			_status, answer = call(http_method, name, BOB, task_id="whales", **fields)
			self.assertEqual(answer["error"]["code"], "not_found", name)
		self.assertEqual(titles(ANN), ["What is a whale?"])

	def test_the_job_asks_a_model_for_the_title(self) -> None:
		with provider():
			ask("whales", "What is a whale?")
		(_method, _queue, _job), options = self.enqueued.call_args
		# The transaction of this thread is older than the request.
		frappe.db.rollback()
		with provider("A Large", " Animal"):
			conversations.make_title(**options)
		self.assertEqual(titles(ANN), ["A Large Animal"])
