"""Reads and writes the rows of AI Request and AI Request Event in SQL.

The document API would cost three times as much (1.4 ms against 0.5 ms for an event with its commit), and there is nothing
to validate: only the store writes these rows.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import frappe

from ..mariadb import sql
from ..requests import REQUEST_FIELDS, Row
from ..serialization import FIGURES, to_columns, to_json, to_row
from .figure_columns import COLUMNS, figures_in, to_figure_columns

REQUEST, EVENT = "AI Request", "AI Request Event"

# The fields with columns of numbers, which have no NULL.
NUMBERS = ("created", "lease", "cancel_asked", "is_continuation", "prompt_bytes", "ended", "first_event_ms")
# Names from a configuration or a provider. They are cut to COLUMN characters, so that no answer is lost for their length.
CUT = ("mode", "provider", "key_label", "model", "finish_reason", "title")
COLUMN = 140
# The columns of the fields that have several, or another one.
PARTS = {
	**{field: (*columns.values(), "unknown_figures") for field, columns in COLUMNS.items()},
	"error": ("error", "error_code"),
}
# A longer value is written in pieces: MariaDB refuses a statement longer than max_allowed_packet (16 MiB by default).
PIECE_CHARS = 1_000_000


def select_requests(
	where: str, values: dict[str, Any], wanted: Sequence[str] = REQUEST_FIELDS, index: str = ""
) -> list[Row]:
	"""Reads requests.

	Args:
		where: the condition, with `ORDER BY` and what follows it.
		values: the parameters of the condition.
		wanted: the fields to read besides `name`.
		index: an index hint.
	"""
	fields = ("name", *wanted)
	columns = list(dict.fromkeys(column for field in fields for column in PARTS.get(field, (field,))))
	names = ", ".join(f"`{column}`" for column in columns)
	rows = sql(f"SELECT {names} FROM `tab{REQUEST}` {index} WHERE {where}", values)
	return [_row(fields, dict(zip(columns, row, strict=True))) for row in rows]


def _row(fields: Sequence[str], columns: Mapping[str, Any]) -> Row:
	plain = [field for field in fields if field not in FIGURES]
	row = to_row(plain, [columns[field] for field in plain])
	row.update({field: figures_in(field, columns) for field in fields if field in FIGURES})
	if row.get("error") is not None:
		row["error"] = {"code": columns["error_code"], **row["error"]}
	return row


def columns_of(values: Mapping[str, Any], unknown: str | None = None) -> dict[str, Any]:
	"""Maps fields of a request to columns. A figure, and the code of an error, has a column of its own.

	Args:
		values: the fields.
		unknown: the `unknown_figures` of the request so far, None for a new one.

	Raises:
		ValueError: a key is no field of a request, or no figure of an object.
	"""
	columns = {field: value for field, value in to_columns(values).items() if field not in FIGURES}
	if "error" in values:
		error = dict(values["error"] or {})
		columns["error_code"] = error.pop("code", None)
		columns["error"] = to_json(error) if values["error"] else None
	if timing := values.get("timing"):
		firsts = (timing.get("first_reasoning_ms"), timing.get("first_text_ms"))
		columns["first_chunk_ms"] = min((first for first in firsts if first is not None), default=0)
	for field in CUT:
		if columns.get(field):
			columns[field] = columns[field][:COLUMN]
	for field in NUMBERS:
		if field in columns:
			columns[field] = columns[field] or 0
	return {**columns, **to_figure_columns(values, unknown)}


def split_long(columns: dict[str, Any]) -> tuple[dict[str, Any], dict[str, str]]:
	"""Splits columns into those for one statement, with long values left empty, and the long values."""
	long = {
		field: value
		for field, value in columns.items()
		if isinstance(value, str) and len(value) > PIECE_CHARS
	}
	return {**columns, **dict.fromkeys(long, "")}, long


def append_long(name: str, long: dict[str, str]) -> None:
	"""Writes the long values of a request in pieces."""
	for field, value in long.items():
		for start in range(0, len(value), PIECE_CHARS):
			sql(
				f"UPDATE `tab{REQUEST}` SET `{field}` = CONCAT(`{field}`, %s) WHERE name = %s",
				(value[start : start + PIECE_CHARS], name),
			)


def insert(doctype: str, name: str, now: str, values: dict[str, Any]) -> None:
	"""Inserts a row with the columns that every DocType has."""
	user = frappe.session.user
	standard = {"name": name, "creation": now, "modified": now, "owner": user, "modified_by": user}
	row = standard | values
	columns, marks = ", ".join(f"`{column}`" for column in row), ", ".join(["%s"] * len(row))
	sql(f"INSERT INTO `tab{doctype}` ({columns}) VALUES ({marks})", tuple(row.values()))
