"""What the charts, number cards and reports of the app have in common."""

from datetime import date
from typing import Any

from frappe.desk.reportview import build_match_conditions
from frappe.utils import add_days, format_date, getdate, nowdate

from ai_assistant.store.mariadb import sql

DAYS = 30
"""How many days a chart covers."""


def visible(doctype: str) -> str:
	"""Returns the SQL condition for the rows that the user may see, as `get_list` adds it.

	It has `permission_query_conditions` and the site's user permissions.
	"""
	return f"({build_match_conditions(doctype) or '1 = 1'})"


def of_chart(columns: str, rest: str) -> list[tuple[Any, ...]]:
	"""Selects from the requests of the last DAYS days that the user may see. `rest` is the end of the statement."""
	rows: list[tuple[Any, ...]] = sql(
		f"select {columns} from `tabAI Request` where creation >= %(first)s and {visible('AI Request')} {rest}",
		{"first": _first_day()},
	)
	return rows


def by_day(lines: dict[str, str], number: type[int | float] = float) -> dict[str, Any] | None:
	"""Returns a chart of the last DAYS days; None if it has no values ("No Data" in Desk).

	Args:
		lines: the SQL of each line over the requests of a day, by the line's label.
		number: the type of the values.
	"""
	rows = of_chart(f"date(creation), {', '.join(lines.values())}", "group by 1")
	values_by_day = {day: values for day, *values in rows}
	if not any(any(values) for values in values_by_day.values()):
		return None
	first, nothing = _first_day(), [0] * len(lines)
	days = [getdate(add_days(first, later)) for later in range(DAYS)]
	return {
		"labels": [format_date(day) for day in days],
		"datasets": [
			{"name": label, "values": [number(values_by_day.get(day, nothing)[n] or 0) for day in days]}
			for n, label in enumerate(lines)
		],
	}


def column(name: str, label: str, kind: str, width: int, **more: Any) -> dict[str, Any]:
	"""Returns a column of a report."""
	return {"fieldname": name, "label": label, "fieldtype": kind, "width": width, **more}


def _first_day() -> date:
	first: date = getdate(add_days(nowdate(), 1 - DAYS))
	return first
