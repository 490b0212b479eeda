"""Usage in SQLite."""

from collections.abc import Mapping
from datetime import date
from typing import Any

from ai_assistant.store import KEY, SITE, Booked

from .. import stand_in
from .rows import Rows


class SqliteUsage(Rows):
	"""`ai_assistant.store.usage.Usage` on SQLite."""

	def booked(self, account: str, since: date) -> list[Booked]:
		rows = self._database.read(
			"SELECT day, tokens, cost_usd FROM usage WHERE account = ? AND day >= ?",
			[account, since.isoformat()],
		)
		return [Booked(date.fromisoformat(day), *used) for day, *used in rows]

	def _book(self, user: str, ai_key: str | None, usage: Mapping[str, Any]) -> None:
		"""Adds the usage of a request to today's rows of its user, of SITE and of its AI Key."""
		counts = ("total_tokens", "cached_tokens", "cache_write_tokens", "cost_usd")
		booked = [stand_in.now()[:10], *[usage.get(name) or 0 for name in counts]]
		accounts = (user, SITE, KEY + ai_key) if ai_key else (user, SITE)
		self._database.write(
			"INSERT INTO usage (account, day, requests, tokens, cached_tokens, cache_write_tokens, cost_usd)"
			f" VALUES {', '.join(['(?, ?, 1, ?, ?, ?, ?)'] * len(accounts))}"
			" ON CONFLICT (account, day) DO UPDATE SET requests = requests + 1,"
			" tokens = tokens + excluded.tokens, cached_tokens = cached_tokens + excluded.cached_tokens,"
			" cache_write_tokens = cache_write_tokens + excluded.cache_write_tokens,"
			" cost_usd = cost_usd + excluded.cost_usd",
			[value for account in accounts for value in (account, *booked)],
		)
