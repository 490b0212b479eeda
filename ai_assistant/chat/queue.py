"""Requests that a worker answers: how they come into the queue and out of it, and where they stand meanwhile.

The row is the request and has its question; Frappe's queue holds no more than the row's name. So a job that is lost
is enqueued again, one that comes twice does nothing the second time, and Redis keeps nobody's words.
"""

import importlib
import time
from dataclasses import replace
from typing import Any

import frappe

from ai_assistant import store
from ai_assistant.config.settings import Settings, load
from ai_assistant.log import fails_quietly, fields, logger
from ai_assistant.realtime import publisher, redis_health
from ai_assistant.realtime.publisher import Publisher

from . import budgets, lifecycle
from .errors import ChatError, internal_error
from .request import ChatRequest, be_ready

JOB = "ai_assistant.api.answer_queued"
OWN_QUEUE, ELSE = "ai", "long"
# RQ kills a job that outlasts its timeout; ours ends by a deadline of its own before that.
MARGIN_S = 120
# Beyond the first hundred nobody watches the position move.
TOLD = 100


def put(request: ChatRequest, settings: Settings, asked_at: float) -> dict[str, Any]:
	"""Accepts a request for a worker and gives the answer object, `queued`, with its `position`.

	It reached this process at `asked_at` (`time.monotonic()`). Raises ChatError as `life.admit`.
	"""
	accepted = lifecycle.accept(request, settings, "queued", asked_at)
	position = len(store.current().queued())
	accepted.status("queued", position=position)
	_enqueue(accepted.name, settings)
	row = accepted.row({"status": "queued", "provider": request.provider, "model": request.model})
	return {**lifecycle.answer({**row, **accepted.ids, "timing": None}), "position": position}


def take(name: str) -> lifecycle.Chat | None:
	"""The queued request as one that runs here; None where another worker has it, or it was cancelled."""
	try:
		with store.transaction() as kept:
			row, question = kept.start(name, kept.now() + lifecycle.LEASE_S)
	except store.Lost:
		return None
	tell_positions()
	try:
		request, settings = ChatRequest(**question), load()
		be_ready(settings)
		# What was accepted before it has been used up meanwhile.
		budgets.check(row["user"], settings.budgets)
	except Exception as error:
		# Nothing has arrived yet that could be kept or not.
		failure = error.as_dict() if isinstance(error, ChatError) else internal_error()
		about = fields(request=row["request_id"], user=row["user"])
		logger().error(
			f"[Queue] not run: {failure['code']} {about}", exc_info=not isinstance(error, ChatError)
		)
		lifecycle.end(row, "failed", failure, keep_content=True)
		return None
	timeouts = replace(settings.timeouts, total_s=settings.background.total_background_s)
	events = store.current().events(name)
	publishing = Publisher.after(
		row, events, settings.retention.keep_content, settings.realtime.max_delay_ms / 1000
	)
	return lifecycle.hold(lifecycle.Chat(request, replace(settings, timeouts=timeouts), publishing))


def cancel(rows: list[dict[str, Any]]) -> list[str]:
	"""Stops requests, as `life.cancel`, and tells those who wait behind them."""
	cancelled = lifecycle.cancel(rows)
	if any(row["status"] == "queued" for row in rows):
		tell_positions()
	return cancelled


def tell_positions() -> None:
	"""Sends those who wait where they stand by now."""
	kept = store.current()
	rows = kept.queued()[:TOLD]
	now = kept.now() if rows else 0
	for position, row in enumerate(rows, start=1):
		ids = {"task_id": row["task_id"], "request_id": row["request_id"]}
		elapsed_ms = round((now - row["created"]) * 1000)
		publisher.send_status(row["user"], ids, "queued", elapsed_ms, position=position)


def position_of(row: dict[str, Any]) -> int:
	"""1 for the queued request that is next."""
	return 1 + len([each for each in store.current().queued() if each["created"] < row["created"]])


@fails_quietly
def enqueue_again() -> None:
	"""Enqueues what Frappe's queue has lost, or never got. The scheduler does it every minute."""
	rows = store.current().queued()
	if rows and redis_health.redis_answers():
		from frappe.utils.background_jobs import is_job_enqueued

		settings = load()
		for row in rows:
			if not is_job_enqueued(row["name"]):
				_enqueue(row["name"], settings)


def name_of_queue() -> str:
	"""Frappe's queue for chats: our own where the bench declares it (`workers` in common_site_config.json)."""
	return OWN_QUEUE if OWN_QUEUE in (frappe.conf.get("workers") or {}) else ELSE


def rehearse() -> None:
	"""Does what every chat does first and none need do anew."""
	# What a job calls, Frappe imports when it is called.
	from ai_assistant import api

	load()
	store.current().queued()
	redis_health.why_not()
	logger()
	importlib.import_module("frappe.realtime")
	frappe.as_json({"timestamp": frappe.utils.now(), "by": api.answer_queued.__name__})


def _enqueue(name: str, settings: Settings) -> None:
	try:
		if not redis_health.redis_answers():
			raise ConnectionError("redis does not answer")
		frappe.enqueue(
			JOB,
			queue=name_of_queue(),
			timeout=round(settings.background.total_background_s) + MARGIN_S,
			job_id=name,
			deduplicate=True,
			name=name,
		)
	except Exception as error:
		# It is accepted and stored: the scheduler enqueues it as soon as that can be done.
		logger().warning(f"[Queue] not enqueued yet: {type(error).__name__} {fields(request=name)}")
