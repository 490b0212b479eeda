"""What DocTypes of the app have in common."""

from typing import Any

import frappe
from frappe import _
from frappe.model.document import Document


def refuse(sentence: str, *values: object) -> None:
	"""Raises ValidationError with a translated sentence, in which `values` replace the placeholders."""
	frappe.throw(sentence.format(*values))


def is_number(text: str, most: float) -> bool:
	"""Whether a text is a number from 0 to `most`."""
	try:
		return 0 <= float(text) <= most
	except ValueError:
		return False


class WrittenByApp(Document):
	"""A document whose row only the app writes, in SQL.

	Frappe lets clients call `submit`, `cancel`, `discard`, `rename` and `add_comment` of each document that the user may
	read. It answers with all fields of the document, whatever their permission level (frappe/handler.py,
	`run_doc_method`). The overrides here are not whitelisted, so clients cannot call them.
	"""

	def validate(self) -> None:
		frappe.throw(_("Only the app writes this document; it cannot be edited."), frappe.PermissionError)

	def submit(self) -> None:
		self.validate()

	def cancel(self) -> None:
		self.validate()

	def discard(self) -> None:
		self.validate()

	def rename(self, *arguments: Any, **options: Any) -> None:
		self.validate()

	def add_comment(self, *arguments: Any, **options: Any) -> Any:
		"""Adds a comment. Desk does not call it over HTTP (frappe/desk/form/utils.py, `add_comment`)."""
		return super().add_comment(*arguments, **options)


class KeepsSecrets(Document):
	"""A document with a Password field, which Frappe stores encrypted."""

	def get_password(self, fieldname: str = "password", raise_exception: bool = True) -> None:
		"""Refuses to return a secret. `frappe.client.get_password` would show it to System Managers otherwise."""
		frappe.throw(_("A secret cannot be read back; enter a new one instead."), frappe.PermissionError)
