"""Logs who reads the content of another user."""

from typing import Any

import frappe
from frappe.model.document import Document


class LogsViews(Document):
	"""A document with content of a user. Frappe's View Log gets a row when another user reads it by itself.

	Desk, `/api/resource`, `/api/v2/document` and `frappe.client.get` apply the permissions of fields before they return
	a document (frappe/desk/form/load.py, frappe/api, frappe/client.py). Desk also logs the views of the user's own.
	"""

	def content_user(self) -> str | None:
		"""Returns the user whose content this is."""
		raise NotImplementedError

	def apply_fieldlevel_read_permissions(self) -> None:
		super().apply_fieldlevel_read_permissions()
		if self.content_user() != frappe.session.user:
			self.add_viewed()

	def add_viewed(self, *arguments: Any, **options: Any) -> Any:
		"""Logs the view, once for each document that is loaded."""
		if self.flags.is_viewed:
			return None
		self.flags.is_viewed = True
		return super().add_viewed(*arguments, **options)
