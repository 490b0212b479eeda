"""Usage in the table of AI Usage."""

import hashlib
from collections.abc import Mapping
from datetime import date
from typing import Any

import frappe

from ..usage import SITE, Booked
from .rows import REQUEST

USAGE = "AI Usage"


class FrappeUsage:
	"""`ai_assistant.store.usage.Usage` on MariaDB."""

	def booked(self, account: str, since: date) -> list[Booked]:
		rows = frappe.db.sql(
			f"SELECT day, tokens, cost_usd FROM `tab{USAGE}` WHERE user = %s AND day >= %s", (account, since)
		)
		return [Booked(day, int(tokens), float(cost)) for day, tokens, cost in rows]


def book(name: str, usage: Mapping[str, Any]) -> None:
	"""Adds the usage of a request to today's rows of its user and of SITE, always in that order.

	The names of the rows are hashes. Two transactions that create the same row meet only in its primary key, which locks
	no gap beside it. A name made of the user's would fold case, and could be too long.
	"""
	((user,),) = frappe.db.sql(f"SELECT user FROM `tab{REQUEST}` WHERE name = %s", (name,))
	now, by = frappe.utils.now(), frappe.session.user
	counts = ("total_tokens", "cached_tokens", "cache_write_tokens", "cost_usd")
	day, used = now[:10], tuple(usage.get(name) or 0 for name in counts)
	rows = [(_name(day, account), now, now, by, by, account, day, 1, *used) for account in (user, SITE)]
	frappe.db.sql(
		f"INSERT INTO `tab{USAGE}`"
		" (name, creation, modified, owner, modified_by, user, day, requests,"
		" tokens, cached_tokens, cache_write_tokens, cost_usd)"
		" VALUES %s, %s ON DUPLICATE KEY UPDATE modified = VALUES(modified), requests = requests + 1,"
		" tokens = tokens + VALUES(tokens), cached_tokens = cached_tokens + VALUES(cached_tokens),"
		" cache_write_tokens = cache_write_tokens + VALUES(cache_write_tokens), cost_usd = cost_usd + VALUES(cost_usd)",
		rows,
	)


def _name(day: str, account: str) -> str:
	return hashlib.sha256(f"{day} {account}".encode()).hexdigest()[:20]
