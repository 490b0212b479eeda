"""The AI Keys in the standalone site's config file. Each user has one key, and the key has no limits."""

from collections.abc import Iterator

from ai_assistant.standalone import stand_in
from ai_assistant.store import Row

from .rows import Rows


class SqliteKeys(Rows):
	"""`ai_assistant.store.keys.Keys`. A key is named after its user."""

	def key_of_hash(self, key_hash: str) -> Row | None:
		"""Returns the AI Key with a SHA-256 hash, None if there is none."""
		return next((_row(*key) for key in _keys() if key[1] == key_hash), None)

	def key_named(self, name: str) -> Row | None:
		"""Returns the AI Key of that name, None if there is none."""
		return next((_row(*key) for key in _keys() if key[0] == name), None)

	def key_used(self, name: str) -> None:
		"""Does nothing: the config file does not say when a key was used."""

	def nth_newest_of_key(self, name: str, since: float, nth: int) -> float | None:
		rows = self._database.read(
			"SELECT created FROM request WHERE ai_key = ? AND created > ? ORDER BY created DESC LIMIT 1 OFFSET ?",
			[name, since, nth - 1],
		)
		return rows[0][0] if rows else None


def _keys() -> Iterator[tuple[str, str]]:
	"""Yields the user and the SHA-256 hash of each key."""
	for user in stand_in.local.settings.users.values():
		if user.ai_key:
			yield user.name, user.ai_key_hash


def _row(user: str, key_hash: str) -> Row:
	return {
		"name": user,
		"user": user,
		"key_hash": key_hash,
		"usable": True,
		"used_lately": True,
		"models": (),
		"requests_per_minute": 0,
		"tokens_per_day": 0,
		"tokens_per_month": 0,
		"cost_per_day": 0.0,
		"cost_per_month": 0.0,
		"site_tools": False,
	}
