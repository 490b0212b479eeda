"""Keeps the figures of a request in columns, and builds the objects of the contract from them.

A column of numbers has no NULL in Frappe (frappe/database/schema.py). So the column `unknown_figures` names the figures
that are null for clients. Their own columns hold 0.
"""

from collections.abc import Mapping
from typing import Any

from ..serialization import FIGURES

# The number of the last event is the number of events.
RENAMED = {"failed": "failed_events", "last_seq": "events"}
COLUMNS = {field: {name: RENAMED.get(name, name) for name in names} for field, names in FIGURES.items()}
"""The column of each figure, by its object and its name."""
ABSENT = "-"
"""The mark in `unknown_figures` of a figure that its object lacks, as opposed to a figure that is null. An object without any
known figure is null as a whole."""
NOTHING_KNOWN = " ".join(ABSENT + name for names in FIGURES.values() for name in names)
"""The `unknown_figures` of a request without figures."""


def to_figure_columns(values: Mapping[str, Any], unknown: str | None) -> dict[str, Any]:
	"""Maps the objects of FIGURES among the fields of a request to columns.

	Args:
		values: fields of a request.
		unknown: the `unknown_figures` of the request so far, None for a new one.

	Returns:
		The columns of the figures, and `unknown_figures`.
	"""
	marks = dict.fromkeys((NOTHING_KNOWN if unknown is None else unknown).split())
	columns: dict[str, Any] = {}
	for field in COLUMNS.keys() & values.keys():
		figures = values[field] or {}
		for name, column in COLUMNS[field].items():
			marks.pop(name, None)
			marks.pop(ABSENT + name, None)
			if figures.get(name) is None:
				marks[name if name in figures else ABSENT + name] = None
			columns[column] = figures.get(name) or columns.get(column, 0)
	return {**columns, "unknown_figures": " ".join(marks)}


def figures_in(field: str, columns: Mapping[str, Any]) -> dict[str, Any] | None:
	"""Builds an object of FIGURES from columns with `unknown_figures`. Returns None if no figure is known."""
	unknown = columns.get("unknown_figures")
	if unknown is None:
		# A process of an older version ended the request after the migration.
		unknown = " ".join(name for name, column in COLUMNS[field].items() if not columns.get(column))
	marks = unknown.split()
	figures = {
		name: None if name in marks else columns.get(column)
		for name, column in COLUMNS[field].items()
		if ABSENT + name not in marks
	}
	if figures.get("estimated") is not None:
		# A checkbox is a number.
		figures["estimated"] = bool(figures["estimated"])
	return figures if any(value is not None for value in figures.values()) else None
