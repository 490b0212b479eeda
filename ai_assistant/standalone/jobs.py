"""The site's workers: threads of its process, in the place of Frappe's Redis queues and RQ."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable

from .workers import Workers

AT_ONCE = 16
"""Jobs that run at a time; the others wait, and are started in the order in which they came."""

Job = Callable[[], None]


class Jobs:
	"""What has been enqueued and has not ended. It is not kept: whoever enqueues has to know what is lost."""

	def __init__(self, run: Callable[[Job, str], None]) -> None:
		"""`run(job, user)` runs a job as a user."""
		self._run = run
		self._workers = Workers(AT_ONCE)
		self._ids: set[str] = set()
		self._running = 0
		self._closed = False
		self._changed = threading.Condition()

	def __contains__(self, job_id: object) -> bool:
		return job_id in self._ids

	def put(self, job_id: str, user: str, job: Job) -> None:
		with self._changed:
			self._ids.add(job_id)
			self._workers.submit(self._work, job_id, user, job)

	def close(self, grace_s: float) -> None:
		"""Starts no more of them; those that run have `grace_s` seconds to end."""
		until = time.monotonic() + grace_s
		with self._changed:
			self._closed = True
			while self._running and (left := until - time.monotonic()) > 0:
				self._changed.wait(left)
		self._workers.shutdown()

	def _work(self, job_id: str, user: str, job: Job) -> None:
		with self._changed:
			if self._closed:
				return
			self._running += 1
		try:
			self._run(job, user)
		except Exception:
			logging.getLogger(__name__).exception("a job failed")
		finally:
			with self._changed:
				self._ids.discard(job_id)
				self._running -= 1
				self._changed.notify_all()
