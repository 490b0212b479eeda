"""Alerts: who is told, once when one begins and once when it is over, and who sees them."""

from unittest.mock import patch

import frappe
from frappe.utils import add_days, now_datetime

from .ai_alert import AIAlert
from ai_assistant.bench_tests import COUNTS_FOR_ANYBODY, TestCase, delete_user, make_user, rest
from ai_assistant.permissions import MANAGER, USER
from ai_assistant.store.frappe_store import FrappeStore

test_ignore = IGNORE_TEST_RECORD_DEPENDENCIES = ["User"]

CHIEF, ANN = "chief@alerts.test", "ann@alerts.test"
KIND, SUBJECT = "provider_failing", "alerts-test"


def mail(by_email: int) -> None:
	"""Changes the setting as an administrator does."""
	frappe.get_doc("AI Assistant Settings").update({"alert_by_email": by_email}).save()


class TestAIAlert(TestCase):
	@classmethod
	def setUpClass(cls) -> None:
		super().setUpClass()
		frappe.set_user("Administrator")
		make_user(CHIEF, MANAGER)
		make_user(ANN, USER)

	@classmethod
	def tearDownClass(cls) -> None:
		frappe.db.rollback()
		for user in (CHIEF, ANN):
			frappe.db.delete("Notification Log", {"for_user": user})
			delete_user(user)
		super().tearDownClass()

	def setUp(self) -> None:
		self.addCleanup(frappe.db.rollback)
		self.store = FrappeStore()

	def keep(self, now: float, message: str = "It fails.") -> None:
		self.store.keep_alert(KIND, SUBJECT, message, now)

	def told(self, user: str) -> list[str]:
		rows: list[str] = frappe.get_all(
			"Notification Log",
			{"for_user": user, "document_type": "AI Alert"},
			order_by="creation",
			pluck="subject",
		)
		return rows

	def test_one_incident_is_one_alert_from_its_beginning_to_its_end(self) -> None:
		self.keep(1000.5)
		self.keep(1060.5, "It fails more.")
		self.assertEqual(self.store.alerts()[KIND, SUBJECT], 1060.5)
		self.store.end_alert(KIND, SUBJECT, 1200.0)
		self.assertNotIn((KIND, SUBJECT), self.store.alerts())
		self.keep(2000.0)
		rows = frappe.get_all(
			"AI Alert", {"subject": SUBJECT}, ["status", "message", "ended"], order_by="creation"
		)
		self.assertEqual([row.status for row in rows], ["over", "open"])
		self.assertEqual(rows[0].message, "It fails more.")
		self.assertTrue(rows[0].ended and not rows[1].ended)

	def test_system_managers_are_told_once_that_it_begins_and_once_that_it_is_over(self) -> None:
		self.keep(1000.0)
		self.keep(1060.0)
		self.assertEqual(self.told(CHIEF), ["AI Assistant: It fails."])
		self.assertEqual(self.told("Administrator")[-1:], ["AI Assistant: It fails."])
		self.store.end_alert(KIND, SUBJECT, 1200.0)
		self.assertEqual(self.told(CHIEF), ["AI Assistant: It fails.", "AI Assistant: it is over. It fails."])
		self.assertEqual(self.told(ANN), [])

	def test_an_alert_without_a_subject_is_another(self) -> None:
		self.store.keep_alert("realtime_gone", "", "Gone.", 1.0)
		self.store.keep_alert("realtime_gone", "", "Gone.", 2.0)
		self.assertEqual(self.store.alerts()["realtime_gone", ""], 2.0)
		self.store.end_alert("realtime_gone", "", 3.0)
		self.assertNotIn(("realtime_gone", ""), self.store.alerts())

	def test_mail_is_sent_where_the_settings_say_so(self) -> None:
		mail(0)
		with patch("frappe.sendmail") as sent:
			self.keep(1000.0)
			self.assertFalse(sent.called)
			mail(1)
			self.store.end_alert(KIND, SUBJECT, 1200.0)
		self.assertIn(CHIEF, sent.call_args.kwargs["recipients"])
		self.assertNotIn(ANN, sent.call_args.kwargs["recipients"])
		self.assertEqual(sent.call_args.kwargs["subject"], "AI Assistant: it is over. It fails.")

	def test_without_an_outgoing_account_the_notifications_are_made_all_the_same(self) -> None:
		mail(1)
		with patch("frappe.sendmail", side_effect=frappe.OutgoingEmailError):
			self.keep(1000.0)
		# Nor where one of the addresses is none.
		with patch("frappe.sendmail", side_effect=frappe.InvalidEmailAddressError):
			self.store.end_alert(KIND, SUBJECT, 1200.0)
		self.assertEqual(self.told(CHIEF), ["AI Assistant: It fails.", "AI Assistant: it is over. It fails."])

	def test_alerts_are_for_system_managers_and_sums_for_nobody(self) -> None:
		for doctype, expected in (("AI Alert", 200), ("AI Sum", 403)):
			self.assertEqual(rest("GET", f"/api/resource/{doctype}", ANN)[0], 403)
			self.assertEqual(rest("GET", f"/api/resource/{doctype}", CHIEF)[0], expected)
			self.assertEqual(rest("POST", f"/api/resource/{doctype}", CHIEF, kind="realtime_gone")[0], 403)
			if not COUNTS_FOR_ANYBODY:
				self.assertEqual(
					rest("GET", "/api/method/frappe.client.get_count", ANN, doctype=doctype)[0], 403
				)

	def test_old_alerts_are_cleared_once_they_are_over(self) -> None:
		self.keep(1000.0)
		self.store.end_alert(KIND, SUBJECT, 1200.0)
		self.keep(2000.0)
		for name in frappe.get_all("AI Alert", {"subject": SUBJECT}, pluck="name"):
			frappe.db.set_value(
				"AI Alert", name, "creation", add_days(now_datetime(), -91), update_modified=False
			)
		AIAlert.clear_old_logs(90)
		self.assertEqual(frappe.get_all("AI Alert", {"subject": SUBJECT}, pluck="status"), ["open"])
