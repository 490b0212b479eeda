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
	for row in rows:
		if row["status"] == "queued":
			# A worker that takes the request at this moment loses it again at its next event.
			end(row)
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
	end(row, worker_lost(), has_run=True)


def end(
	row: store.Row,
	error: dict[str, Any] | None = None,
	has_run: bool = False,
) -> None:
	"""Ends a request that runs nowhere and publishes its completion, unless somebody else has ended it.

	Args:
		row: the row of the request.
		error: the contract's error object of a failed request, None for a cancelled one.
		has_run: whether the request may have reached a provider, so that its usage is estimated.
	"""
	settings = load()
	events = store.current().events(row["name"])
	publisher = Publisher.resume(row, events, settings.retention.keep_content)
	provider, model, usage = row["provider"], row["model"], None
	if has_run:
		sizes = publisher.transcript.sizes()
		estimated = Gateway(settings.providers).estimate(provider, model, row["prompt_bytes"] or 0, *sizes)
		usage = rounded(estimated)
	outcome = {
		"status": "failed" if error else "cancelled",
		"finish_reason": "error" if error else "cancelled",
		"provider": provider,
		"model": model,
		"usage": usage,
		"attempts": [],
		"error": error,
	}
	values = publisher.row(outcome)
	told = webhooks.delivery_of(row["name"], row["user"], answer_of({**row, **values}), settings.webhooks)
	try:
		publisher.complete(values, told)
	except store.LeaseLost:
		# Somebody else has ended the request, or runs it.
		return
	announcement.announce(row["name"], row["user"], answer_of({**row, **values}), settings)
