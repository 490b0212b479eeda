"""Keeps requests, usage, figures and alerts: one interface, one implementation for each kind of site.

On a bench the rows are DocTypes (`ai_assistant.store.frappe_store`); the standalone site keeps the same in SQLite
(`ai_assistant.standalone.sqlite`). No store commits by itself, except `admission_load`: use `transaction()`.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import cache
from typing import Protocol

from .alerts import AlertKey, Alerts
from .conversations import Conversation, Conversations
from .deliveries import Deliveries, Delivery
from .errors import LeaseLost, RequestExists, StoreUnavailable
from .figures import MEASURED_FIELDS, Figures, Series, SumsOf
from .keys import KEY, Keys
from .requests import CONTENT_FIELDS, LIVE_FIELDS, REQUEST_FIELDS, UNENDED, Event, Load, Requests, Row
from .usage import SITE, Booked, Usage

# Of the parts, what other modules import from here.
__all__ = [
	"CONTENT_FIELDS",
	"KEY",
	"LIVE_FIELDS",
	"MEASURED_FIELDS",
	"REQUEST_FIELDS",
	"SITE",
	"UNENDED",
	"AlertKey",
	"Booked",
	"Conversation",
	"Delivery",
	"Event",
	"LeaseLost",
	"Load",
	"RequestExists",
	"Row",
	"Series",
	"StoreUnavailable",
	"SumsOf",
]


class Store(Requests, Usage, Figures, Alerts, Keys, Deliveries, Conversations, Protocol):
	"""The store of a site."""

	def now(self) -> float:
		"""Returns the UNIX time by the database's clock, by which all processes judge what others have written."""

	def reset_if_unreachable(self, error: Exception) -> bool:
		"""Gives up the connection if an error says that the database cannot be reached, or not just now.

		The transaction is lost then, and the next call opens another connection.

		Returns:
			Whether the error says so.
		"""


@cache
def _of_bench() -> Store:
	from .frappe_store import FrappeStore

	return FrappeStore()


_find: Callable[[], Store] = _of_bench


def use(find: Callable[[], Store]) -> None:
	"""Sets the function that returns the store of the site at hand. Only the standalone site needs to."""
	global _find
	_find = find


def current() -> Store:
	"""Returns the store of this site: the tables of the bench, unless `use` was called."""
	return _find()


@contextmanager
def transaction() -> Iterator[Store]:
	"""Commits what the block writes, or nothing of it if the block raises.

	Raises:
		StoreUnavailable: the database cannot be reached. The next transaction uses another connection.
	"""
	# The standalone site imports this module before its stand-in for frappe is in place.
	import frappe

	store = current()
	try:
		yield store
		frappe.db.commit()
	except Exception as error:
		if store.reset_if_unreachable(error):
			raise StoreUnavailable(type(error).__name__) from error
		with suppress(Exception):
			frappe.db.rollback()
		raise
