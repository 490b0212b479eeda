import json
from typing import Any

import frappe

from ai_assistant.bench_tests import TestCase, start_without_requests
from ai_assistant.store import Row
from ai_assistant.store.frappe_store import FrappeStore
from ai_assistant.store.mariadb import sql

from . import store_figures_once

ANN = "ann@figures.test"
TIMING = {"first_reasoning_ms": None, "first_text_ms": 0, "thinking_ms": None, "duration_ms": 9}
OBJECTS = ("usage", "timing", "realtime", "error")


class TestStoreFiguresOnce(TestCase):
	def setUp(self) -> None:
		start_without_requests(self, ANN)
		self.store = FrappeStore()
		if not store_figures_once._columns():
			self.addCleanup(
				frappe.db.sql_ddl,
				f"alter table `tabAI Request` {', '.join(f'drop column if exists `{field}`' for field in OBJECTS[:3])}",
			)

	def finished(self, request_id: str, **figures: Any) -> Row:
		name = self.store.open({"user": ANN, "request_id": request_id, "status": "running", "created": 1.0})
		self.store.finish(name, {"status": "completed", "timing": TIMING, **figures})
		return self.row(request_id)

	def row(self, request_id: str) -> Row:
		row = self.store.get(ANN, request_id)
		assert row
		return row

	def test_figures_go_to_an_older_version_and_come_back(self) -> None:
		self.store.open({"user": ANN, "request_id": "running", "status": "running", "created": 1.0})
		rows = [
			self.finished(
				"a dear one", usage={"total_tokens": 2, "cost_usd": 12.345678912, "estimated": True}
			),
			self.finished("a free one", usage={"total_tokens": 2, "cost_usd": 0.0, "estimated": False}),
			self.finished("one without a price", usage={"total_tokens": 0, "cost_usd": None}),
			self.finished("without usage", realtime={"events": 2, "failed": 1, "last_seq": 2}),
			self.finished(
				"a failed one", error={"code": "timeout", "message": "Zu „spät“", "retryable": True}
			),
		]
		store_figures_once.undo()
		for row in rows:
			(columns,) = sql(
				f"select {', '.join(f'`{field}`' for field in OBJECTS)}, unknown_figures from `tabAI Request`"
				" where name = %s",
				(row["name"],),
			)
			objects = [json.loads(column) if column else None for column in columns[:4]]
			self.assertEqual(objects, [row[field] for field in OBJECTS])
			self.assertIsNone(columns[4])
		self.assertFalse(frappe.db.exists("Patch Log", {"patch": store_figures_once.__name__}))
		# What a column of six places had cut comes back.
		sql(
			"update `tabAI Request` set cost_usd = round(cost_usd, 6), error_code = null where user = %s",
			(ANN,),
		)
		for _time in range(2):
			store_figures_once.execute()
			self.assertEqual([self.row(row["request_id"]) for row in rows], rows)
			self.assertIsNone(self.row("running")["timing"])
		(left,) = sql("select count(`usage`), count(timing), count(realtime) from `tabAI Request`")
		self.assertEqual(left, (0, 0, 0))

	def test_what_an_older_version_ends_after_the_migration_keeps_its_figures(self) -> None:
		row = self.finished("late", usage={"total_tokens": 3, "cost_usd": None})
		sql("update `tabAI Request` set unknown_figures = null where name = %s", (row["name"],))
		late = self.row("late")
		self.assertEqual((late["usage"]["total_tokens"], late["usage"]["cost_usd"]), (3, None))
		self.assertEqual((late["timing"]["duration_ms"], late["realtime"]), (9, None))
