"""Logs who reads the content of another user.

The fields with content have the permission level CONTENT_LEVEL, and no role has that level. So lists, reports, exports
and filters do not contain them, for any user. A user who may read a document reads its content only in the document
itself. Frappe's View Log gets a row when that is not the user whose content it is.

`watch` reads events in SQL and not as documents. It calls `add_row` through the store (`ai_assistant.chat.event_feed`).
"""

import json
from typing import Any

import frappe
from frappe import _
from frappe.deferred_insert import queue_prefix

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
		"""Frappe calls it for each print view and PDF (frappe/www/printview.py).

		With the key of a Document Share Key, Frappe prints a document for visitors. The log could not say who they are.
		"""
		if frappe.session.user == "Guest":
			frappe.throw(_("Log in to read this document."), frappe.PermissionError)
		self.log_view()

	def check_permission(self, permtype: str = "read", *arguments: Any, **options: Any) -> None:
		"""Logs the view of a user who may read or print, because the caller may then show any field.

		Frappe's preview of Auto Repeat does so, and the new Print Format Builder, which does not call `before_print`
		(frappe/automation/doctype/auto_repeat, frappe/utils/weasyprint.py).
		"""
		super().check_permission(permtype, *arguments, **options)
		if permtype in ("read", "print"):
			self.log_view()

	def get_password(self, fieldname: str = "password", raise_exception: bool = True) -> None:
		"""Refuses. `frappe.client.get_password` shows System Managers any field, and View Log gets no row."""
		frappe.throw(_("This document has no password."), frappe.PermissionError)

	def log_view(self) -> None:
		"""Logs the view if the session's user reads the content of another user."""
		if self.content_user() != frappe.session.user:
			self.add_viewed()

	def add_viewed(self, user: str | None = None, *arguments: Any, **options: Any) -> Any:
		"""Logs the view, once for each document that is loaded, also if *Track Views* of the DocType is off."""
		if self.flags.is_viewed:
			return None
		if frappe.flags.read_only:
			add_row(user or frappe.session.user, self.doctype, self.name)
			view = None
		else:
			view = super().add_viewed(user, force=True)
		self.flags.is_viewed = True
		return view

	def after_delete(self) -> None:
		"""Empties the content, because Frappe keeps the document as a Deleted Document.

		A System Manager would read the content there, and View Log would get no row. Nobody can restore the document
		(`WrittenByApp`), so its content is of no use. Frappe calls it before it makes the copy
		(frappe/model/delete_doc.py, `delete_doc`).
		"""
		for field in self.meta.get_high_permlevel_fields():
			self.set(field.fieldname, None)


def add_row(reader: str, doctype: str, name: str) -> None:
	"""Adds a row to View Log, as Frappe's `Document.add_viewed` does (frappe/model/document.py). It does not commit.

	Frappe 16 adds its row after the response. This row is in the transaction, so the caller can commit it before. While
	the site is in a maintenance mode that allows reads, Frappe keeps the row in Redis and adds it later.

	Args:
		reader: the user who reads.
		doctype: the DocType of the document that is read.
		name: the name of the document.

	Raises:
		redis.ConnectionError: Redis cannot be reached, in that maintenance mode.
	"""
	view = frappe.get_doc(
		{"doctype": "View Log", "viewed_by": reader, "reference_doctype": doctype, "reference_name": name}
	)
	if frappe.flags.read_only:
		# As `Document.deferred_insert`, which drops the row without an error if Redis cannot be reached.
		view.set_user_and_timestamp()
		values = view.get_valid_dict(convert_dates_to_str=True, ignore_virtual=True)
		frappe.cache.rpush(f"{queue_prefix}{view.doctype}", json.dumps(values))
	else:
		# The request may have been deleted since it was read.
		view.insert(ignore_permissions=True, ignore_links=True)
