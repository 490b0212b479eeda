"""Logs who reads the content of another user.

The fields with content have the permission level CONTENT_LEVEL, and no role has that level. So lists, reports, exports
and filters do not contain them, for any user. A user who may read a document reads its content only in the document
itself. Frappe's View Log gets a row when that is not the user whose content it is.
"""

from typing import Any

import frappe

from ai_assistant.doctypes import WrittenByApp

CONTENT_LEVEL = 1
"""The permission level of the fields with content. The fields that only the app reads have the next level."""


class LogsViews(WrittenByApp):
	"""A document with content of a user.

	Desk, `/api/resource`, `/api/v2/document` and `frappe.client.get` apply the permissions of fields before they return
	a document (frappe/desk/form/load.py, frappe/api, frappe/client.py). Desk also logs the views of the user's own.
	"""

	def content_user(self) -> str | None:
		"""Returns the user whose content this is."""
		raise NotImplementedError

	def get_permlevel_access(self, permission_type: str = "write") -> list[int]:
		"""Adds the level of the content to those that Frappe allows. Lists ask the DocType and not a document."""
		levels: list[int] = super().get_permlevel_access(permission_type)
		return [*levels, CONTENT_LEVEL] if permission_type == "read" else levels

	def apply_fieldlevel_read_permissions(self) -> None:
		super().apply_fieldlevel_read_permissions()
		self.log_view()

	def before_print(self, settings: Any = None) -> None:
		"""Frappe calls it for each print view and PDF (frappe/www/printview.py)."""
		self.log_view()

	def log_view(self) -> None:
		"""Logs the view if the session's user reads the content of another user."""
		if self.content_user() != frappe.session.user:
			self.add_viewed()

	def add_viewed(self, *arguments: Any, **options: Any) -> Any:
		"""Logs the view, once for each document that is loaded."""
		if self.flags.is_viewed:
			return None
		self.flags.is_viewed = True
		return super().add_viewed(*arguments, **options)
