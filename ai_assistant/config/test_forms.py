"""Which changes of the forms the settings notice."""

import time
from collections.abc import Callable
from unittest.mock import patch

import frappe
from frappe.utils.password import set_encrypted_password

from ai_assistant.bench_tests import TestCase
from ai_assistant.store.mariadb import sql

from . import forms

NAME = "versioned"


class TestForms(TestCase):
	def tearDown(self) -> None:
		frappe.db.rollback()

	def test_each_change_changes_the_version(self) -> None:
		provider = frappe.get_doc(
			{
				"doctype": "AI Provider",
				"provider_name": NAME,
				"enabled": 1,
				"api": "openai",
				"api_base": "http://127.0.0.1:1/v1",
				"default_model": "m",
				"api_keys": [{"label": "blue", "api_key": "first", "enabled": 1}],
			}
		)
		changes: dict[str, Callable[[], object]] = {
			"a new provider": provider.insert,
			"a saved provider": lambda: provider.update({"priority": 8}).save(),
			"a setting": lambda: frappe.get_doc("AI Assistant Settings").update({"max_tokens": 1234}).save(),
			"a column by a script": lambda: self.set_value("AI Provider", NAME, "priority", 9),
			"the key of a row": lambda: set_encrypted_password(
				"AI Provider Key", provider.api_keys[0].name, "second", "api_key"
			),
			"a row": lambda: self.set_value("AI Provider Key", provider.api_keys[0].name, "enabled", 0),
			"a setting by a script": lambda: frappe.db.set_single_value(
				"AI Assistant Settings", "max_tokens", 4321
			),
			"a deleted provider": lambda: frappe.delete_doc("AI Provider", NAME),
		}
		before = forms.version()
		for what, change in changes.items():
			change()
			after = forms.version()
			self.assertNotEqual(after, before, what)
			before = after

	def test_a_transaction_reads_the_checksum_again_after_a_while(self) -> None:
		clock = time.monotonic()
		with patch("time.monotonic", lambda: clock), patch.object(forms, "sql", wraps=sql) as counted:
			forms.changed()
			forms.version()
			statements = counted.call_count
			forms.version()
			self.assertEqual(counted.call_count, statements)
			clock += forms.VERSION_S
			forms.version()
			self.assertEqual(counted.call_count, statements + 1)

	def test_a_change_that_is_rolled_back_is_not_kept(self) -> None:
		clock = time.monotonic()
		with patch("time.monotonic", lambda: clock):
			before = forms.version()
			clock += forms.VERSION_S
			frappe.db.set_single_value("AI Assistant Settings", "max_tokens", 4321)
			self.assertNotEqual(forms.version(), before)
			frappe.db.rollback()
			self.assertEqual(forms.version(), before)

	def test_a_checksum_of_before_the_commit_is_not_kept_after_it(self) -> None:
		frappe.get_doc("AI Assistant Settings").save()
		# As another thread keeps it until the commit.
		forms._checksums[frappe.local.site] = (time.monotonic() + 60, "stale")
		# The commit is what is tested.
		frappe.db.commit()  # nosemgrep: frappe-manual-commit
		self.assertNotIn(frappe.local.site, forms._checksums)

	@staticmethod
	def set_value(doctype: str, name: str, field: str, value: object) -> None:
		"""Sets a value as a script may do it, without a new time of the change."""
		frappe.db.set_value(doctype, name, field, value, update_modified=False)
