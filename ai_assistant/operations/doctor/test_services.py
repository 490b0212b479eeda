"""What the doctor says of a database; the checks under faults are in tests/faults/bench/test_doctor.py."""

import frappe

from ai_assistant.bench_tests import TestCase

from . import services

VARIABLE = "innodb_snapshot_isolation"


class TestChecks(TestCase):
	def test_a_database_that_refuses_parallel_logins_is_named(self) -> None:
		# MariaDB before 10.6.18 and 10.11.8 has none.
		before = dict(frappe.db.sql(f"show variables like '{VARIABLE}'"))
		if not before:
			self.assertNotIn(VARIABLE, services.database())
			return
		self.addCleanup(frappe.db.sql, f"set session {VARIABLE} = {before[VARIABLE]}")
		for value, named in (("ON", True), ("OFF", False)):
			frappe.db.sql(f"set session {VARIABLE} = {value}")
			self.assertEqual(f"{VARIABLE} is on" in services.database(), named)
