"""The chart of requests a day by status, on the workspace AI Assistant."""

from typing import Any

import frappe
from frappe import _

from ai_assistant.ai_assistant import desk


@frappe.whitelist()
def get() -> dict[str, Any] | None:
	"""Counts the requests that the user may see by day and status; None if there are none ("No Data" in Desk).

	In SQL, because releases of Frappe differ in how `get_list` takes a count.
	"""
	frappe.has_permission("AI Request", throw=True)
	# In the order of the colours in the chart's `custom_options`.
	labels = {
		"completed": _("Completed"),
		"failed": _("Failed"),
		"cancelled": _("Cancelled"),
		"running": _("Running"),
		"queued": _("Queued"),
	}
	return desk.by_day(
		{label: f"count(case when status = '{status}' then 1 end)" for status, label in labels.items()}, int
	)
