"""AI Keys: what they open and what they do not, who sees them, and where they are never stored."""

from collections.abc import Callable
from typing import Any
from unittest.mock import patch

import frappe
from frappe.utils import add_to_date, now_datetime

from ai_assistant import keys, permissions, store
from ai_assistant.bench_tests import TestCase, commit, delete_user, make_user, rest, rest_with
from ai_assistant.permissions import MANAGER, USER

test_ignore = IGNORE_TEST_RECORD_DEPENDENCIES = ["User"]

ANN, BOB, CHIEF, STRANGER = "ann@keys.test", "bob@keys.test", "chief@keys.test", "stranger@keys.test"
LIST_MODELS = "/api/method/ai_assistant.api.list_models"
MAKE = "/api/method/ai_assistant.ai_assistant.doctype.ai_key.ai_key.make"
LOGGED_USER = "/api/method/frappe.auth.get_logged_user"


class TestAIKey(TestCase):
	@classmethod
	def setUpClass(cls) -> None:
		super().setUpClass()
		frappe.set_user("Administrator")
		for user, role in ((ANN, USER), (BOB, USER), (CHIEF, MANAGER), (STRANGER, "Report Manager")):
			make_user(user, role)

	@classmethod
	def tearDownClass(cls) -> None:
		frappe.db.rollback()
		frappe.set_user("Administrator")
		for user in (ANN, BOB, CHIEF, STRANGER):
			delete_user(user)
		super().tearDownClass()

	def setUp(self) -> None:
		self.addCleanup(self._tidy)

	def _tidy(self) -> None:
		frappe.set_user("Administrator")
		keys.use(None)
		frappe.db.rollback()
		frappe.db.delete("AI Key", {"user": ("like", "%@keys.test")})
		commit()

	def make(self, user: str = ANN, **fields: Any) -> tuple[Any, str]:
		"""A committed AI Key, and the key itself."""
		doc = frappe.get_doc({"doctype": "AI Key", "label": "Laptop", "user": user, **fields}).insert()
		commit()
		return doc, doc._key

	def assert_refused(self, key: str, words: str) -> None:
		for headers in ({"Authorization": f"Bearer {key}"}, {"x-api-key": key}):
			status, body = rest_with(headers, "GET", LIST_MODELS)
			self.assertEqual(
				(status, body["type"], body["error"]["type"]), (401, "error", "authentication_error")
			)
			self.assertIn(words, body["error"]["message"])
			self.assertNotIn(key, str(body))

	def test_both_headers_authenticate_for_the_methods_of_this_app(self) -> None:
		doc, key = self.make()
		for headers in ({"Authorization": f"Bearer {key}"}, {"x-api-key": key}):
			self.assertEqual(rest_with(headers, "GET", LIST_MODELS)[0], 200, headers.keys())
			status, body = rest_with(
				headers, "GET", "/api/method/ai_assistant.api.get_request", request_id="unknown-id"
			)
			self.assertEqual((status, body["message"]["error"]["code"]), (404, "not_found"))
		frappe.db.rollback()
		self.assertEqual(str(frappe.db.get_value("AI Key", doc.name, "modified")), doc.modified)
		self.assertTrue(frappe.db.get_value("AI Key", doc.name, "last_used"))

	def test_a_use_is_stored_once_a_minute(self) -> None:
		doc, key = self.make()
		minutes = {0.5: True, 2: False}
		for ago, used_lately in minutes.items():
			used = add_to_date(now_datetime(), minutes=-ago)
			frappe.db.set_value("AI Key", doc.name, "last_used", used, update_modified=False)
			# The request over HTTP uses another connection.
			frappe.db.commit()  # nosemgrep: frappe-manual-commit
			row = store.current().key_of_hash(keys.digest(key))
			assert row
			self.assertEqual(bool(row["used_lately"]), used_lately)
			self.assertEqual(rest_with({"x-api-key": key}, "GET", LIST_MODELS)[0], 200)
			frappe.db.rollback()
			is_the_same = frappe.db.get_value("AI Key", doc.name, "last_used") == used
			self.assertEqual(is_the_same, used_lately)

	def test_a_post_with_a_key_needs_no_csrf_token(self) -> None:
		_doc, key = self.make()
		status, body = rest_with({"x-api-key": key}, "POST", "/api/method/ai_assistant.api.watch")
		self.assertEqual(status, 200, body)

	def test_elsewhere_on_the_site_a_key_opens_nothing(self) -> None:
		_doc, key = self.make(CHIEF)
		paths = (
			LOGGED_USER,
			"/api/resource/AI Provider",
			"/api/method/frappe.client.get_list",
			"/api/v2/document/AI Provider",
			"/api/method/ai_assistant.ai_assistant.doctype.ai_provider.ai_provider.known_apis",
			"/api/method/ai_assistant.apis",
			"/api/method/ai_assistant.v1x",
			"/private/files/x",
			"/app",
		)
		for path in paths:
			with self.subTest(path):
				fields = {"doctype": "AI Provider"}
				as_guest = rest_with({}, "GET", path, **fields)[0]
				for headers in ({"Authorization": f"Bearer {key}"}, {"x-api-key": key}):
					self.assertEqual(rest_with(headers, "GET", path, **fields)[0], as_guest)
		for method in ("GET", "POST"):
			status, body = rest_with(
				{"x-api-key": key}, method, LIST_MODELS, cmd="frappe.auth.get_logged_user"
			)
			self.assertNotIn(CHIEF, str(body))
			self.assertEqual(status, 403)
		# A key makes no other key.
		self.assertEqual(rest_with({"x-api-key": key}, "POST", MAKE, label="x")[0], 403)

	def test_a_key_of_a_system_manager_sees_its_users_requests_alone(self) -> None:
		doc, _key = self.make(CHIEF)
		frappe.set_user(CHIEF)
		self.assertTrue(permissions.sees_all())
		keys.use(keys.named(doc.name))
		self.assertFalse(permissions.sees_all())

	def test_a_key_that_cannot_be_used_is_refused_with_a_sentence(self) -> None:
		self.assert_refused(keys.generate(), "not known")
		self.assert_refused("aik-", "not known")
		doc, key = self.make()
		doc.enabled = 0
		doc.save()
		commit()
		self.assert_refused(key, "revoked")
		_doc, key = self.make(expires=add_to_date(now_datetime(), seconds=-1))
		self.assert_refused(key, "expired")
		_doc, key = self.make(BOB, expires=add_to_date(now_datetime(), hours=1))
		self.assertEqual(rest_with({"x-api-key": key}, "GET", LIST_MODELS)[0], 200)
		frappe.db.set_value("User", BOB, "enabled", 0)
		self.addCleanup(frappe.db.commit)
		self.addCleanup(frappe.db.set_value, "User", BOB, "enabled", 1)
		commit()
		self.assert_refused(key, "revoked")

	def test_a_session_is_not_replaced_by_a_key(self) -> None:
		_doc, key = self.make(CHIEF)
		frappe.set_user(ANN)
		self.in_request({"x-api-key": key}, keys.authenticate)
		self.assertEqual(frappe.session.user, ANN)
		self.assertIsNone(keys.current())

	def in_request(self, headers: dict[str, str], work: Callable[[], None]) -> None:
		from werkzeug.test import EnvironBuilder
		from werkzeug.wrappers import Request

		before = getattr(frappe.local, "request", None)
		frappe.local.request = Request(
			EnvironBuilder(LIST_MODELS, headers=list(headers.items())).get_environ()
		)
		try:
			work()
		finally:
			frappe.local.request = before

	def test_it_is_no_credential_of_frappes_own_api_keys(self) -> None:
		doc, key = self.make(CHIEF)
		self.assertFalse({"api_key", "api_secret"} & {field.fieldname for field in doc.meta.fields})
		headers = {"Authorization": f"token {doc.key_hash}:{key}", "Frappe-Authorization-Source": "AI Key"}
		status, body = rest_with(headers, "GET", LOGGED_USER)
		self.assertGreaterEqual(status, 400)
		self.assertNotIn(CHIEF, str(body.get("message")))

	def test_the_key_is_shown_once_and_stored_nowhere(self) -> None:
		doc = {"doctype": "AI Key", "label": "Laptop", "user": ANN, "__islocal": 1, "name": "new-ai-key-1"}
		save = "/api/method/frappe.desk.form.save.savedocs"
		status, body = rest("POST", save, ANN, doc=frappe.as_json(doc), action="Save")
		self.assertEqual(status, 200, body)
		(saved,) = body["docs"]
		key = saved["__onload"]["key"]
		self.assertEqual(rest_with({"x-api-key": key}, "GET", LIST_MODELS)[0], 200)
		saved["label"] = "Desktop"
		# From Frappe 16 on this flag holds for all threads of the process, and no test writes versions.
		with patch.object(frappe, "in_test", False, create=True):
			_status, again = rest("POST", save, ANN, doc=frappe.as_json(saved), action="Save")
		self.assertEqual(again["docs"][0]["label"], "Desktop", again)
		_status, read = rest(
			"GET", "/api/method/frappe.desk.form.load.getdoc", ANN, doctype="AI Key", name=saved["name"]
		)
		_status, made = rest("POST", "/api/resource/AI Key", ANN, label="By REST")
		self.assertEqual(made["data"]["user"], ANN)
		for answer in (again, read, made):
			self.assertNotIn(
				"aik-",
				str(answer)
				.replace(f"'{saved['key_start']}'", "")
				.replace(f"'{made['data']['key_start']}'", ""),
			)
		frappe.db.rollback()
		# Frappe 16 deletes the versions with the document.
		self.assertTrue(frappe.db.exists("Version", {"docname": saved["name"]}))
		self.assertNotIn(
			key, str(frappe.db.sql("select * from `tabVersion` order by creation desc limit 50"))
		)
		self.assertEqual(rest("DELETE", f"/api/resource/AI Key/{saved['name']}", ANN)[0], 202)
		frappe.db.rollback()
		for doctype in ("Version", "Deleted Document", "Error Log", "Activity Log", "Comment", "AI Key"):
			with self.subTest(doctype):
				rows = frappe.db.sql(f"select * from `tab{doctype}` order by creation desc limit 50")
				self.assertNotIn(key, str(rows))
		deleted = frappe.get_last_doc(
			"Deleted Document", {"deleted_doctype": "AI Key", "deleted_name": saved["name"]}
		)
		self.assertNotIn(keys.digest(key), deleted.data)

	def test_a_user_makes_sees_and_changes_their_own_keys_alone(self) -> None:
		doc, _key = self.make(BOB)
		status, body = rest("POST", MAKE, ANN, label="Laptop")
		self.assertEqual(status, 200)
		own = body["message"]["name"]
		self.assertEqual(rest_with({"x-api-key": body["message"]["key"]}, "GET", LIST_MODELS)[0], 200)
		_status, body = rest("GET", "/api/resource/AI Key", ANN)
		self.assertEqual([row["name"] for row in body["data"]], [own])
		_status, body = rest("GET", "/api/resource/AI Key", CHIEF, filters='[["user", "like", "%keys.test"]]')
		self.assertEqual({row["name"] for row in body["data"]}, {own, doc.name})
		path = f"/api/resource/AI Key/{doc.name}"
		self.assertEqual(rest("GET", path, ANN)[0], 403)
		self.assertEqual(rest("PUT", path, ANN, enabled=0)[0], 403)
		# Nor by making it one's own.
		self.assertGreaterEqual(rest("PUT", path, ANN, user=ANN)[0], 403)
		self.assertGreaterEqual(rest("PUT", f"/api/resource/AI Key/{own}", ANN, user=BOB)[0], 403)
		self.assertEqual(rest("DELETE", path, ANN)[0], 403)
		self.assertEqual(rest("POST", "/api/resource/AI Key", ANN, label="x", user=BOB)[0], 403)
		self.assertEqual(rest("POST", "/api/resource/AI Key", CHIEF, label="x", user=BOB)[0], 200)
		self.assertEqual(rest("POST", "/api/resource/AI Key", STRANGER, label="x")[0], 403)
		frappe.db.rollback()
		self.assertEqual(frappe.db.get_value("AI Key", doc.name, ["user", "enabled"]), (BOB, 1))

	def test_a_client_chooses_neither_the_hash_nor_who_may_not_chat(self) -> None:
		known = keys.digest("aik-known")
		doc, _key = self.make(key_hash=known)
		self.assertNotEqual(doc.key_hash, known)
		self.assertEqual(len(doc.key_hash), 64)
		stored = doc.key_hash
		_status, _body = rest(
			"PUT", f"/api/resource/AI Key/{doc.name}", ANN, key_hash=known, models=" a \n\n a\nb"
		)
		frappe.db.rollback()
		doc.reload()
		self.assertEqual((doc.key_hash, doc.models), (stored, "a\nb"))
		with self.assertRaisesRegex(frappe.ValidationError, "role"):
			self.make(STRANGER)
		with self.assertRaisesRegex(frappe.ValidationError, "role"):
			self.make("Guest")

	def test_a_key_has_what_its_row_says(self) -> None:
		limits: dict[str, Any] = {"requests_per_minute": 3, "tokens_per_day": 10, "cost_per_month": 0.5}
		doc, _key = self.make(models="fast\nopenai/m", **limits)
		key = keys.named(doc.name)
		self.assertEqual(key, keys.Key(doc.name, ANN, ("fast", "openai/m"), **limits))
		self.assertIsNone(keys.named("unknown"))

	def test_what_requests_with_a_key_use_is_booked_on_its_account_too(self) -> None:
		doc, _key = self.make()
		rows = store.current()
		row = {
			"user": ANN,
			"request_id": "keys-test-1",
			"status": "running",
			"ai_key": doc.name,
			"created": 1.0,
		}
		since = now_datetime().date()
		name = rows.open({**row, "lease": 0.0})
		rows.finish(name, {"status": "completed", "usage": {"total_tokens": 7, "cost_usd": 0.5}})
		name = rows.open({**row, "request_id": "keys-test-2", "ai_key": None, "lease": 0.0})
		rows.finish(name, {"status": "completed", "usage": {"total_tokens": 5, "cost_usd": 0.5}})
		((_day, tokens, cost),) = rows.booked(store.KEY + doc.name, since)
		self.assertEqual((tokens, cost), (7, 0.5))
		((_day, tokens, cost),) = rows.booked(ANN, since)
		self.assertEqual((tokens, cost), (12, 1.0))
		self.assertEqual(rows.nth_newest_of_key(doc.name, 0.5, 1), 1.0)
		self.assertIsNone(rows.nth_newest_of_key(doc.name, 1.0, 1))
