"""Jobs that run outside of the request."""

from __future__ import annotations

import importlib
import secrets
from functools import partial
from typing import Any

from .context import _, conf, local, session, throw

QUEUES = ("short", "default", "long")


def enqueue(
	method: str,
	queue: str = "default",
	timeout: int | None = None,
	*,
	job_id: str | None = None,
	deduplicate: bool = False,
	**kwargs: Any,
) -> None:
	"""Run a method soon, outside of the request, as the current user. frappe/utils/background_jobs.py.

	Args:
		method: The dotted path of the method.
		queue: short, default, long, or a queue that the configuration declares under `workers`.
		timeout: Seconds. Ignored: this site ends no job.
		job_id: The id of the job.
		deduplicate: Skip the job if one with its id is queued or runs.
		**kwargs: The arguments of the method.
	"""
	queues = (*QUEUES, *(conf.get("workers") or {}))
	if queue not in queues:
		throw(_("Queue should be one of {0}").format(", ".join(queues)))
	if deduplicate and not job_id:
		throw(_("`job_id` paramater is required for deduplication."))
	if deduplicate and is_job_enqueued(str(job_id)):
		return
	module, _dot, name = method.rpartition(".")
	job = partial(getattr(importlib.import_module(module), name), **kwargs)
	local.jobs.put(job_id or secrets.token_hex(8), session.user, job)


def is_job_enqueued(job_id: str) -> bool:
	"""Whether a job with this id is queued or runs. frappe/utils/background_jobs.py."""
	enqueued: bool = job_id in local.jobs
	return enqueued
