import frappe
from frappe import _
from frappe.model.document import Document
from frappe.utils import add_days, now_datetime

from ai_assistant.config.settings import load
from ai_assistant.permissions import MANAGER
from ai_assistant.log import logger


class AIAlert(Document):
	"""A problem that an administrator should look at. The alert ends if it was not seen for a while.

	`ai_assistant.operations.alerts` detects problems. System Managers are notified when one begins and ends.
	"""

	# begin: auto-generated types
	# This code is auto-generated. Do not modify anything in this block.

	from typing import TYPE_CHECKING

	if TYPE_CHECKING:
		from frappe.types import DF

		ended: DF.Datetime | None
		kind: DF.Literal[
			"event_failures",
			"slow_delivery",
			"late_first_event",
			"realtime_gone",
			"provider_failing",
			"key_refused",
			"key_limited",
			"low_cached_share",
			"configuration",
		]
		message: DF.SmallText | None
		seen: DF.Float
		status: DF.Literal["open", "over"]
		subject: DF.Data | None
	# end: auto-generated types

	def after_insert(self) -> None:
		self._notify(_("AI Assistant: {0}").format(self.message))

	def end(self) -> None:
		"""Ends the alert and tells the System Managers."""
		# `save` would refuse an alert of a kind that a later version no longer has.
		self.db_set({"status": "over", "ended": now_datetime()}, notify=True)
		self._notify(_("AI Assistant: it is over. {0}").format(self.message))

	def _notify(self, subject: str) -> None:
		managers = frappe.get_all("Has Role", {"role": MANAGER, "parenttype": "User"}, pluck="parent")
		users = frappe.get_all(
			"User", {"name": ("in", ["Administrator", *managers]), "enabled": 1}, ["name", "email"]
		)
		for user in users:
			frappe.get_doc(
				{
					"doctype": "Notification Log",
					"type": "Alert",
					"for_user": user.name,
					"subject": subject,
					"document_type": self.doctype,
					"document_name": self.name,
				}
			).insert(ignore_permissions=True)
		if load().alerts.email:
			try:
				frappe.sendmail(
					recipients=[user.email for user in users],
					subject=subject,
					message=subject,
					reference_doctype=self.doctype,
					reference_name=self.name,
				)
			except (frappe.OutgoingEmailError, frappe.ValidationError) as error:
				# There is no outgoing account, or an address is malformed. The notifications in Desk exist all the same.
				logger().warning(f"[Alert] ❌ not sent by e-mail: {type(error).__name__}")

	@staticmethod
	def clear_old_logs(days: int = 90) -> None:
		"""Deletes old alerts that have ended. Log Settings calls it (frappe/core/doctype/log_settings)."""
		before = add_days(now_datetime(), -days)
		frappe.db.delete("AI Alert", {"creation": ("<", before), "status": "over"})
