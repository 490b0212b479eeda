"""Usage in the table of AI Usage."""

import hashlib
from collections.abc import Mapping
from datetime import date
from typing import Any

import frappe

from ..keys import KEY
from ..mariadb import insert_or_add, sql
from ..usage import SITE, Booked

USAGE = "AI Usage"


class FrappeUsage:
	"""`ai_assistant.store.usage.Usage` on MariaDB."""

	def booked(self, account: str, since: date) -> list[Booked]:
		is_key = account.startswith(KEY)
		where = "ai_key = %s" if is_key else "user = %s AND ai_key IS NULL"
		rows = sql(
			f"SELECT day, tokens, cost_usd FROM `tab{USAGE}` WHERE {where} AND day >= %s",
			(account.removeprefix(KEY) if is_key else account, since),
		)
		return [Booked(day, int(tokens), float(cost)) for day, tokens, cost in rows]


def book(user: str, ai_key: str | None, usage: Mapping[str, Any]) -> None:
	"""Adds the usage of a request to today's rows of its user, of SITE and of its AI Key, always in that order.

	The names of the rows are hashes. Two transactions that create the same row meet only in its primary key, which locks
	no gap beside it. A name made of the user's would fold case, and could be too long.
	"""
	day = frappe.utils.now()[:10]
	used = {
		"requests": 1,
		"tokens": usage.get("total_tokens") or 0,
		**{name: usage.get(name) or 0 for name in ("cached_tokens", "cache_write_tokens", "cost_usd")},
	}
	accounts: list[tuple[str, str, str | None]] = [(user, user, None), (SITE, SITE, None)]
	if ai_key:
		accounts.append((KEY + ai_key, user, ai_key))
	rows = [
		{"name": _name(day, account), "user": row_user, "ai_key": row_key, "day": day, **used}
		for account, row_user, row_key in accounts
	]
	insert_or_add(USAGE, rows, tuple(used))


def _name(day: str, account: str) -> str:
	return hashlib.sha256(f"{day} {account}".encode()).hexdigest()[:20]
