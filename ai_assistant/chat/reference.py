"""Validates the document that a request belongs to, so that its cost is reported with it."""

from collections.abc import Mapping
from typing import Any, TypeGuard

from frappe import _

from ai_assistant.permissions import readable

from .errors import invalid

# The longest name of a document in Frappe.
MAX_NAME = 140
FIELDS = ("reference_doctype", "reference_name")


def reference_of(fields: Mapping[str, Any], user: str | None = None) -> dict[str, str]:
	"""Validates the reference of a request.

	Args:
		fields: the fields of the request by name.
		user: who must be able to read the document; by default the session's user.

	Returns:
		The FIELDS as the site stores them, or nothing if none was sent.

	Raises:
		ChatError: `invalid_request`, alike for a document that does not exist and one that the user may not read.
	"""
	doctype, name = (fields.get(field) for field in FIELDS)
	if doctype is None and name is None:
		return {}
	if not _is_name(doctype) or not _is_name(name):
		raise invalid(_("reference_doctype and reference_name accept a DocType and a name, both or none."))
	stored = readable(doctype, name, user)
	if stored is None:
		raise invalid(_("reference_name accepts a document that you may read."))
	return dict(zip(FIELDS, stored, strict=True))


def _is_name(value: Any) -> TypeGuard[str]:
	if not isinstance(value, str) or not 1 <= len(value) <= MAX_NAME:
		return False
	# The database takes no lone surrogate.
	return not any("\ud800" <= char <= "\udfff" for char in value)
