"""The part of a store that keeps what is sent to webhooks."""

from collections.abc import Sequence
from typing import NamedTuple, Protocol


class Delivery(NamedTuple):
	"""A message for one address."""

	name: str
	"""The store's own key. It is the id of the message for its receiver, too."""
	url: str
	payload: str
	attempts: int
	"""How often it was sent."""


class Deliveries(Protocol):
	"""Messages about ended requests. They are `waiting` until they are `delivered` or have `failed` for good."""

	def add_deliveries(self, request: str, urls: Sequence[str], payload: str) -> None:
		"""Stores a message about a request for each address. It is due at once.

		Args:
			request: the `name` of the request.
			urls: the addresses.
			payload: the body of the message.
		"""

	def due_deliveries(self, url: str, now: float, limit: int) -> list[Delivery]:
		"""Returns the messages for an address that are due at the UNIX time `now`, the longest due first."""

	def begin_delivery(self, delivery: Delivery, next_at: float) -> bool:
		"""Counts an attempt, after which the message is due again at the UNIX time `next_at`.

		Returns:
			Whether the caller may send it. Of several callers with the same Delivery, one may.
		"""

	def end_delivery(self, name: str, status: str, error: str | None = None) -> None:
		"""Stores how an attempt ended.

		Args:
			name: the `name` of the message.
			status: `delivered`, `failed`, or `waiting` for a message that is sent again.
			error: why the address did not take it.
		"""
