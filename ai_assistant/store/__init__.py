"""Where requests and their events are kept: one small interface, one implementation a site.

On a bench the rows are the DocTypes AI Request and AI Request Event; the standalone site keeps the
same things in SQLite. No store commits by itself: a commit is also what lets an event go (see
`ai_assistant.realtime.publisher`), so it is for the caller to say when, by `transaction()`.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from datetime import date
from typing import Any, NamedTuple, Protocol

Event = dict[str, Any]
"""An `ai_progress` event as the client gets it, with at least `seq`, `type` and `text`."""

Row = dict[str, Any]
"""A request: `name` (the store's own key), and the fields `REQUEST_FIELDS`."""

UNENDED = ("queued", "running")

REQUEST_FIELDS = (
	"user",
	"request_id",
	"task_id",
	"status",
	"mode",
	"provider",
	"model",
	"finish_reason",
	"created",
	"fingerprint",
	"lease",
	"cancel_asked",
	"prompt_bytes",
	"excerpt",
	"response",
	"reasoning",
	"tool_calls",
	"continuation",
	"call_key",
	"usage",
	"timing",
	"realtime",
	"attempts",
	"error",
	"ended",
	"first_event_ms",
)
"""Those of JSON_FIELDS hold the contract's objects, or None; `created`, `lease` and `ended` are UNIX times in seconds;
`cancel_asked` is 0 or 1, `prompt_bytes` a number, `excerpt` the beginning of the question. `first_event_ms` is how long the client waited for event 1, None if that was
not measured. The rest are strings or None.
`tool_calls` is None for a request without tools."""

MEASURED = (
	"ended",
	"status",
	"provider",
	"usage",
	"timing",
	"realtime",
	"attempts",
	"error",
	"first_event_ms",
)
"""The fields that figures are made of; none of them is long."""

LIVE = ("user", "status", "created")
"""The fields by which somebody looks on."""

Series = tuple[str, ...]
"""The name of a sum over all requests that have ended, and the values of its labels."""

AlertKey = tuple[str, str]
"""Of an alert what is wrong, and with what: a provider's name, a process, or nothing."""

SumsOf = Callable[[list[Row]], Mapping[Series, float]]
"""What requests came to, of which it gets `name` and MEASURED."""

JSON_FIELDS = frozenset(("tool_calls", "usage", "timing", "realtime", "attempts", "error"))


class Load(NamedTuple):
	"""What a site has to do when somebody asks for more."""

	own: int
	"""How many requests of the user are queued, or run and are held."""
	running: int
	"""How many of all users run and are held."""
	recent: list[float]
	"""When the user's latest were accepted (`created`), the oldest first."""


SITE = ""
"""The account on which the usage of all users is booked, besides their own."""


class Booked(NamedTuple):
	"""What the requests of one account have used on one day of the site."""

	day: date
	tokens: int
	cost_usd: float


class RequestExists(Exception):
	"""This user already has a request of this id."""


class LeaseLost(Exception):
	"""The request is no longer this process's: somebody else has ended it."""


class StoreUnavailable(Exception):
	"""The store cannot be reached for now; whether what was last asked of it was kept is not known."""


class Store(Protocol):
	"""Keys are compared byte by byte: neither case nor trailing spaces are folded."""

	def now(self) -> float:
		"""The UNIX time by the database's clock: by it what one process has written another judges."""
		...

	def open(self, row: Mapping[str, Any], question: Mapping[str, Any] | None = None) -> str:
		"""Keep a new request and return its `name`. Raises RequestExists, leaving the transaction usable.

		A queued one is kept with its `question` (anything that JSON can say), until it ends.
		"""
		...

	def admission_load(self, user: str, now: float, since: float) -> Load:
		"""What there is to do at the UNIX time `now`, with the requests accepted after `since` as `recent`.

		Commits, and lets nobody else see the load until the next commit or rollback: whoever asks then counts what
		was opened meanwhile. So it holds a lock for all of the site; let it be short.
		"""
		...

	def start(self, name: str, lease: float) -> tuple[Row, dict[str, Any]]:
		"""Make a queued request one that runs and is held until `lease`; gives it and its question.

		Raises LeaseLost where it is not queued: of several who try, one may run it.
		"""
		...

	def queued(self) -> list[Row]:
		"""The queued requests of all users, in the order in which they were accepted."""
		...

	def get(self, user: str, request_id: str) -> Row | None:
		"""The user's own request of that id. Another user's is None, as one that never was."""
		...

	def continuations(self, user: str, keys: Sequence[str]) -> dict[str, str]:
		"""Returns the `continuation` of the user's newest request of each `call_key` that has one."""
		...

	def of_task(self, user: str, task_id: str, unended: bool = False, limit: int | None = None) -> list[Row]:
		"""The user's requests of a task, newest first, at most `limit`; only those `unended` where asked for."""
		...

	def live(self, user: str | None, since: float, names: Sequence[str], limit: int) -> list[Row]:
		"""The oldest requests that have not ended, were accepted after `since`, or are among `names`, oldest first.

		At most `limit` of a user, or of all users where that is None: `name` and LIVE.
		"""
		...

	def append(self, name: str, event: Event) -> None:
		"""Keep the next event of a request. Raises LeaseLost where there is one of that `seq`."""
		...

	def events(self, name: str, after_seq: int = 0) -> list[Event]:
		"""The events of a request with a `seq` above `after_seq`, in order."""
		...

	def last_seq(self, name: str) -> int:
		"""The `seq` of a request's newest event, 0 where there is none."""
		...

	def renew(self, name: str, lease: float) -> bool:
		"""Hold a running request until `lease`; whether a cancel was asked for. Raises LeaseLost where it runs no longer."""
		...

	def ask_to_cancel(self, name: str) -> None:
		"""Leave word for the process that runs the request, whichever it is."""
		...

	def lapsed(self, now: float) -> list[Row]:
		"""The running requests of all users whose lease had run out by `now`."""
		...

	def finish(self, name: str, values: Mapping[str, Any]) -> None:
		"""Write the outcome of a request: any of REQUEST_FIELDS. Raises LeaseLost where it has ended already.

		It has `ended` now, if `values` do not say otherwise. Its `usage` is booked with it, on its user's account and on that of the SITE, for today.
		"""
		...

	def booked(self, account: str, since: date) -> list[Booked]:
		"""What is booked on a user's account, or on that of the SITE, for the days from `since` on."""
		...

	def unended(self, now: float) -> dict[str, int]:
		"""How many requests of all users are `queued`, and how many are `running` and held at the UNIX time `now`."""
		...

	def ended(self, since: float, limit: int) -> list[Row]:
		"""The newest requests that ended after the UNIX time `since`: `name` and MEASURED, the newest first."""
		...

	def count(self, sums_of: SumsOf, limit: int, only: Sequence[str] | None = None) -> int:
		"""Add what ended requests came to (`sums_of`) that are in no sum yet, each once whoever counts too.

		At most `limit` of them, or of `only` these. Gives how many that were.
		"""
		...

	def sums(self) -> dict[Series, float]:
		"""What all requests came to that were ever counted; they outlive the requests."""
		...

	def alerts(self) -> dict[AlertKey, float]:
		"""The alerts that are not over, and the UNIX time at which each was last seen."""
		...

	def keep_alert(self, kind: str, subject: str, message: str, now: float) -> None:
		"""Begin an alert, or say of the one that is not over that it is seen `now`, and what there is to say by now."""
		...

	def end_alert(self, kind: str, subject: str, now: float) -> None:
		"""End the alert that is not over."""
		...

	def forget(self, name: str) -> None:
		"""Empty the `text`, `arguments` and `tool_calls` of a request's events; all else about them stays."""
		...

	def reset_if_unreachable(self, error: Exception) -> bool:
		"""Whether an error of the database says that it cannot be reached, or not just now.

		The connection is given up then with all that was begun on it, and the next call makes another.
		"""
		...


_store: Store | None = None


def use(store: Store) -> None:
	"""Make `store` this process's store. The standalone site calls it; a bench needs not."""
	global _store
	_store = store


def current() -> Store:
	"""The store of this site: the bench's own, unless another was put in place."""
	global _store
	if _store is None:
		from .frappe_store import FrappeStore

		_store = FrappeStore()
	return _store


@contextmanager
def transaction() -> Iterator[Store]:
	"""What is written in it is committed at its end, or else nothing of it is.

	Raises StoreUnavailable where the database cannot be reached; the next transaction begins anew, on another connection.
	"""
	# The standalone site imports this module before it has put its stand-in for frappe in place.
	import frappe

	kept = current()
	try:
		yield kept
		frappe.db.commit()
	except Exception as error:
		if kept.reset_if_unreachable(error):
			raise StoreUnavailable(type(error).__name__) from error
		with suppress(Exception):
			frappe.db.rollback()
		raise
