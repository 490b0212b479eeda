"""Which changes of the forms the settings notice."""

import time
from collections.abc import Callable
from unittest.mock import patch

import frappe
from frappe.utils.password import set_encrypted_password

from ai_assistant.bench_tests import TestCase

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
		of_documents: dict[str, Callable[[], object]] = {
			"a new provider": provider.insert,
			"a saved provider": lambda: provider.update({"priority": 8}).save(),
			"a setting": lambda: frappe.get_doc("AI Assistant Settings").update({"max_tokens": 1234}).save(),
		}
		by_scripts: dict[str, Callable[[], object]] = {
			"a column": lambda: self.set_value("AI Provider", NAME, "priority", 9),
			"the key of a row": lambda: set_encrypted_password(
				"AI Provider Key", provider.api_keys[0].name, "second", "api_key"
			),
			"a row": lambda: self.set_value("AI Provider Key", provider.api_keys[0].name, "enabled", 0),
			"a setting": lambda: frappe.db.set_single_value("AI Assistant Settings", "max_tokens", 4321),
		}
		deletion: dict[str, Callable[[], object]] = {
			"a deleted provider": lambda: frappe.delete_doc("AI Provider", NAME)
		}
		before, clock = forms.version(), time.monotonic()
		with patch("time.monotonic", lambda: clock):
			for what, change in {**of_documents, **by_scripts, **deletion}.items():
				change()
				if what in by_scripts:
					self.assertEqual(forms.version(), before, what)
					clock += forms.VERSION_S
				after = forms.version()
				self.assertNotEqual(after, before, what)
				before = after

	@staticmethod
	def set_value(doctype: str, name: str, field: str, value: object) -> None:
		"""Sets a value as a script may do it, without a new time of the change."""
		frappe.db.set_value(doctype, name, field, value, update_modified=False)
