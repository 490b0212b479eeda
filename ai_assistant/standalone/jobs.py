"""The site's workers: threads of its process instead of Frappe's Redis queues and RQ."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable

from .workers import Workers

AT_ONCE = 16
"""Jobs that run at a time. Others wait and start in the order in which they were enqueued."""

Job = Callable[[], None]


class Jobs:
	"""The jobs that are queued or run. They are lost when the process ends."""

	def __init__(self, run: Callable[[Job, str], None]) -> None:
		"""`run(job, user)` runs a job as that user."""
		self._run = run
		self._workers = Workers(AT_ONCE)
		self._ids: set[str] = set()
		self._running = 0
		self._closed = False
		self._changed = threading.Condition()

	def __contains__(self, job_id: object) -> bool:
		return job_id in self._ids

	def put(self, job_id: str, user: str, job: Job) -> None:
		"""Queue a job that runs as `user`."""
		with self._changed:
			self._ids.add(job_id)
			self._workers.submit(self._work, job_id, user, job)

	def close(self, grace_s: float) -> None:
		"""Start no more jobs, and wait up to `grace_s` seconds for those that run."""
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
			logging.getLogger(__name__).exception("A job failed")
		finally:
			with self._changed:
				self._ids.discard(job_id)
				self._running -= 1
				self._changed.notify_all()
