"""Erases a person by Frappe's own Personal Data Deletion Request, and downloads the person's data."""

from typing import Any
from unittest.mock import patch

import frappe
from frappe.website.doctype.personal_data_download_request.personal_data_download_request import get_user_data

import ai_assistant
from ai_assistant import keys, store
from ai_assistant.api.test_python import provider
from ai_assistant.bench_tests import TestCase, commit, delete_user, make_user, start_without_requests
from ai_assistant.permissions import USER

from .personal_data import erase

PERSON, OTHER = "erased@privacy.example", "kept@privacy.example"
SECRET = "my-secret-words-4711"


def traces(*texts: str) -> list[str]:
	"""Returns the columns of this app's tables, and of Frappe's copies of documents, in which one of the texts is."""
	doctypes = frappe.get_all("DocType", {"module": "AI Assistant", "issingle": 0}, pluck="name")
	places = []
	ours = ("in", doctypes)
	copies = {"Deleted Document": {"deleted_doctype": ours}, "Version": {"ref_doctype": ours}}
	for doctype in (*doctypes, *copies):
		for row in frappe.get_all(doctype, filters=copies.get(doctype), fields=["*"]):
			places += [
				f"{doctype}.{column}"
				for column, value in row.items()
				if any(text in str(value) for text in texts)
			]
	return sorted(set(places))


class TestPersonalData(TestCase):
	@classmethod
	def setUpClass(cls) -> None:
		super().setUpClass()
		make_user(OTHER, USER)

	@classmethod
	def tearDownClass(cls) -> None:
		frappe.set_user("Administrator")
		delete_user(OTHER)
		super().tearDownClass()

	def setUp(self) -> None:
		make_user(PERSON, USER)
		self.addCleanup(delete_user, PERSON)
		start_without_requests(self, PERSON, OTHER)
		key = {"doctype": "AI Key", "user": PERSON, "label": SECRET, "key_hash": keys.digest("a key")}
		self.key = frappe.get_doc(key).insert(ignore_permissions=True)
		# Frappe makes one when somebody edits the key, but not in a test.
		version = {"doctype": "Version", "ref_doctype": "AI Key", "docname": self.key.name, "data": SECRET}
		frappe.get_doc(version).insert(ignore_permissions=True)
		commit()
		self.addCleanup(frappe.db.delete, "AI Key", {"user": PERSON})
		keeping = {"ai_assistant": {"retention": {"keep_questions": True}}}
		with patch.dict(frappe.local.conf, keeping), provider("You said ", SECRET):
			for user in (PERSON, PERSON, OTHER):
				ai_assistant.ask(f"I am {user}: {SECRET if user == PERSON else 'hello'}", user=user)
		frappe.db.rollback()
		commit()
		first, second = frappe.get_all("AI Request", {"user": PERSON}, pluck="name")
		store.current().add_deliveries(second, ["https://example.com"], f'{{"user": "{PERSON}"}}')
		# The request's own session owns it.
		frappe.set_user(PERSON)
		store.current().add_deliveries(second, ["https://example.org"], f'{{"user": "{PERSON}"}}')
		frappe.set_user("Administrator")
		deleted = frappe.get_all(
			"AI Webhook Delivery", {"request": second, "url": "https://example.org"}, pluck="name"
		)
		frappe.delete_doc("AI Webhook Delivery", deleted[0], ignore_permissions=True)
		frappe.delete_doc("AI Request Event", f"{second}:1", ignore_permissions=True)
		frappe.delete_doc("AI Request", first, ignore_permissions=True)
		commit()

	def test_a_person_downloads_their_data(self) -> None:
		data = str(get_user_data(PERSON))
		self.assertIn(SECRET, data)
		for doctype in ("AI Request", "AI Request Event", "AI Usage", "AI Key"):
			self.assertIn(doctype, data)
		self.assertNotIn(OTHER, data)

	def test_a_person_who_is_erased_leaves_nothing(self) -> None:
		before = traces(PERSON, SECRET)
		for column in (
			*("AI Request.user", "AI Request Event.owner", "AI Usage.user", "AI Key.user"),
			*("Deleted Document.data", "Version.data", "AI Webhook Delivery.payload"),
			*("AI Request.new_messages", "AI Request.title"),
		):
			self.assertIn(column, before)
		# As an older version left it.
		frappe.db.set_value("AI Usage", {"user": ""}, {"owner": PERSON, "modified_by": PERSON})
		with patch.object(frappe, "sendmail"):
			request: Any = frappe.get_doc({"doctype": "Personal Data Deletion Request", "email": PERSON})
			request.insert(ignore_permissions=True)
			self.addCleanup(self.remove, request.name)
			request.db_set("status", "Pending Approval")
			request.reload()
			request.trigger_data_deletion()
		self.assertEqual(frappe.db.get_value(request.doctype, request.name, "status"), "Deleted")
		places = traces(PERSON, request.name, SECRET)
		# The answers to the other person have the same words.
		owners = {
			f"{doctype}.{column}"
			for doctype, column in (("AI Request", "response"), ("AI Request Event", "text"))
		}
		self.assertEqual(set(places), owners)
		self.assertEqual(len(frappe.get_all("AI Request", {"user": OTHER})), 1)
		self.assertTrue(frappe.db.exists("AI Usage", {"user": OTHER}))

	def test_copies_and_reasoning_of_users_with_a_similar_name_stay(self) -> None:
		cases = (
			("a_b@privacy.example", "axb@privacy.example"),
			("a%b@privacy.example", "axxb@privacy.example"),
			("a*b@privacy.example", "ayb@privacy.example"),
			("a\\b@privacy.example", "ab@privacy.example"),
			('ä"b@privacy.example', "äb@privacy.example"),
		)
		for erased, kept in cases:
			copies = {user: self.copies_of(user) for user in (erased, kept)}
			for user in (erased, kept):
				frappe.cache.set_value(f"ai_assistant:continuation:{user}:key", "x")
			erase(erased)
			with self.subTest(erased):
				for user in (erased, kept):
					left = frappe.get_all("Deleted Document", {"name": ("in", copies[user])})
					self.assertEqual(len(left), 2 if user == kept else 0, user)
				self.assertIsNone(frappe.cache.get_value(f"ai_assistant:continuation:{erased}:key"))
				self.assertEqual(frappe.cache.get_value(f"ai_assistant:continuation:{kept}:key"), "x")
			frappe.cache.delete_value(f"ai_assistant:continuation:{kept}:key")

	@staticmethod
	def copies_of(user: str) -> list[str]:
		"""Makes a Deleted Document of a request and of an event of the user, and returns their names."""
		names = []
		for doctype, field in (("AI Request", "user"), ("AI Request Event", "owner")):
			data = frappe.as_json({"doctype": doctype, field: user, "name": "x"})
			copy = {"doctype": "Deleted Document", "deleted_doctype": doctype, "data": data}
			names.append(frappe.get_doc(copy).insert().name)
		return names

	@staticmethod
	def remove(name: str) -> None:
		frappe.set_user("Administrator")
		if frappe.db.exists("User", name):
			frappe.delete_doc("User", name, force=True, delete_permanently=True)
		frappe.delete_doc("Personal Data Deletion Request", name, force=True, delete_permanently=True)
		commit()
