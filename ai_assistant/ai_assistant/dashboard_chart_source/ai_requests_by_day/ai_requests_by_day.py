"""The chart of requests a day by status, on the workspace AI Assistant."""

from typing import Any

import frappe
from frappe import _
from frappe.desk.reportview import build_match_conditions
from frappe.utils import add_days, format_date, getdate, nowdate

DAYS = 30


@frappe.whitelist()
def get() -> dict[str, Any] | None:
	"""Counts the requests that the user may see by day and status; None if there are none ("No Data" in Desk).

	In SQL, because releases of Frappe differ in how `get_list` takes a count.
	"""
	frappe.has_permission("AI Request", throw=True)
	first = getdate(add_days(nowdate(), 1 - DAYS))
	# What `get_list` adds: `permission_query_conditions`, and the site's user permissions.
	mine = build_match_conditions("AI Request") or "1 = 1"
	# `build_match_conditions` is SQL, which the query builder does not take.
	counted = frappe.db.sql(  # nosemgrep: frappe-using-db-sql
		f"""select date(creation), status, count(*) from `tabAI Request`
		where creation >= %(first)s and ({mine}) group by 1, 2""",
		{"first": first},
	)
	if not counted:
		return None
	counts = {(day, status): count for day, status, count in counted}
	days = [getdate(add_days(first, number)) for number in range(DAYS)]
	return {
		"labels": [format_date(day) for day in days],
		"datasets": [
			{"name": label, "values": [counts.get((day, status), 0) for day in days]}
			for status, label in _statuses().items()
		],
	}


def _statuses() -> dict[str, str]:
	"""Returns the label of each status, in the order of the colours in the chart's `custom_options`."""
	return {
		"completed": _("Completed"),
		"failed": _("Failed"),
		"cancelled": _("Cancelled"),
		"running": _("Running"),
		"queued": _("Queued"),
	}
