"""One asyncio loop for all providers, on a thread of its own, and the way from it to a thread that waits.

A Frappe request is synchronous, and its thread alone may touch Frappe. Reading the provider there would
leave nobody to send a batch on time, keep a deadline or hear a cancel while the provider is silent; so the
reading is done on the loop, and the request's thread takes what has come from a queue, with a timeout.
"""

import asyncio
import os
import queue
import threading
import time
from collections import deque
from collections.abc import AsyncGenerator, Callable
from typing import Generic, TypeVar

import uvloop

T = TypeVar("T")

# A provider that writes faster than the site can store has to wait: memory stays flat.
HIGH_WATER = 256
# Items of one stream that lie ready, before the others have their turn: some 0.2 ms, with litellm 6.
TURN = 16

_lock = threading.Lock()
_loop: asyncio.AbstractEventLoop | None = None


def provider_loop() -> asyncio.AbstractEventLoop:
	"""This process's loop, started on first use: a loop made before a fork is dead in the child."""
	global _loop
	with _lock:
		if _loop is None:
			_loop = uvloop.new_event_loop()
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
	"""Runs an async generator on the loop; `take()` gives its items in the order they came.

	`close()` cancels the generator wherever it waits, which closes the provider's connection.
	"""

	def __init__(self, source: AsyncGenerator[T, None]) -> None:
		self.heard = time.monotonic()
		"""When the last item came; until there is one, when the source was asked."""
		self._items: deque[T] = deque()
		self._end: BaseException | None = None
		self._last_kind: type | None = None
		# Whether an item has come for which a reader that gathers is to be woken.
		self._urgent = False
		self._woken = False
		self._gathers = False
		self._listening = False
		self._bell: queue.SimpleQueue[None] = queue.SimpleQueue()
		self._loop = provider_loop()
		self._pump_waits = False
		self._room = asyncio.Event()
		self._task = asyncio.run_coroutine_threadsafe(self._pump(source), self._loop)

	def take(self, timeout: float, gathers: bool = False) -> list[T]:
		"""All items that have come; waits up to `timeout` seconds for one, and gives none then or after a `wake()`.

		A reader that `gathers` waits the timeout out, so that many items cost it one turn; it is woken early by
		an item of another kind than the one before it, by half of HIGH_WATER, and by the end.

		Raises StopAsyncIteration at the end, and whatever the generator raised.
		"""
		until = time.monotonic() + timeout
		self._gathers = gathers
		while True:
			# Set before looking: what comes after the look rings.
			self._listening = True
			if self._is_due():
				break
			try:
				self._bell.get(timeout=max(0.0, until - time.monotonic()))
			except queue.Empty:
				break
		self._listening = self._woken = self._urgent = False
		# Asked before the items are taken: what came before it is given first.
		end = self._end
		items = [self._items.popleft() for _ in range(len(self._items))]
		if self._pump_waits:
			self._pump_waits = False
			self._loop.call_soon_threadsafe(self._room.set)
		if not items and end is not None:
			raise end
		return items

	def wake(self) -> None:
		"""Ends a `take()` that waits."""
		self._woken = True
		self._bell.put(None)

	def close(self) -> None:
		self._task.cancel()

	def _is_due(self) -> bool:
		if self._woken or self._end is not None or len(self._items) >= HIGH_WATER // 2:
			return True
		return bool(self._items) and (self._urgent or not self._gathers)

	def _ring(self) -> None:
		if self._listening and self._is_due():
			self._listening = False
			self._bell.put(None)

	async def _pump(self, source: AsyncGenerator[T, None]) -> None:
		since_a_pause = 0
		try:
			async for item in source:
				self.heard = time.monotonic()
				self._items.append(item)
				if type(item) is not self._last_kind:
					self._last_kind = type(item)
					self._urgent = True
				self._ring()
				since_a_pause += 1
				if len(self._items) >= HIGH_WATER:
					await self._wait_for_room()
				elif since_a_pause >= TURN:
					since_a_pause = 0
					# Where the next item lies ready nothing else would give the other streams their turn.
					await asyncio.sleep(0)
			self._end = StopAsyncIteration()
		except Exception as error:
			self._end = error
		finally:
			self._ring()
			await source.aclose()

	async def _wait_for_room(self) -> None:
		self._room.clear()
		self._pump_waits = True
		# Asked again: the reader may have taken all before it could see that somebody waits.
		if len(self._items) >= HIGH_WATER:
			await self._room.wait()
		self._pump_waits = False
