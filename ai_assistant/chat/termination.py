"""Ends requests from outside: cancels them, and ends those whose process has died."""

from collections.abc import Iterable
from contextlib import suppress
from typing import Any

from ai_assistant import store
from ai_assistant.config.settings import load
from ai_assistant.gateway import Gateway
from ai_assistant.log import fails_quietly
from ai_assistant.realtime.publisher import Publisher

from . import announcement, detached, running, webhooks
from .answer import answer_of
from .errors import worker_lost
from .usage import rounded


def cancel(rows: Iterable[store.Row]) -> list[str]:
	"""Ends queued requests, and asks running ones to stop.

	A request of this process stops at once, a request of another one when it renews its lease, within about a second.

	Returns:
		The ids of the requests.
	"""
	rows = list(rows)
	with store.transaction() as current:
		for row in rows:
			current.ask_to_cancel(row["name"])
	if queued := [row for row in rows if row["status"] == "queued"]:
		keep_content = load().retention.keep_content
		for row in queued:
			# A worker that takes the request at this moment loses it again at its next event.
			end(row, "cancelled", None, keep_content)
	running.cancel(rows)
	return [row["request_id"] for row in rows]


def end_if_dead(row: store.Row) -> store.Row:
	"""Ends a running request whose lease has run out, because its process has died.

	A request that runs in this process is alive, even if its lease has run out by the clock.

	Returns:
		The row as it is afterwards.
	"""
	if row["status"] != "running" or running.is_here(row) or row["lease"] > store.current().now():
		return row
	_end_dead(row)
	return store.current().get(row["user"], row["request_id"]) or row


@fails_quietly
def sweep() -> None:
	"""Ends all requests whose process has died. The scheduler calls it every minute."""
	current = store.current()
	for row in current.lapsed(current.now()):
		if not running.is_here(row):
			# A request that cannot be ended does not stop the sweep.
			fails_quietly(_end_dead)(row)


def _end_dead(row: store.Row) -> None:
	if detached.of(row):
		# A worker reads the answer again. The scheduler enqueues it.
		with suppress(store.LeaseLost), store.transaction() as current:
			current.requeue(row["name"], current.now())
		return
	settings = load()
	end(row, "failed", worker_lost(), settings.retention.keep_content, Gateway(settings.providers))


def end(
	row: store.Row,
	status: str,
	error: dict[str, Any] | None,
	keep_content: bool,
	gateway: Gateway | None = None,
) -> None:
	"""Ends a request that runs nowhere and publishes its completion, unless somebody else has ended it.

	Args:
		row: the row of the request.
		status: `failed` or `cancelled`.
		error: the contract's error object of a failed request.
		keep_content: whether the store keeps the text of the answer.
		gateway: estimates the usage of a request that may have reached a provider; None for one that has not.
	"""
	publisher = Publisher.resume(row, store.current().events(row["name"]), keep_content)
	usage = None
	if gateway:
		prompt_bytes = row["prompt_bytes"] or 0
		usage = rounded(
			gateway.estimate(row["provider"], row["model"], prompt_bytes, *publisher.transcript.sizes())
		)
	outcome = {
		"status": status,
		"finish_reason": "error" if error else status,
		"provider": row["provider"],
		"model": row["model"],
		"usage": usage,
		"attempts": [],
		"error": error,
	}
	values = publisher.row(outcome)
	settings = load()
	told = webhooks.delivery_of(row["name"], row["user"], answer_of({**row, **values}), settings.webhooks)
	try:
		publisher.complete(values, told)
	except store.LeaseLost:
		# Somebody else has ended the request, or runs it.
		return
	announcement.announce(row["name"], row["user"], answer_of({**row, **values}), settings)
