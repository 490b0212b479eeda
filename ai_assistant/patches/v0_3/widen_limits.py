import frappe
from frappe.utils import cint

SETTINGS = "AI Assistant Settings"
# Each limit, its default up to now and its new default.
DEFAULTS = (("max_messages", 200, 10_000), ("max_chars", 400_000, 0))


def execute() -> None:
	"""Gives the limits that have their old defaults the new ones, which have room for agents.

	Frappe stores the defaults of a single document when it is saved, so a new default reaches only new sites.
	"""
	for field, old, new in DEFAULTS:
		if cint(frappe.db.get_single_value(SETTINGS, field)) == old:
			frappe.db.set_single_value(SETTINGS, field, new)
