"""The user of the canary: what it may do, and that it comes and goes with the app."""

import frappe
from frappe.utils.password import remove_encrypted_password

from ai_assistant import install
from ai_assistant.bench_tests import TestCase, rest
from ai_assistant.permissions import may_use

from . import canary_user
from .canary_user import USER
from .doctor.check import CheckFailed


class TestCanaryUser(TestCase):
	def setUp(self) -> None:
		frappe.set_user("Administrator")
		self.addCleanup(self._undo)

	def _undo(self) -> None:
		frappe.db.rollback()
		frappe.clear_cache()

	def test_it_has_a_key_and_no_password_role_or_desk(self) -> None:
		install.after_migrate()
		user = frappe.get_doc("User", USER)
		self.assertEqual((user.user_type, user.enabled, user.roles), ("Website User", 1, []))
		self.assertEqual(set(frappe.get_roles(USER)), {"All", "Guest"})
		passwords = frappe.db.sql(
			"select fieldname from `__Auth` where doctype = 'User' and name = %s", (USER,)
		)
		self.assertEqual(passwords, (("api_secret",),))
		with self.set_user(USER):
			self.assertFalse(may_use())
		self.assertFalse(frappe.db.exists("Contact", {"user": USER}))

	def test_each_migration_gives_it_a_new_secret(self) -> None:
		before = canary_user.token()
		install.after_migrate()
		after = canary_user.token()
		self.assertEqual(before.partition(":")[0], after.partition(":")[0])
		self.assertNotEqual(before, after)

	def test_its_key_logs_in_and_may_not_use_the_app(self) -> None:
		token = canary_user.token()
		self.assertEqual(
			rest("GET", "/api/method/frappe.auth.get_logged_user", token), (200, {"message": USER})
		)
		for path in ("method/ai_assistant.api.list_models", "resource/User", "resource/AI Request"):
			self.assertEqual(rest("GET", f"/api/{path}", token)[0], 403, path)

	def test_a_user_that_cannot_log_in_is_reported(self) -> None:
		def why() -> str:
			with self.assertRaises(CheckFailed) as raised:
				canary_user.token()
			return str(raised.exception)

		canary_user.create()
		frappe.db.set_value("User", USER, "enabled", 0)
		self.assertIn("is disabled", why())
		frappe.db.set_value("User", USER, "enabled", 1)
		remove_encrypted_password("User", USER, "api_secret")
		self.assertIn("cannot be read", why())
		frappe.db.delete("User", {"name": USER})
		self.assertIn("is missing", why())

	def test_uninstalling_deletes_it(self) -> None:
		install.after_migrate()
		for _time in range(2):
			install.before_uninstall()
		self.assertFalse(frappe.db.exists("User", USER))
		self.assertFalse(frappe.db.sql("select 1 from `__Auth` where name = %s", (USER,)))
