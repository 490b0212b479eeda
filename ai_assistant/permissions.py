"""Who may what: users with a role chat and read their own requests, System Managers configure and read all.

The DocTypes say which role may read; the functions here, which rows (`hooks.py` names them to Frappe).
"""

from typing import Any

import frappe

USER, MANAGER = "AI Assistant User", "System Manager"
ROLES = {USER, MANAGER}


def may_use() -> bool:
	"""Whether the session's user may chat."""
	return bool(ROLES & set(frappe.get_roles()))


def requests_of(user: str | None = None) -> str:
	"""The condition on lists of AI Request."""
	return "" if sees_all(user) else f"`tabAI Request`.`user` = {_escaped(user)}"


def events_of(user: str | None = None) -> str:
	"""The condition on lists of AI Request Event."""
	if sees_all(user):
		return ""
	return (
		"`tabAI Request Event`.`request` in"
		f" (select `name` from `tabAI Request` where `user` = {_escaped(user)})"
	)


def usage_of(user: str | None = None) -> str:
	"""The condition on lists of AI Usage."""
	return "" if sees_all(user) else f"`tabAI Usage`.`user` = {_escaped(user)}"


def is_own_request(doc: Any, user: str | None = None) -> bool:
	"""Whether one AI Request, or one AI Usage, may be seen. Says yes explicitly: Frappe 16 takes None for a no."""
	return sees_all(user) or doc.user == (user or frappe.session.user)


def is_own_event(doc: Any, user: str | None = None) -> bool:
	"""Whether one AI Request Event may be seen."""
	if sees_all(user):
		return True
	owner = frappe.db.get_value("AI Request", doc.request, "user")
	return bool(owner == (user or frappe.session.user))


def sees_all(user: str | None = None) -> bool:
	"""Whether a user, by default the one who asks, may see what is everybody's."""
	return MANAGER in frappe.get_roles(user or frappe.session.user)


def _escaped(user: str | None) -> str:
	return str(frappe.db.escape(user or frappe.session.user))
