"""Moves the figures of requests from JSON to columns, and back for an older version."""

from collections.abc import Iterator

import frappe

from ai_assistant.store import UNENDED
from ai_assistant.store.frappe_store.figure_columns import ABSENT, COLUMNS
from ai_assistant.store.frappe_store.rows import REQUEST, select_requests
from ai_assistant.store.mariadb import sql
from ai_assistant.store.serialization import to_json

BATCH = 1000
ENDED = f"status not in {UNENDED}"


def execute() -> None:
	"""Fills the columns of figures from the JSON objects of older versions, which it empties.

	A site that has the app since this version has no columns for the objects. On others they stay, empty, as Frappe
	leaves the columns of all fields that go.
	"""
	if not _columns():
		return
	values, marks = [], []
	for field, columns in COLUMNS.items():
		for name, column in columns.items():
			value = f"json_value(`{field}`, '$.{name}')"
			if name != "last_seq":
				values.append(f"`{column}` = coalesce(if(json_valid(`{field}`), {value}, null), 0)")
			exists = f"json_valid(`{field}`) and json_exists(`{field}`, '$.{name}')"
			marks.append(f"if({exists}, if({value} is null, '{name}', null), '{ABSENT}{name}')")
	values += [
		f"unknown_figures = concat_ws(' ', {', '.join(marks)})",
		"error_code = if(json_valid(error), json_value(error, '$.code'), error_code)",
		"error = if(json_valid(error), json_remove(error, '$.code'), error)",
		*(f"`{field}` = null" for field in COLUMNS),
	]
	for first, last in _batches():
		sql(
			f"update `tab{REQUEST}` set {', '.join(values)}"
			f" where name between %s and %s and unknown_figures is null and {ENDED}",
			(first, last),
		)
		frappe.db.commit()  # nosemgrep: frappe-manual-commit


def undo() -> None:
	"""Writes the JSON objects for an older version (docs/deployment.md, Rollback). The next migration moves them again."""
	if missing := COLUMNS.keys() - _columns():
		# The query builder adds no column.
		# nosemgrep: frappe-using-db-sql
		frappe.db.sql_ddl(
			f"alter table `tab{REQUEST}` {', '.join(f'add column `{field}` longtext' for field in missing)}"
		)
	fields = (*COLUMNS, "error")
	changes = ", ".join(f"`{field}` = %s" for field in fields)
	for first, last in _batches():
		rows = select_requests(
			f"name between %(first)s and %(last)s and unknown_figures is not null and {ENDED}",
			{"first": first, "last": last},
			fields,
		)
		for row in rows:
			objects = [None if row[field] is None else to_json(row[field]) for field in fields]
			sql(
				f"update `tab{REQUEST}` set {changes}, unknown_figures = null where name = %s",
				(*objects, row["name"]),
			)
		frappe.db.commit()  # nosemgrep: frappe-manual-commit
	frappe.db.delete("Patch Log", {"patch": ("like", f"{__name__}%")})


def _columns() -> set[str]:
	"""Returns which of the objects have a column."""
	# Frappe caches the columns of a table.
	return {row[0] for row in sql(f"show columns from `tab{REQUEST}`")} & COLUMNS.keys()


def _batches() -> Iterator[tuple[str, str]]:
	"""Yields the first and the last name of each BATCH of requests."""
	last = ""
	while names := sql(
		f"select name from `tab{REQUEST}` where name > %s order by name limit {BATCH}", (last,), pluck=True
	):
		last = names[-1]
		yield names[0], last
