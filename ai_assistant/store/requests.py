"""The part of a store that keeps requests and their events."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple, Protocol

Event = dict[str, Any]
"""An `ai_progress` event as the client gets it, with at least `seq`, `type` and `text`."""

Row = dict[str, Any]
"""A request: `name` (the store's own key) and the REQUEST_FIELDS."""

UNENDED = ("queued", "running")

JSON_FIELDS = (
	"new_messages",
	"tool_calls",
	"tool_runs",
	"detached",
	"usage",
	"timing",
	"realtime",
	"attempts",
	"sources",
	"images",
	"dropped",
	"trimmed",
	"metadata",
	"error",
)
"""The fields that hold objects of the contract or None."""

REQUEST_FIELDS = (
	"user",
	"request_id",
	"task_id",
	"status",
	"mode",
	"provider",
	"key_label",
	"model",
	"finish_reason",
	"created",
	"fingerprint",
	"lease",
	"cancel_asked",
	"ai_key",
	"is_continuation",
	"prompt_bytes",
	"excerpt",
	"title",
	"reference_doctype",
	"reference_name",
	"response",
	"reasoning",
	"approval",
	"continuation",
	"call_key",
	"ended",
	"first_event_ms",
	*JSON_FIELDS,
)
"""The fields of a request.

- `created`, `lease` and `ended` are UNIX times in seconds.
- `cancel_asked` is 0 or 1. `is_continuation` is 1 if the last message of the request answers a tool call.
- `prompt_bytes` is a number. `first_event_ms` is how long the client waited for event 1; None if not measured.
- `tool_calls` is None for a request without tools.
- `tool_runs` are the calls of the site's tools. `approval` identifies the call that waits for the user.
- `new_messages` are the messages that the request adds to its task; None if the site does not keep questions.
- The other fields are strings or None. `title` is that of the task. `excerpt` is the beginning of the question.
  `key_label` names the key that
  answered, if its provider has several. `ai_key` is the name of the AI Key of the request. `reference_doctype` and
  `reference_name` name the document to which the request belongs.
"""

CONTENT_FIELDS = (
	"excerpt",
	"title",
	"new_messages",
	"response",
	"reasoning",
	"continuation",
	"call_key",
	"sources",
	"images",
)
"""The fields with words of the user or of the model that are empty after a request without content."""

LIVE_FIELDS = ("user", "status", "created")
"""The fields of a request that `watch` needs."""


def approval_decided(approval: str, approved: bool) -> str:
	"""Returns the value of the field `approval` for a call that the user has decided on."""
	return f"{approval}:{'yes' if approved else 'no'}"


def decision_in(value: str | None, approval: str) -> bool | None:
	"""Returns the decision on a call that the field `approval` holds, None if it holds none on this call."""
	return {approval_decided(approval, True): True, approval_decided(approval, False): False}.get(value or "")


class Load(NamedTuple):
	"""How many requests there are when a user asks for one more."""

	now: float
	"""The UNIX time by the database's clock, in seconds."""
	own: int
	"""The user's requests that are queued, or that run and have a lease."""
	running: int
	"""The requests of all users that run and have a lease."""
	nth_newest: float | None
	"""When the user's `nth` newest request of the same sort was accepted (`created`). None if it is older than the window,
	or if the user has fewer."""


class Requests(Protocol):
	"""Requests and their events. Keys are compared byte by byte: neither case nor trailing spaces are folded."""

	def open(
		self,
		row: Mapping[str, Any],
		question: Mapping[str, Any] | None = None,
		sent: Mapping[str, Any] | None = None,
	) -> str:
		"""Stores a new request.

		Args:
			row: any of REQUEST_FIELDS.
			question: what a worker needs to run a queued request, as JSON values. It is kept until the request ends.
			sent: what a standard API needs when a client comes back to the request, as JSON values. It is kept as long
				as the request.

		Returns:
			The `name` of the request.

		Raises:
			RequestExists: the user already has a request with that id. The transaction can continue.
		"""

	def admission_load(self, user: str, window_s: float, nth: int, is_continuation: bool = False) -> Load:
		"""Counts the requests that matter for admission.

		Commits, and then holds a lock of the whole site until the next commit or rollback: the next caller counts what
		was opened meanwhile. Keep that time short.

		Args:
			user: whose requests are counted apart.
			window_s: for how many seconds a request is recent.
			nth: which of the recent requests is looked up, 1 for the newest.
			is_continuation: whether the recent requests are those that continue a task, or the others.
		"""

	def start(self, name: str, lease: float) -> tuple[Row, dict[str, Any]]:
		"""Makes a queued request a running one, with a lease until the UNIX time `lease`.

		Returns:
			The row and the question.

		Raises:
			LeaseLost: the request is not queued. Of several callers, one succeeds.
		"""

	def detach(self, name: str, detached: Mapping[str, Any]) -> None:
		"""Stores what another process needs to read the answer of a running request again, as JSON values.

		Raises:
			LeaseLost: the request does not run any more.
		"""

	def requeue(self, name: str, now: float) -> None:
		"""Makes a running request a queued one again, with its question and its events.

		Args:
			name: the request.
			now: the UNIX time at which its lease must have run out.

		Raises:
			LeaseLost: the request does not run any more, or has a lease.
		"""

	def queued(self) -> list[Row]:
		"""Returns the queued requests of all users, in the order in which they were accepted."""

	def get(self, user: str, request_id: str) -> Row | None:
		"""Returns the user's request of that id, None if the user has none."""

	def continuations(self, user: str, keys: Sequence[str]) -> dict[str, str]:
		"""Returns the `continuation` of the user's newest request of each `call_key` that has one."""

	def of_task(
		self,
		user: str,
		task_id: str,
		unended: bool = False,
		limit: int | None = None,
		wanted: Sequence[str] = REQUEST_FIELDS,
	) -> list[Row]:
		"""Returns the user's requests of a task, the newest first.

		Args:
			user: whose requests.
			task_id: the task.
			unended: whether to return only requests that have not ended.
			limit: the most requests to return, None for all.
			wanted: the fields to read besides `name`. Those with the texts of an answer may have megabytes.
		"""

	def live(self, user: str | None, since: float, names: Sequence[str], limit: int) -> list[Row]:
		"""Returns the requests that have not ended, were accepted after `since`, or are among `names`.

		Args:
			user: whose requests, None for those of all users.
			since: a UNIX time.
			names: further requests; those of other users are left out.
			limit: the most requests to return.

		Returns:
			`name` and LIVE_FIELDS of the oldest of them, the oldest first.
		"""

	def append(self, name: str, event: Event) -> None:
		"""Stores the next event of a request.

		Raises:
			LeaseLost: the request has an event of that `seq`.
		"""

	def events(self, name: str, after_seq: int = 0) -> list[Event]:
		"""Returns the events of a request with a `seq` above `after_seq`, in order."""

	def last_seq(self, name: str) -> int:
		"""Returns the `seq` of a request's newest event, 0 if it has none."""

	def renew(self, name: str, lease: float) -> bool:
		"""Extends the lease of a running request until the UNIX time `lease`.

		Returns:
			Whether a cancel was asked for.

		Raises:
			LeaseLost: the request does not run any more.
		"""

	def ask_to_cancel(self, name: str) -> None:
		"""Tells the process that runs a request to cancel it. The process reads that when it renews the lease."""

	def ask_approval(self, name: str, approval: str) -> None:
		"""Stores that a running request waits until its user approves a call, which `approval` identifies.

		Raises:
			LeaseLost: the request does not run any more.
		"""

	def decide(self, name: str, approval: str, approved: bool) -> bool:
		"""Stores the user's decision on the call that a running request waits for.

		Returns:
			Whether the request waited for a decision on this call.
		"""

	def decision(self, name: str, approval: str) -> bool | None:
		"""Returns what the user decided on a call, None if there is no decision yet."""

	def lapsed(self, now: float) -> list[Row]:
		"""Returns the running requests of all users whose lease had run out at the UNIX time `now`."""

	def finish(self, name: str, values: Mapping[str, Any]) -> None:
		"""Stores the outcome of a request and books its `usage` for today, on the accounts of its user and of SITE.

		Args:
			name: the request.
			values: any of REQUEST_FIELDS. Without `ended` the request ends now.

		Raises:
			LeaseLost: the request has ended already.
		"""

	def sent(self, name: str) -> dict[str, Any] | None:
		"""Returns what `open` was given as `sent`: None for nothing, and an empty object for an erased request."""

	def erase(self, name: str) -> None:
		"""Deletes what was asked and answered from an ended request and its events. Its figures and its events stay."""

	def forget(self, name: str) -> None:
		"""Empties the content of a request's events: `text`, `arguments`, `tool_calls`, `sources` and `images`."""

	def unended(self, now: float) -> dict[str, int]:
		"""Counts the requests of all users that are `queued`, and those that are `running` with a lease at `now`."""

	def log_view(self, reader: str, name: str) -> None:
		"""Logs that a user reads the content of another user's request. docs/privacy.md says where the log is.

		Args:
			reader: the user who reads.
			name: the request.
		"""
