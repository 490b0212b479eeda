"""Puts jobs into Frappe's queues."""

from typing import Any

import frappe

from ai_assistant.log import fields, logger
from ai_assistant.realtime import redis_health


def enqueue(method: str, queue: str, job_id: str, **options: Any) -> None:
	"""Enqueues a job, unless one of that id is queued or runs. A failure is logged and not raised.

	Args:
		method: the dotted path of the function.
		queue: the name of Frappe's queue.
		job_id: the id of the job.
		options: further arguments of `frappe.enqueue`, with those of the function.
	"""
	try:
		if not redis_health.redis_answers():
			raise ConnectionError("redis does not answer")
		frappe.enqueue(method, queue=queue, job_id=job_id, deduplicate=True, **options)
	except Exception as error:
		logger().warning(f"[Queue] not enqueued yet: {type(error).__name__} {fields(job=job_id)}")
