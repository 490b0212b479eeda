"""Aliases and the roles of providers, as the forms take them and as the settings read them."""

from typing import Any

import frappe

from ai_assistant.bench_tests import TestCase, provider
from ai_assistant.config import forms

test_ignore = IGNORE_TEST_RECORD_DEPENDENCIES = ["AI Provider", "User"]

NAME = "Alias Test"


class TestAIModelAlias(TestCase):
	def setUp(self) -> None:
		frappe.set_user("Administrator")
		self.addCleanup(frappe.db.rollback)
		self.provider: Any = provider(NAME, default_model="m", models=[{"model": "m"}, {"model": "large"}])
		self.provider.insert()

	def alias(self, alias: str, model: str = "m") -> Any:
		return frappe.get_doc(
			{"doctype": "AI Model Alias", "alias": alias, "provider": NAME, "model": model}
		).insert()

	def test_an_alias_is_read_with_its_provider_and_model(self) -> None:
		self.alias(" alias-test ", " large ")
		aliases = [dict(row) for row in forms.read()["aliases"] if row["provider"] == NAME]
		self.assertEqual(aliases, [{"name": "alias-test", "provider": NAME, "model": "large"}])

	def test_a_wrong_alias_is_refused(self) -> None:
		for alias, model, words in (
			("*", "m", "Alias accepts"),
			("what?", "m", "Alias accepts"),
			("alias-test", "unknown", "Model accepts one of the models of"),
		):
			with (
				self.subTest(alias=alias, model=model),
				self.assertRaisesRegex(frappe.ValidationError, words),
			):
				self.alias(alias, model)

	def test_a_provider_that_allows_any_model_may_have_an_alias_of_any(self) -> None:
		self.provider.append("models", {"model": "*"})
		self.provider.save()
		self.assertEqual(self.alias("alias-test", "another").name, "alias-test")

	def test_the_roles_of_a_provider_and_of_its_models_are_read(self) -> None:
		self.provider.append("roles", {"role": "System Manager"})
		self.provider.append("roles", {"role": "Report Manager", "model": " large "})
		self.provider.save()
		read = forms.provider(NAME)
		self.assertEqual(read["roles"], ["System Manager"])
		self.assertEqual(read["model_roles"], {"large": ["Report Manager"]})

	def test_roles_of_a_model_that_is_not_allowed_are_refused(self) -> None:
		self.provider.append("roles", {"role": "System Manager", "model": "unknown"})
		with self.assertRaisesRegex(frappe.ValidationError, "Permitted Roles, row 1: Model accepts"):
			self.provider.save()
