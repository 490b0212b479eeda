"""What Frappe keeps of a failure, and of everything else: no key, no question, no answer; tests/security asks a running site."""

import json
from typing import Any
from unittest.mock import patch

import frappe
from frappe.utils.background_jobs import execute_job

from ai_assistant import hooks
from ai_assistant.bench_tests import TestCase, commit, delete_requests, provider
from ai_assistant.store.frappe_store import FrappeStore

from . import queue, termination

USER = "ann@secrets.test"
KEY, CONFIGURED, PROMPT, ANSWER = (
	"sk-canary-41d2",
	"sk-canary-77e0",
	"canary-prompt-41d2",
	"canary-answer-41d2",
)
LOGS = (
	"Error Log",
	"Scheduled Job Log",
	"Version",
	"Comment",
	"Activity Log",
	"Access Log",
	"Deleted Document",
)


class TestSecrets(TestCase):
	def setUp(self) -> None:
		self.addCleanup(self._empty)
		self._empty()
		provider("Canary", api_key=KEY).insert()
		store = FrappeStore()
		row = {"user": USER, "task_id": "t1", "created": 1.0, "fingerprint": ""}
		question = {"request_id": "canary-queued", "messages": [{"role": "user", "content": PROMPT}]}
		self.queued = store.open({**row, "request_id": "canary-queued", "status": "queued"}, question)
		self.lapsed = store.open({**row, "request_id": "canary-lapsed", "status": "running", "lease": 2.0})
		store.append(
			self.lapsed,
			{"seq": 1, "type": "text", "text": ANSWER, "elapsed_ms": 1, "timestamp": frappe.utils.now()},
		)
		commit()

	def _empty(self) -> None:
		frappe.db.rollback()
		frappe.set_user("Administrator")
		delete_requests(USER)
		frappe.db.delete("Error Log", {"error": ("like", "%-41d2%")})
		frappe.db.delete("Scheduled Job Log", {"details": ("like", "%-41d2%")})
		frappe.delete_doc("AI Provider", "Canary", force=True, ignore_missing=True, delete_permanently=True)
		commit()

	def stored_texts(self) -> dict[str, str]:
		"""All that the logs of Frappe hold, by DocType."""
		frappe.db.rollback()
		return {doctype: str(frappe.db.sql(f"select * from `tab{doctype}`")) for doctype in LOGS}

	def in_no_log(self) -> None:
		for doctype, text in self.stored_texts().items():
			for canary in (KEY, CONFIGURED, PROMPT, ANSWER):
				self.assertNotIn(canary, text, doctype)

	def run_all(self) -> None:
		execute_job(frappe.local.site, queue.JOB, None, "job", {"name": self.queued}, is_async=False)
		for method in hooks.scheduler_events["cron"]["* * * * *"]:
			scheduled = frappe.get_doc("Scheduled Job Type", {"method": method})
			scheduled.create_log = 1
			scheduled.execute()

	def test_a_job_that_fails_shows_no_variable(self) -> None:
		def fails(*_given: Any, **_named: Any) -> None:
			raise RuntimeError("as it happens")

		with patch.object(queue, "send_positions", fails), patch.object(termination, "end", fails):
			with patch.object(queue, "_enqueue", fails):
				self.run_all()
		self.in_no_log()

	def test_a_wrong_configuration_shows_no_key(self) -> None:
		wrong = {
			"providers": [
				{"name": "x", "api": "openai", "api_key": CONFIGURED, "default_model": "m", "tmieout": 1}
			]
		}
		with patch.dict(frappe.conf, {"ai_assistant": wrong}):
			self.run_all()
		self.in_no_log()

	def test_a_key_is_encrypted_in_one_table_alone(self) -> None:
		document = frappe.get_doc("AI Provider", "Canary")
		document.api_key = CONFIGURED
		document.save()
		commit()
		self.in_no_log()
		for (table,) in frappe.db.sql("show tables"):
			text = str(frappe.db.sql(f"select * from `{table}`"))
			self.assertFalse(KEY in text or CONFIGURED in text, table)
		encrypted = frappe.db.sql(
			"select count(*) from __Auth where doctype = 'AI Provider' and encrypted = 1"
		)
		self.assertEqual(encrypted[0][0], frappe.db.count("AI Provider"))
		self.assertNotIn(KEY, repr(document) + str(document) + json.dumps(document.as_dict(), default=str))

	def test_no_cache_holds_a_key_or_a_question(self) -> None:
		frappe.get_cached_doc("AI Provider", "Canary")
		queue.enqueue_again()
		for connection in (frappe.cache, frappe.utils.background_jobs.get_redis_conn()):
			for key in connection.scan_iter(match=b"*", count=1000):
				dumped = connection.dump(key) or b""
				for canary in (KEY, PROMPT, ANSWER):
					self.assertNotIn(canary.encode(), dumped, key)
