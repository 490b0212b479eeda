"""The charts of events, waiting, cost and providers on the workspace AI Assistant."""

import json
from collections import Counter
from typing import Any

import frappe
from frappe import _
from frappe.desk.reportview import build_match_conditions
from frappe.utils import add_days, format_date, getdate, nowdate

from ..ai_requests_by_day.ai_requests_by_day import DAYS

PROVIDERS = "AI Provider Failures"


@frappe.whitelist()
def get(chart_name: str) -> dict[str, Any] | None:
	"""Returns the figures of a chart for the requests that the user may see; None if there are none ("No Data" in Desk)."""
	frappe.has_permission("AI Request", throw=True)
	first = getdate(add_days(nowdate(), 1 - DAYS))
	# What `get_list` adds: `permission_query_conditions`, and the site's user permissions.
	mine = build_match_conditions("AI Request") or "1 = 1"
	where = f"creation >= %(first)s and ({mine})"
	if chart_name == PROVIDERS:
		return _of_providers(where, {"first": first})
	charts = by_day()
	if chart_name not in charts:
		frappe.throw(_("There is no chart {0} of AI Assistant.").format(chart_name))
	lines = charts[chart_name]
	# `build_match_conditions` is SQL, which the query builder does not take.
	rows = frappe.db.sql(  # nosemgrep: frappe-using-db-sql
		f"select date(creation), {', '.join(lines.values())} from `tabAI Request` where {where} group by 1",
		{"first": first},
	)
	values_by_day = {day: values for day, *values in rows}
	if not any(any(values) for values in values_by_day.values()):
		return None
	days = [getdate(add_days(first, number)) for number in range(DAYS)]
	nothing = [0] * len(lines)
	return {
		"labels": [format_date(day) for day in days],
		"datasets": [
			{"name": name, "values": [float(values_by_day.get(day, nothing)[n] or 0) for day in days]}
			for n, name in enumerate(lines)
		],
	}


def by_day() -> dict[str, dict[str, str]]:
	"""Returns the lines of each chart, and the SQL of a line over the requests of a day, by the chart's name."""
	return {
		"AI Events by Day": {
			_("Delivered"): "sum(events - failed_events)",
			_("Not Delivered"): "sum(failed_events)",
		},
		"AI Waiting by Day": {
			_("Event 1"): "avg(nullif(first_event_ms, 0))",
			_("Reasoning"): "avg(nullif(first_reasoning_ms, 0))",
			_("Text"): "avg(nullif(first_text_ms, 0))",
		},
		"AI Cost by Day": {_("US Cents"): "100 * sum(cost_usd)"},
	}


def _of_providers(where: str, values: dict[str, Any]) -> dict[str, Any] | None:
	failures, fallbacks = Counter[str](), Counter[str]()
	# `build_match_conditions` is SQL, which the query builder does not take.
	rows = frappe.db.sql(  # nosemgrep: frappe-using-db-sql
		f"select status, attempts from `tabAI Request` where {where} and attempts like '[{{%%'", values
	)
	for status, attempts in rows:
		names = [attempt["provider"] for attempt in json.loads(attempts)]
		failures.update(names)
		# After the last failure of a failed request no other provider was asked.
		fallbacks.update(names[:-1] if status == "failed" else names)
	if not failures:
		return None
	names = sorted(failures)
	return {
		"labels": names,
		"datasets": [
			{"name": _("Failures"), "values": [failures[name] for name in names]},
			{"name": _("Another Was Asked"), "values": [fallbacks[name] for name in names]},
		],
	}
