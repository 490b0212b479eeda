"""AI Keys in the table of their DocType."""

from datetime import datetime

import frappe

from ai_assistant.keys import Key

from ..mariadb import sql
from ..requests import Row
from .rows import REQUEST

AI_KEY = "AI Key"
FIELDS = ("key_hash", *Key.__dataclass_fields__)


class FrappeKeys:
	"""`ai_assistant.store.keys.Keys` on MariaDB."""

	def key_of_hash(self, key_hash: str) -> Row | None:
		return _select("key_hash", key_hash)

	def key_named(self, name: str) -> Row | None:
		return _select("name", name)

	def key_used(self, name: str) -> None:
		# Without the document, whose `modified` would change under a form that is open.
		sql(
			f"UPDATE `tab{AI_KEY}` SET last_used = %(now)s"
			" WHERE name = %(name)s AND (last_used IS NULL OR last_used < %(before)s)",
			{"name": name, "now": frappe.utils.now(), "before": _a_minute_ago()},
		)

	def nth_newest_of_key(self, name: str, since: float, nth: int) -> float | None:
		created: list[float] = sql(
			f"SELECT created FROM `tab{REQUEST}` WHERE ai_key = %s AND created > %s"
			" ORDER BY created DESC LIMIT 1 OFFSET %s",
			(name, since, nth - 1),
			pluck=True,
		)
		return created[0] if created else None


def _select(column: str, value: str) -> Row | None:
	columns = ", ".join(f"ai_key.`{field}`" for field in FIELDS)
	rows = sql(
		f"SELECT {columns}, ai_key.enabled AND user.enabled AND (expires IS NULL OR expires > %s) AS usable,"
		" COALESCE(last_used >= %s, 0) AS used_lately"
		f" FROM `tab{AI_KEY}` ai_key JOIN `tabUser` user ON user.name = ai_key.user WHERE ai_key.`{column}` = %s",
		(frappe.utils.now(), _a_minute_ago(), value),
		as_dict=True,
	)
	if not rows:
		return None
	(row,) = rows
	return {**row, "site_tools": bool(row.site_tools), "models": tuple((row.models or "").splitlines())}


def _a_minute_ago() -> datetime:
	ago: datetime = frappe.utils.add_to_date(frappe.utils.now_datetime(), minutes=-1)
	return ago
