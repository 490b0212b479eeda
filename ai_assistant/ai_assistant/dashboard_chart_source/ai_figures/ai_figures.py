"""The charts of events, waiting, cost and providers on the workspace AI Assistant."""

import json
from collections import Counter
from typing import Any

import frappe
from frappe import _

from ai_assistant.ai_assistant import desk

PROVIDERS = "AI Provider Failures"


@frappe.whitelist()
def get(chart_name: str) -> dict[str, Any] | None:
	"""Returns the figures of a chart for the requests that the user may see; None if there are none ("No Data" in Desk)."""
	frappe.has_permission("AI Request", throw=True)
	if chart_name == PROVIDERS:
		return _of_providers()
	charts = by_day()
	if chart_name not in charts:
		frappe.throw(_("There is no chart {0} of AI Assistant.").format(chart_name))
	return desk.by_day(charts[chart_name])


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


def _of_providers() -> dict[str, Any] | None:
	failures, fallbacks = Counter[str](), Counter[str]()
	for status, attempts in desk.of_chart("status, attempts", "and attempts like '[{%%'"):
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
