"""What the report shows of each key, and to whom."""

from typing import Any

import frappe

from ai_assistant.bench_tests import TestCase, commit, delete_requests, delete_user, make_user, rest
from ai_assistant.chat import provider_health
from ai_assistant.config.settings import CONF_KEY, load
from ai_assistant.gateway import ProviderError
from ai_assistant.gateway.health import with_each_key
from ai_assistant.permissions import MANAGER, USER
from ai_assistant.store.frappe_store import FrappeStore

from .ai_provider_keys import execute

CHIEF, ANN = "chief@keys.test", "ann@keys.test"
RUN = "/api/method/frappe.desk.query_report.run"
PROVIDER = {
	"name": "keys-of-test",
	"api": "openai",
	"default_model": "m",
	"models": ["m"],
	"keys": [{"label": label, "api_key": f"sk-test-{label}"} for label in ("blue", "red")],
}


class TestAIProviderKeys(TestCase):
	@classmethod
	def setUpClass(cls) -> None:
		super().setUpClass()
		frappe.set_user("Administrator")
		for user, role in ((CHIEF, MANAGER), (ANN, USER)):
			make_user(user, role)
		store = FrappeStore()
		failure = {"provider": PROVIDER["name"], "model": "m", "error": "rate_limited", "key": "red"}
		for attempts, first_ms in (([], 120), ([failure], 5000)):
			now = store.now()
			row = {"user": ANN, "request_id": frappe.generate_hash(length=20), "status": "running"}
			name = store.open({**row, "created": now})
			store.finish(
				name,
				{
					"status": "completed",
					"ended": now,
					"provider": PROVIDER["name"],
					"key_label": "blue",
					"usage": {"prompt_tokens": 100, "cached_tokens": 90, "total_tokens": 100},
					"timing": {
						"first_reasoning_ms": None,
						"first_text_ms": first_ms,
						"duration_ms": first_ms,
					},
					"attempts": attempts,
				},
			)
		commit()

	@classmethod
	def tearDownClass(cls) -> None:
		frappe.db.rollback()
		delete_requests(ANN)
		for user in (CHIEF, ANN):
			delete_user(user)
		super().tearDownClass()

	def rows(self) -> dict[str, dict[str, Any]]:
		with self.change_conf():
			(provider,) = load().providers
			_blue, red = with_each_key(provider)
			error = ProviderError("rate_limited", 60, provider=provider.name, model="m")
			provider_health.of_site().failed(red, error)
			self.addCleanup(provider_health.of_site().succeeded, red)
			_columns, rows = execute()
		return {row["key"]: row for row in rows if row["provider"] == PROVIDER["name"]}

	def change_conf(self) -> Any:
		from unittest.mock import patch

		return patch.dict(frappe.local.conf, {CONF_KEY: {"providers": [PROVIDER]}})

	def test_each_key_has_a_row(self) -> None:
		rows = self.rows()
		blue, red = rows["blue"], rows["red"]
		self.assertEqual((blue["asked"], blue["failed"], blue["cached"]), (2, 0, "90 %"))
		self.assertEqual((blue["p50"], blue["p95"], blue["resting_until"]), ("120 ms", "120 ms", None))
		self.assertEqual((red["asked"], red["failed"], red["failures"]), (1, 1, "rate_limited: 1"))
		self.assertEqual((red["cached"], red["p50"], red["reason"]), ("–", "–", "rate_limited"))
		seconds = (red["resting_until"] - frappe.utils.now_datetime()).total_seconds()
		self.assertTrue(30 < seconds <= 60, seconds)

	def test_it_is_for_system_managers(self) -> None:
		for user, expected in ((CHIEF, 200), (ANN, 403)):
			status, _body = rest("GET", RUN, user, report_name="AI Provider Keys", filters="{}")
			self.assertEqual(status, expected, user)
