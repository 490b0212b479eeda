"""The part of a store that keeps AI Keys."""

from typing import Protocol

from .requests import Row

KEY = "key:"
"""With the name of an AI Key behind it, the account on which the usage with that key is booked."""


class Keys(Protocol):
	"""The AI Keys of the site. `ai_assistant.keys` makes and checks them."""

	def key_of_hash(self, key_hash: str) -> Row | None:
		"""Returns the AI Key with a SHA-256 hash, None if there is none.

		Returns:
			The fields of `ai_assistant.keys.Key`, and:

			- `key_hash`,
			- `usable`: whether the key is enabled and has not expired, and its user is enabled,
			- `used_lately`: whether a use was stored within the last minute. A site that stores no use says yes.
		"""

	def key_named(self, name: str) -> Row | None:
		"""Returns the AI Key of that name in the same form, None if there is none."""

	def key_used(self, name: str) -> None:
		"""Stores that an AI Key is used now. The caller asks for it unless `used_lately`, so about once a minute."""

	def nth_newest_of_key(self, name: str, since: float, nth: int) -> float | None:
		"""Returns when the `nth` newest request with an AI Key was accepted; None if not after the UNIX time `since`."""
