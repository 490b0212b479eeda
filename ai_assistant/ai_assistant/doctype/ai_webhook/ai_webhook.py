import frappe
from frappe import _
from frappe.model.document import Document


class AIWebhook(Document):
	"""An address that is told when a request ends: a row of AI Assistant Settings, which validates it."""

	# begin: auto-generated types
	# This code is auto-generated. Do not modify anything in this block.

	from typing import TYPE_CHECKING

	if TYPE_CHECKING:
		from frappe.types import DF

		enabled: DF.Check
		parent: DF.Data
		parentfield: DF.Data
		parenttype: DF.Data
		secret: DF.Password | None
		url: DF.Data
	# end: auto-generated types

	def get_password(self, fieldname: str = "password", raise_exception: bool = True) -> None:
		"""Refuses to return the secret. `frappe.client.get_password` would show it to System Managers otherwise."""
		frappe.throw(_("A secret cannot be read back; enter a new one instead."), frappe.PermissionError)
