import frappe
from frappe import _
from frappe.model.document import Document


class AIProviderKey(Document):
	"""One of several keys of a provider: a row of AI Provider, which validates it. Frappe stores the key encrypted."""

	# begin: auto-generated types
	# This code is auto-generated. Do not modify anything in this block.

	from typing import TYPE_CHECKING

	if TYPE_CHECKING:
		from frappe.types import DF

		api_key: DF.Password | None
		enabled: DF.Check
		label: DF.Data
		parent: DF.Data
		parentfield: DF.Data
		parenttype: DF.Data
		weight: DF.Float
	# end: auto-generated types

	def get_password(self, fieldname: str = "password", raise_exception: bool = True) -> None:
		"""Refuses to return the key. `frappe.client.get_password` would show it to System Managers otherwise."""
		frappe.throw(_("An API key cannot be read back; enter a new one instead."), frappe.PermissionError)
