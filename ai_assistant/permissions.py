"""Who may do what: users with a role may chat and read their own requests, System Managers may configure and read all.

The DocTypes name the roles that may read; the functions here limit the rows (hooks.py registers them with Frappe).
"""

from typing import Any

import frappe

from ai_assistant import keys

USER, MANAGER = "AI Assistant User", "System Manager"
ROLES = {USER, MANAGER}


def may_use() -> bool:
	"""Whether the session's user has a role that may chat."""
	return bool(ROLES & set(frappe.get_roles()))


def rows_of(user: str | None, doctype: str) -> str:
	"""The condition on lists of AI Request, AI Usage and AI Key."""
	return "" if sees_all(user) else f"`tab{doctype}`.`user` = {_escaped(user)}"


def events_of(user: str | None = None) -> str:
	"""The condition on lists of AI Request Event."""
	if sees_all(user):
		return ""
	return (
		"`tabAI Request Event`.`request` in"
		f" (select `name` from `tabAI Request` where `user` = {_escaped(user)})"
	)


def is_own(doc: Any, user: str | None = None) -> bool:
	"""Whether `user`, by default the session's, may see one AI Request, AI Usage or AI Key.

	Never returns None, which Frappe 16 reads as a no and Frappe 15 as no opinion.
	"""
	return sees_all(user) or doc.user == (user or frappe.session.user)


def is_own_event(doc: Any, user: str | None = None) -> bool:
	"""Whether `user`, by default the session's, may see one AI Request Event."""
	if sees_all(user):
		return True
	owner = frappe.db.get_value("AI Request", doc.request, "user")
	return bool(owner == (user or frappe.session.user))


def sees_all(user: str | None = None) -> bool:
	"""Whether `user`, by default the session's, may see the rows of all users. With an AI Key a user sees their own."""
	return keys.current() is None and MANAGER in frappe.get_roles(user or frappe.session.user)


def readable(doctype: str, name: str, user: str | None = None) -> tuple[str, str] | None:
	"""Finds a document that `user`, by default the session's, may read.

	Single, virtual and child DocTypes have no such documents.

	Returns:
		The DocType and the name as they are stored, because the database ignores case. None if there is no such
		document, or if the user may not read it.
	"""
	of_tables = {"name": doctype, "issingle": 0, "is_virtual": 0, "istable": 0}
	stored_doctype = frappe.db.exists("DocType", of_tables)
	# Frappe takes a name that equals its DocType for that of a Single.
	stored = stored_doctype and frappe.db.exists(stored_doctype, {"name": name})
	if not stored or not frappe.has_permission(stored_doctype, "read", doc=stored, user=user):
		return None
	return str(stored_doctype), str(stored)


def _escaped(user: str | None) -> str:
	return str(frappe.db.escape(user or frappe.session.user))
