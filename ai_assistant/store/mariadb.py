"""The SQL of the app that runs only on MariaDB, except the SQL in patches. All SQL outside of this module and of patches
runs on PostgreSQL too.

`ai_assistant.install` refuses PostgreSQL. A port of the app to it starts with this file.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import frappe

BINARY = "utf8mb4_nopad_bin"
"""The collation of ids. Every other collation of MariaDB ignores case, trailing spaces, or both."""

BY_KEY = "FORCE INDEX (PRIMARY)"
"""The hint to read rows by their names. A read through another index locks more rows, or all rows of a small table."""

BY_STATUS = "FORCE INDEX (status_lease_index)"
"""The hint to read requests that have not ended by their status. A site has few of them at once. Without the hint, MariaDB
10.11 may read all requests of a user or a task, because the index for these has the order of the answer."""

COST_IS_KNOWN = "unknown_figures not like '%%cost_usd%%'"
"""The condition that the cost of an AI Request is known, in a statement with parameters."""

ERROR_WITHOUT_CONTENT = "JSON_REMOVE(error, '$.explanation')"
"""The error of an AI Request without the words of the model."""

NOW = "UNIX_TIMESTAMP(NOW(6))"
"""The UNIX time by the database's clock, in seconds. It is the same in all parts of a statement."""

PAYLOAD_WITHOUT_CONTENT = (
	"JSON_REPLACE(payload, '$.arguments', '', '$.tool_calls', JSON_ARRAY(),"
	" '$.sources', JSON_ARRAY(), '$.images', JSON_ARRAY(), '$.error.explanation', '')"
)
"""The payload of an AI Request Event without the words of the model."""


def sql(statement: str, values: Any = (), **options: Any) -> Any:
	"""Runs a statement on the site's database, as `frappe.db.sql` does.

	The query builder has no locks, upserts, index hints and JSON functions, and takes no conditions in SQL, as Frappe's
	`build_match_conditions` returns them. Some statements run for every event.
	"""
	return frappe.db.sql(statement, values, **options)  # nosemgrep: frappe-using-db-sql


def checksums(tables: Iterable[str], where: Mapping[str, str]) -> str:
	"""Returns the statement for the number of rows and the checksum of each table, over all columns.

	Args:
		tables: the names of the tables.
		where: the condition for the rows of a table, by its name. Without one, all rows count.
	"""
	parts = []
	for table in tables:
		columns = ", ".join(f"`{row[0]}`" for row in sql(f"SHOW COLUMNS FROM `{table}`"))
		part = f"SELECT COUNT(*), COALESCE(SUM(CRC32(CONCAT_WS('|', {columns}))), 0) FROM `{table}`"
		parts.append(f"{part} WHERE {where[table]}" if table in where else part)
	return " UNION ALL ".join(parts)


def same_bytes(column: str) -> str:
	"""Returns a column as an operand that compares byte by byte, whatever its collation."""
	return f"BINARY {column}"


def take_lock(doctype: str, name: str, timestamp: str, wait_s: int) -> None:
	"""Locks the row of that name until the end of the transaction.

	One statement creates the row or locks the one that exists. A read before it would lock the gap into which two
	callers then insert, which is a deadlock.

	Raises:
		QueryTimeoutError: after `wait_s` seconds.
	"""
	sql(
		f"SET STATEMENT innodb_lock_wait_timeout = {wait_s} FOR"
		f" INSERT INTO `tab{doctype}` (name, creation, modified, owner, modified_by)"
		" VALUES (%(name)s, %(now)s, %(now)s, 'Administrator', 'Administrator')"
		" ON DUPLICATE KEY UPDATE name = VALUES(name)",
		{"name": name, "now": timestamp},
	)


def insert_or_add(doctype: str, rows: Sequence[Mapping[str, Any]], added: Sequence[str]) -> None:
	"""Inserts rows. A row whose name exists is added to that row instead.

	They belong to Administrator and not to the session's user, because sums of the site outlive their first user.

	Args:
		doctype: the DocType of the rows.
		rows: the values by column, `name` among them; the same columns in each row.
		added: the columns of numbers that are added up. The other columns of a row that exists stay as they are.
	"""
	now, by = frappe.utils.now(), "Administrator"
	standard = {"creation": now, "modified": now, "owner": by, "modified_by": by}
	complete = [{**standard, **row} for row in rows]
	changes = ", ".join(f"`{column}` = `{column}` + VALUES(`{column}`)" for column in added)
	sql(
		f"INSERT INTO `tab{doctype}` ({', '.join(f'`{column}`' for column in complete[0])})"
		f" VALUES {', '.join(['%s'] * len(complete))}"
		f" ON DUPLICATE KEY UPDATE modified = VALUES(modified), {changes}",
		[tuple(row.values()) for row in complete],
	)


def keep_binary(doctype: str, lengths: dict[str, int]) -> None:
	"""Gives columns the collation BINARY. `lengths` has the length of each column by its name."""
	folding = sql(
		"""select column_name from information_schema.columns
		where table_schema = database() and table_name = %s
		and column_name in %s and collation_name != %s""",
		(f"tab{doctype}", tuple(lengths), BINARY),
		pluck=True,
	)
	if folding:
		changes = (f"modify `{key}` varchar({lengths[key]}) collate {BINARY}" for key in folding)
		# The query builder sets no collation.
		# nosemgrep: frappe-using-db-sql
		frappe.db.sql_ddl(f"alter table `tab{doctype}` {', '.join(changes)}")


def forbid_writes() -> None:
	"""Makes all later transactions of this thread's connection read-only."""
	sql("SET SESSION TRANSACTION READ ONLY")
	# The transaction that runs still may write.
	frappe.db.rollback()


def server() -> tuple[str, bool]:
	"""Returns the version of MariaDB, and whether its `innodb_snapshot_isolation` is on."""
	((version,),) = sql("SELECT VERSION()")
	variables = dict(sql("SHOW VARIABLES LIKE 'innodb_snapshot_isolation'"))
	return version, variables.get("innodb_snapshot_isolation") == "ON"
