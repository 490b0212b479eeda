import frappe

from ai_assistant.bench_tests import TestCase

from .widen_limits import DEFAULTS, SETTINGS, execute


class TestWidenLimits(TestCase):
	def after(self, **stored: int) -> dict[str, int]:
		"""Returns what is stored after the patch."""
		for field, value in stored.items():
			frappe.db.set_single_value(SETTINGS, field, value)
		execute()
		return {field: frappe.db.get_single_value(SETTINGS, field) for field, _old, _new in DEFAULTS}

	def test_an_old_default_becomes_the_new_one(self) -> None:
		self.assertEqual(
			self.after(max_messages=200, max_chars=400_000), {"max_messages": 10_000, "max_chars": 0}
		)

	def test_what_an_administrator_has_set_stays(self) -> None:
		chosen = {"max_messages": 300, "max_chars": 5000}
		self.assertEqual(self.after(**chosen), chosen)
