"""Reads and writes the rows of AI Request and AI Request Event in SQL.

The document API would cost three times as much (1.4 ms against 0.5 ms for an event with its commit), and there is nothing
to validate: only the store writes these rows.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import frappe

from ..mariadb import sql
from ..requests import REQUEST_FIELDS, Row
from ..serialization import to_columns, to_row

REQUEST, EVENT = "AI Request", "AI Request Event"

# The columns that Desk lists, filters and sums. The store itself reads the JSON objects that they come from.
FIGURES = {
	"usage": {
		"prompt_tokens": "prompt_tokens",
		"cached_tokens": "cached_tokens",
		"cache_write_tokens": "cache_write_tokens",
		"completion_tokens": "completion_tokens",
		"reasoning_tokens": "reasoning_tokens",
		"total_tokens": "total_tokens",
		"cost_usd": "cost_usd",
	},
	"timing": {
		"first_reasoning_ms": "first_reasoning_ms",
		"first_text_ms": "first_text_ms",
		"thinking_ms": "thinking_ms",
		"duration_ms": "duration_ms",
	},
	"realtime": {"events": "events", "failed": "failed_events"},
	"error": {"code": "error_code"},
}
NUMBERS = {column for figures in FIGURES.values() for column in figures.values()} - {"error_code"} | {
	"created",
	"lease",
	"cancel_asked",
	"is_continuation",
	"prompt_bytes",
	"first_chunk_ms",
	"ended",
	"first_event_ms",
}
# Names from a configuration or a provider. They are cut to COLUMN characters, so that no answer is lost for their length.
CUT = ("mode", "provider", "key_label", "model", "finish_reason", "title")
COLUMN = 140
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
	columns = ", ".join(f"`{field}`" for field in fields)
	rows = sql(f"SELECT {columns} FROM `tab{REQUEST}` {index} WHERE {where}", values)
	return [to_row(fields, row) for row in rows]


def columns_of(values: Mapping[str, Any]) -> dict[str, Any]:
	"""Maps fields of a request to columns, with those that Desk sums.

	Raises:
		ValueError: a key is no field of a request.
	"""
	columns = to_columns(values)
	for field, value in values.items():
		if field in FIGURES:
			figures = value or {}
			columns.update({column: figures.get(key) for key, column in FIGURES[field].items()})
		if field == "timing" and value:
			firsts = (value["first_reasoning_ms"], value["first_text_ms"])
			columns["first_chunk_ms"] = min((first for first in firsts if first is not None), default=None)
		if field in CUT and value is not None:
			columns[field] = value[:COLUMN]
	# Frappe's number columns have no NULL.
	return {field: 0 if value is None and field in NUMBERS else value for field, value in columns.items()}


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
