"""One asyncio loop for all providers, on a thread of its own, and the way from it to a thread that waits.

A Frappe request is synchronous, and its thread alone may touch Frappe. Reading the provider there would
leave nobody to send a batch on time, keep a deadline or hear a cancel while the provider is silent; so the
reading is done on the loop, and the request's thread takes what has come from a queue, with a timeout.
"""

import asyncio
import os
import queue
import threading
from collections.abc import AsyncGenerator, Callable
from typing import Generic, TypeVar

T = TypeVar("T")

# A provider that writes faster than the site can store has to wait: memory stays flat.
HIGH_WATER = 256

_lock = threading.Lock()
_loop: asyncio.AbstractEventLoop | None = None


def provider_loop() -> asyncio.AbstractEventLoop:
	"""This process's loop, started on first use: a loop made before a fork is dead in the child."""
	global _loop
	with _lock:
		if _loop is None:
			_loop = asyncio.new_event_loop()
			threading.Thread(target=_loop.run_forever, name="ai-assistant-providers", daemon=True).start()
		return _loop


def _forget_loop() -> None:
	global _loop, _lock
	_lock = threading.Lock()
	_loop = None


os.register_at_fork(after_in_child=_forget_loop)


class Cancel:
	"""Asks one running stream to stop, from any thread."""

	def __init__(self) -> None:
		self._asked = threading.Event()
		self._wake: Callable[[], None] | None = None

	def __call__(self) -> None:
		self._asked.set()
		if wake := self._wake:
			wake()

	@property
	def asked(self) -> bool:
		return self._asked.is_set()

	def on_ask(self, wake: Callable[[], None] | None) -> None:
		"""`wake` is called when the cancel is asked for; the caller checks `asked` after setting it."""
		self._wake = wake


class Bridge(Generic[T]):
	"""Runs an async generator on the loop; `read()` takes its items in the order they came.

	`close()` cancels the generator wherever it waits, which closes the provider's connection.
	"""

	def __init__(self, source: AsyncGenerator[T, None]) -> None:
		self._queue: queue.SimpleQueue[T | BaseException | None] = queue.SimpleQueue()
		self._loop = provider_loop()
		self._pump_waits = False
		self._room = asyncio.Event()
		self._task = asyncio.run_coroutine_threadsafe(self._pump(source), self._loop)

	def read(self, timeout: float) -> T | None:
		"""The next item, or None after `timeout` seconds or a `wake()`.

		Raises StopAsyncIteration at the end, and whatever the generator raised.
		"""
		try:
			item = self._queue.get(timeout=timeout) if timeout > 0 else self._queue.get_nowait()
		except queue.Empty:
			return None
		if self._pump_waits and self._queue.qsize() < HIGH_WATER // 2:
			self._pump_waits = False
			self._loop.call_soon_threadsafe(self._room.set)
		if isinstance(item, BaseException):
			raise item
		return item

	def wake(self) -> None:
		"""Ends a `read()` that waits."""
		self._queue.put(None)

	def close(self) -> None:
		self._task.cancel()

	async def _pump(self, source: AsyncGenerator[T, None]) -> None:
		try:
			async for item in source:
				self._queue.put(item)
				if self._queue.qsize() >= HIGH_WATER:
					await self._wait_for_room()
				else:
					# Where the next item lies ready nothing else would give the other streams their turn.
					await asyncio.sleep(0)
			self._queue.put(StopAsyncIteration())
		except Exception as error:
			self._queue.put(error)
		finally:
			await source.aclose()

	async def _wait_for_room(self) -> None:
		self._room.clear()
		self._pump_waits = True
		# Asked again: the reader may have emptied the queue before it could see that somebody waits.
		if self._queue.qsize() >= HIGH_WATER:
			await self._room.wait()
		self._pump_waits = False
