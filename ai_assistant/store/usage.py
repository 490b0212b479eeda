"""The part of a store that keeps the usage of users and of the site."""

from datetime import date
from typing import NamedTuple, Protocol

SITE = ""
"""The account on which the usage of all users is booked, besides the account of each user."""


class Booked(NamedTuple):
	"""The usage of one account on one day of the site."""

	day: date
	tokens: int
	cost_usd: float


class Usage(Protocol):
	"""Usage by account and day. `Requests.finish` books it."""

	def booked(self, account: str, since: date) -> list[Booked]:
		"""Returns the usage of an account (a user's, SITE, or KEY with a name) on each day from `since` on."""
