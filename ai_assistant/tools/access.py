"""Decides which DocTypes and fields the tools of this app read: fewer than Frappe's own permissions allow.

Frappe decides which documents the user may read. These rules come on top, because what a tool reads goes to a provider,
and the text of a document may have persuaded the model to ask for it:

- DocTypes of Frappe itself are closed, unless OF_FRAPPE names them. Most of them are about the system: files, logs,
  versions, scripts, sessions, tokens.
- DocTypes of this app, Single DocTypes and virtual ones are closed. Settings hold keys.
- Password fields, and fields whose name says that they hold a secret, are not read and not filtered by.
- A field of a higher permission level is neither read, nor filtered, nor sorted by, without that level.
"""

import re
from typing import Any

import frappe
from frappe import _
from frappe.model import no_value_fields, table_fields

from .tool import ToolError

OF_FRAPPE = frozenset(
	("Address", "Communication", "Contact", "Country", "Currency", "Event", "Note", "ToDo", "User")
)
"""The DocTypes of Frappe that tools may read."""
CLOSED_APPS = frozenset(("frappe", "ai_assistant"))
SECRET = re.compile(r"passw(or)?d|passphrase|secret|token|credential|(^|_)otp(_|$)|_key$", re.IGNORECASE)
STANDARD = ("name", "owner", "creation", "modified", "modified_by", "docstatus")
"""The fields of every document that tools may read."""


def readable_doctype(doctype: str, permission: str = "read") -> Any:
	"""Returns the meta of a DocType whose documents a tool may read for the session's user.

	Args:
		doctype: the name, as the model wrote it.
		permission: the right that the user needs: `read` or `report`.

	Raises:
		ToolError: with the same sentence for a DocType that does not exist and for one that is closed.
	"""
	of_tables = {"name": doctype, "istable": 0, "issingle": 0, "is_virtual": 0}
	stored = frappe.db.get_value("DocType", of_tables, "name")
	if stored:
		meta = frappe.get_meta(stored)
		if not is_closed(meta) and frappe.has_permission(stored, permission):
			return meta
	raise ToolError(_("There is no DocType {0} that you may read.").format(doctype))


def is_closed(meta: Any) -> bool:
	"""Whether no tool reads a DocType, whatever the user's permissions are."""
	return not meta.custom and is_of_closed_app(meta.module) and meta.name not in OF_FRAPPE


def is_of_closed_app(module: str) -> bool:
	"""Whether a module belongs to Frappe or to this app."""
	app = (frappe.local.module_app or {}).get(frappe.scrub(module or ""))
	return app in CLOSED_APPS


def levels_of(meta: Any) -> set[int]:
	"""Returns the permission levels whose fields the session's user may read in every document.

	A level that a role has only for the user's own documents does not count.
	"""
	roles = set(frappe.get_roles())
	return {0} | {
		rule.permlevel
		for rule in meta.get_permissions()
		if rule.role in roles and rule.read and not rule.if_owner
	}


def readable_fields(meta: Any, levels: set[int]) -> dict[str, Any]:
	"""Returns the fields of a DocType or of its child table that may be read, by name, tables included.

	Args:
		meta: the meta of the DocType or of the child table.
		levels: the permission levels that the user has in the DocType of the document.
	"""
	# Frappe 16 can mask fields for users without a permission.
	masked = {field.fieldname for field in getattr(meta, "get_masked_fields", list)()}
	return {
		field.fieldname: field
		for field in meta.fields
		if (field.fieldtype not in no_value_fields or field.fieldtype in table_fields)
		and field.fieldtype != "Password"
		and field.permlevel in levels
		and field.fieldname not in masked
		and not SECRET.search(field.fieldname)
	}


def columns_of(meta: Any) -> set[str]:
	"""Returns the names of the fields by which the session's user may list, filter and sort a DocType."""
	fields = readable_fields(meta, levels_of(meta))
	plain = (
		name
		for name, field in fields.items()
		if field.fieldtype not in table_fields and not field.get("is_virtual")
	)
	return {*STANDARD, *plain}
