"""The threads that requests run on."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable
from concurrent.futures import Executor, Future
from typing import Any, TypeVar

Result = TypeVar("Result")


class Workers(Executor):
	"""Up to `size` threads, each made when no other is free. To be used from one thread.

	Unlike those of a ThreadPoolExecutor they are daemons: a chat that outlasts the grace of a stopping site
	must not keep the process alive.
	"""

	def __init__(self, size: int) -> None:
		self._size = size
		self._threads = 0
		self._idle = threading.Semaphore(0)
		self._jobs: queue.SimpleQueue[Callable[[], None] | None] = queue.SimpleQueue()

	def submit(self, fn: Callable[..., Result], /, *args: Any, **kwargs: Any) -> Future[Result]:
		"""Run `fn` in a thread, as soon as there is a free one."""
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
		"""Let each thread end after what it is doing; waits for none."""
		for _ in range(self._threads):
			self._jobs.put(None)

	def _work(self) -> None:
		while job := self._jobs.get():
			job()
			# Not kept until the next one comes: it holds a whole request.
			del job
			self._idle.release()
