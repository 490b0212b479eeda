"""What DocTypes of the app have in common."""

import frappe
from frappe import _
from frappe.model.document import Document


class WrittenByApp(Document):
	"""A document whose row only the app writes, in SQL."""

	def validate(self) -> None:
		frappe.throw(_("Only the app writes this document; it cannot be edited."), frappe.PermissionError)


class KeepsSecrets(Document):
	"""A document with a Password field, which Frappe stores encrypted."""

	def get_password(self, fieldname: str = "password", raise_exception: bool = True) -> None:
		"""Refuses to return a secret. `frappe.client.get_password` would show it to System Managers otherwise."""
		frappe.throw(_("A secret cannot be read back; enter a new one instead."), frappe.PermissionError)
