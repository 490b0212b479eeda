"""Alerts in the table of AI Alert."""

import frappe

from ..alerts import AlertKey

ALERT = "AI Alert"


class FrappeAlerts:
	"""`ai_assistant.store.alerts.Alerts` on MariaDB."""

	def alerts(self) -> dict[AlertKey, float]:
		rows = frappe.get_all(ALERT, {"status": "open"}, ["kind", "subject", "seen"])
		return {(row.kind, row.subject or ""): row.seen for row in rows}

	def keep_alert(self, kind: str, subject: str, message: str, now: float) -> None:
		values = {"message": message, "seen": now}
		if name := self._alert(kind, subject):
			frappe.db.set_value(ALERT, name, values)
			return
		# The insert notifies the System Managers (AI Alert).
		frappe.get_doc(
			{"doctype": ALERT, "kind": kind, "subject": subject, "status": "open", **values}
		).insert(ignore_permissions=True)

	def end_alert(self, kind: str, subject: str, now: float) -> None:
		frappe.get_doc(ALERT, self._alert(kind, subject)).end()

	def _alert(self, kind: str, subject: str) -> str | None:
		rows = frappe.get_all(ALERT, {"kind": kind, "status": "open"}, ["name", "subject"])
		return next((row.name for row in rows if (row.subject or "") == subject), None)
