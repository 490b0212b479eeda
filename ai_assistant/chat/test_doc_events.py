"""Frappe's own Notification and Webhook at the end of a request, on a bench."""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from unittest.mock import patch

import frappe

import ai_assistant
from ai_assistant.api.test_python import provider
from ai_assistant.bench_tests import TestCase, commit, delete_user, make_user, start_without_requests
from ai_assistant.chat import doc_events, jobs
from ai_assistant.permissions import USER

ASKER = "listened@events.example"


class TestDocEvents(TestCase):
	@classmethod
	def setUpClass(cls) -> None:
		super().setUpClass()
		make_user(ASKER, USER)

	@classmethod
	def tearDownClass(cls) -> None:
		frappe.set_user("Administrator")
		frappe.db.delete("Notification Log", {"for_user": ASKER})
		delete_user(ASKER)
		super().tearDownClass()

	def setUp(self) -> None:
		start_without_requests(self, ASKER)
		self.jobs: list[dict[str, Any]] = []

		def enqueue(method: str, queue: str, job_id: str, **options: Any) -> None:
			self.assertEqual((method, queue), (doc_events.JOB, "short"))
			self.jobs.append(options)

		patched = patch.object(jobs, "enqueue", enqueue)
		patched.start()
		self.addCleanup(patched.stop)

	def listen(self, **values: Any) -> None:
		"""Saves a document that listens to AI Request until the test ends."""

		def remove() -> None:
			frappe.set_user("Administrator")
			frappe.delete_doc(values["doctype"], values["name"], force=True, delete_permanently=True)
			commit()
			# Frappe reads the webhooks again after one is saved, but not after one is deleted.
			getattr(frappe, "client_cache", frappe.cache).delete_value("webhooks")

		# A run that was killed left it.
		remove()
		self.addCleanup(remove)
		frappe.get_doc(values).insert()
		commit()

	def ask(self) -> str:
		"""Asks, runs the job that was enqueued, and returns the name of the request."""
		with provider():
			answer = ai_assistant.ask("Hi", user=ASKER)
		frappe.db.rollback()
		for options in self.jobs:
			doc_events.run(**options)
		commit()
		request_id = {"user": ASKER, "request_id": answer.details["request_id"]}
		name: str = frappe.db.get_value("AI Request", request_id)
		return name

	def test_a_notification_of_frappe_is_sent_once_at_the_end(self) -> None:
		self.listen(
			doctype="Notification",
			name="AI Assistant Test",
			subject="{{ doc.status }} {{ doc.model }}",
			document_type="AI Request",
			event="Save",
			channel="System Notification",
			condition="doc.total_tokens > 0",
			message="{{ doc.response }}",
			recipients=[{"receiver_by_document_field": "user"}],
		)
		name = self.ask()
		self.assertEqual(self.jobs, [{"name": name}])
		logs = frappe.get_all("Notification Log", {"document_name": name}, ["for_user", "subject"])
		self.assertEqual([(log.for_user, log.subject) for log in logs], [(ASKER, "completed m")])

	def test_a_webhook_of_frappe_is_sent_once_at_the_end(self) -> None:
		with receiving() as (url, bodies):
			self.listen(
				doctype="Webhook",
				name="AI Assistant Test",
				webhook_doctype="AI Request",
				webhook_docevent="on_change",
				enabled=1,
				request_url=url,
				request_method="POST",
				request_structure="JSON",
				webhook_json='{"id": "{{ doc.request_id }}", "status": "{{ doc.status }}"}',
			)
			name = self.ask()
			request_id = frappe.db.get_value("AI Request", name, "request_id")
			self.assertEqual(bodies, [{"id": request_id, "status": "completed"}])

	def test_a_doc_event_of_an_app_is_called_once_and_its_failure_is_not_the_chats(self) -> None:
		handler = f"{__name__}.fail"
		real = frappe.get_hooks

		def get_hooks(hook: str | None = None, *args: Any, **kwargs: Any) -> Any:
			hooks = real(hook, *args, **kwargs)
			return {**hooks, "AI Request": {"on_update": [handler]}} if hook == "doc_events" else hooks

		with patch.object(frappe, "get_hooks", get_hooks):
			forget_doc_events()
			self.addCleanup(forget_doc_events)
			name = self.ask()
		self.assertEqual(heard, [(name, "completed")])
		self.assertEqual(frappe.db.get_value("AI Request", name, "status"), "completed")

	def test_nothing_is_enqueued_if_nobody_listens(self) -> None:
		self.ask()
		self.assertEqual(self.jobs, [])


def forget_doc_events() -> None:
	"""Frappe reads the hooks again if the attribute is missing; Frappe 15 takes None for hooks."""
	if hasattr(frappe.local, "doc_events_hooks"):
		del frappe.local.doc_events_hooks


heard: list[tuple[str, str]] = []


def fail(doc: Any, method: str | None = None) -> None:
	heard.append((doc.name, doc.status))
	raise ZeroDivisionError


@contextmanager
def receiving() -> Iterator[tuple[str, list[Any]]]:
	"""An address on loopback, and the bodies that it got."""
	bodies: list[Any] = []

	class Handler(BaseHTTPRequestHandler):
		def do_POST(self) -> None:
			bodies.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
			self.send_response(200)
			self.end_headers()

		def log_message(self, *args: Any) -> None: ...

	server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
	thread = threading.Thread(target=server.serve_forever, daemon=True)
	thread.start()
	try:
		yield f"http://127.0.0.1:{server.server_port}/hook", bodies
	finally:
		server.shutdown()
		server.server_close()
		thread.join()
