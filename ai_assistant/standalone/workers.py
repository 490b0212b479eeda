"""The threads that run requests."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable
from concurrent.futures import Executor, Future
from typing import Any, TypeVar

Result = TypeVar("Result")


class Workers(Executor):
	"""Up to `size` threads, each created when no other is free. Submit from one thread only.

	Unlike a ThreadPoolExecutor's, the threads are daemons: a long chat must not keep a stopping process alive.
	"""

	def __init__(self, size: int) -> None:
		self._size = size
		self._threads = 0
		self._idle = threading.Semaphore(0)
		self._jobs: queue.SimpleQueue[Callable[[], None] | None] = queue.SimpleQueue()

	def submit(self, fn: Callable[..., Result], /, *args: Any, **kwargs: Any) -> Future[Result]:
		"""Run `fn` in a thread as soon as one is free."""
		future: Future[Result] = Future()

		def job() -> None:
			if future.set_running_or_notify_cancel():
				try:
					future.set_result(fn(*args, **kwargs))
				except BaseException as error:
					future.set_exception(error)

		self._jobs.put(job)
		if not self._idle.acquire(blocking=False) and self._threads < self._size:
			self._threads += 1
			threading.Thread(target=self._work, name=f"worker-{self._threads}", daemon=True).start()
		return future

	def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
		"""End each thread after its current job, without waiting."""
		for _ in range(self._threads):
			self._jobs.put(None)

	def _work(self) -> None:
		while job := self._jobs.get():
			job()
			# It holds a whole request, which must not stay until the next job.
			del job
			self._idle.release()
