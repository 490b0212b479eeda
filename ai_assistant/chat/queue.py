"""Enqueues requests in Frappe's queue, runs them in a worker, and reports their positions.

The row of the request holds the question; the job in Frappe's queue holds only the name of the row. A lost job can
therefore be enqueued again, a duplicate job does nothing, and Redis contains no text of a user.
"""

from dataclasses import replace
from typing import Any

import frappe
from frappe import _

from ai_assistant import keys, store
from ai_assistant.config import access
from ai_assistant.config.settings import Settings, load
from ai_assistant.log import fails_quietly, fields, logger
from ai_assistant.realtime import publisher, redis_health
from ai_assistant.realtime.publisher import Publisher

from . import budgets, detached, jobs, lifecycle, other_apps, running, task_provider, termination
from .answer import answer_of
from .errors import ChatError, internal_error
from .request import ChatRequest, be_ready, is_allowed

JOB = "ai_assistant.api.answer_queued"
OWN_QUEUE, FALLBACK_QUEUE = "ai", "long"
# RQ kills a job that outlasts its timeout. A chat ends by its own deadline before that.
JOB_MARGIN_S = 120
# The most users that get their new position. Further back in the queue a position changes little.
MAX_TOLD = 100


def put(request: ChatRequest, settings: Settings, asked_at: float) -> dict[str, Any]:
	"""Accepts a request for a worker.

	Args:
		request: the valid request.
		settings: the site's settings.
		asked_at: when the request reached this process, by `time.monotonic()`.

	Returns:
		The answer object with status `queued`, and the request's `position` in the queue.

	Raises:
		ChatError: as `lifecycle.accept` and `other_apps.before`.
	"""
	request = other_apps.before(task_provider.keep(request, settings), settings)
	accepted = lifecycle.accept(request, settings, "queued", asked_at)
	position = len(store.current().queued())
	accepted.status("queued", position=position)
	_enqueue(accepted.name, settings, accepted.name)
	row = accepted.row({"status": "queued", "provider": request.provider, "model": request.model or None})
	return {**answer_of({**row, **accepted.ids, "timing": None}), "position": position}


def take(name: str) -> lifecycle.Chat | None:
	"""Starts a queued request in this process.

	Args:
		name: the name of the request's row.

	Returns:
		The registered chat; None if another worker has the request, it was cancelled, or it may not run any more.
	"""
	try:
		with store.transaction() as current:
			row, question = current.start(name, current.now() + lifecycle.LEASE_S)
	except store.LeaseLost:
		return None
	send_positions()
	try:
		request, key = ChatRequest(**question), _key_of(row)
		keys.use(key)
		settings = access.permitted(load(), frappe.get_roles(row["user"]), key)
		settings = access.filtered(settings, row["user"])
		be_ready(settings)
		request = _still_permitted(request, settings)
		# The budget may have been used up while the request was queued.
		budgets.check(row["user"], settings.budgets, key)
	except Exception as error:
		failure = error.as_dict() if isinstance(error, ChatError) else internal_error()
		ids = fields(request=row["request_id"], user=row["user"])
		logger().error(f"[Queue] not run: {failure['code']} {ids}", exc_info=not isinstance(error, ChatError))
		# The process of a request that is queued again has asked a provider.
		termination.end(row, failure, has_run=bool(row.get("detached")))
		return None
	# The provider may run the answer by itself, unless the request has tools of the site, whose answer has several
	# rounds. If the provider runs the answer already, it is read again.
	request = replace(request, detached=not request.site_tools, attach_to=detached.of(row))
	if request.attach_to:
		detached.read_again(row)
	timeouts = replace(settings.timeouts, total_s=settings.timeouts.total_background_s)
	resumed = Publisher.resume(
		row,
		store.current().events(name),
		settings.retention.keep_content,
		settings.realtime.max_delay_ms / 1000,
		request.publishes,
		request.stream_tool_calls,
	)
	return running.register(lifecycle.Chat(request, replace(settings, timeouts=timeouts), resumed))


def _key_of(row: store.Row) -> keys.Key | None:
	"""Returns the AI Key of a queued request, if any. Raises ChatError `not_permitted` if it is no longer valid."""
	if not row["ai_key"]:
		return None
	key = keys.named(row["ai_key"])
	if key is None:
		raise ChatError("not_permitted", _("The AI Key of this request was revoked or has expired."))
	return key


def _still_permitted(request: ChatRequest, settings: Settings) -> ChatRequest:
	"""Returns the request with a provider and model that may be asked: roles, keys and providers change meanwhile.

	Raises:
		ChatError: `not_permitted` if the client named what may not be asked any more.
	"""
	if is_allowed(request.model, request.provider, settings):
		return request
	if request.names_provider:
		message = _("The provider or model of this request may not be used any more; choose another.")
		raise ChatError("not_permitted", message)
	return replace(request, provider=None, model="")


def cancel(rows: list[store.Row]) -> list[str]:
	"""Cancels requests as `termination.cancel` does, and tells the users behind them their new positions."""
	cancelled = termination.cancel(rows)
	if any(row["status"] == "queued" for row in rows):
		send_positions()
	return cancelled


def send_positions() -> None:
	"""Sends the users of the first MAX_TOLD queued requests their positions."""
	current = store.current()
	rows = current.queued()[:MAX_TOLD]
	now = current.now() if rows else 0
	for position, row in enumerate(rows, start=1):
		ids = {"task_id": row["task_id"], "request_id": row["request_id"]}
		elapsed_ms = round((now - row["created"]) * 1000)
		publisher.send_status(row["user"], ids, "queued", elapsed_ms, position=position)


def position_of(row: store.Row) -> int:
	"""Returns the position of a queued request, 1 for the one that is next."""
	earlier = [queued for queued in store.current().queued() if queued["created"] < row["created"]]
	return 1 + len(earlier)


@fails_quietly
def enqueue_again() -> None:
	"""Enqueues the requests whose job Frappe's queue lost or never got. The scheduler calls it every minute."""
	rows = store.current().queued()
	if rows and redis_health.redis_answers():
		from frappe.utils.background_jobs import is_job_enqueued

		settings = load()
		for row in rows:
			if not is_job_enqueued(job_id := _job_of(row)):
				_enqueue(row["name"], settings, job_id)


def queue_name() -> str:
	"""Returns the name of Frappe's queue for chats: OWN_QUEUE if common_site_config.json declares it in `workers`."""
	return OWN_QUEUE if OWN_QUEUE in (frappe.conf.get("workers") or {}) else FALLBACK_QUEUE


def _job_of(row: store.Row) -> str:
	"""Returns the id of the job that answers a queued request.

	RQ regards the job of a worker that was killed as running for minutes. A request whose answer is read again therefore
	has another job each time. `running.abandon` finds the request by the end of the id.
	"""
	kept = row["detached"]
	return f"{kept.get('times', 0) + 1}-{row['name']}" if kept else row["name"]


def _enqueue(name: str, settings: Settings, job_id: str) -> None:
	# The request is stored: the scheduler enqueues it as soon as Redis answers.
	timeout_s = round(settings.timeouts.total_background_s) + JOB_MARGIN_S
	jobs.enqueue(JOB, queue_name(), job_id, timeout=timeout_s, name=name)
