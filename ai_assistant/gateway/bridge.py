"""Reads all providers on one asyncio loop on its own thread, and passes the items to the threads of the requests.

A Frappe request is synchronous, and only its thread may call Frappe. If that thread read the provider, it could send no
batch, keep no deadline and notice no cancel while the provider is silent. So the loop reads, and the request's thread
takes the items from a queue with a timeout.
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

from .tool_calls import ToolPiece

T = TypeVar("T")

# Items that wait for the reader before the provider has to wait. This bounds the memory.
HIGH_WATER = 256
# Items of one stream that are read in a row before other streams have their turn: about 0.2 ms, with litellm 25 ms.
TURN = 64

_lock = threading.Lock()
_loop: asyncio.AbstractEventLoop | None = None


def provider_loop() -> asyncio.AbstractEventLoop:
	"""Returns the loop of this process. It starts on first use, because a loop does not survive a fork."""
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
	"""Stops one running stream when it is called, from any thread."""

	def __init__(self) -> None:
		self.requested = False
		self._wake: Callable[[], None] | None = None

	def __call__(self) -> None:
		self.requested = True
		if wake := self._wake:
			wake()

	def on_ask(self, wake: Callable[[], None] | None) -> None:
		"""Sets what is called on a cancel. The caller looks at `requested` afterwards, in case the cancel came before."""
		self._wake = wake


class Bridge(Generic[T]):
	"""Runs an async generator on the loop. `take()` returns its items in order.

	`close()` cancels the generator, which closes the provider's connection.
	"""

	def __init__(self, source: AsyncGenerator[T, None], once_asked: bool = False) -> None:
		"""Args:
		source: the generator to run.
		once_asked: whether to wake `take()` after the first step of `source`, which usually asks the provider.
		"""
		self.heard = time.monotonic()
		"""When the last item came, by `time.monotonic()`. Before the first item: when the generator was started."""
		self._items: deque[T] = deque()
		self._end: BaseException | None = None
		self._last_kind: type | None = None
		# Whether an item has come that wakes a reader that gathers.
		self._urgent = False
		self._woken = False
		# The number of items that wakes the reader, whatever they are.
		self._due_at = 1
		self._listening = False
		self._bell: queue.SimpleQueue[None] = queue.SimpleQueue()
		self._loop = provider_loop()
		self._pump_waits = False
		self._room = asyncio.Event()
		self._task: asyncio.Task[None] | None = None
		self._loop.call_soon_threadsafe(self._start, source, once_asked)

	def take(self, timeout: float, gathers: bool = False) -> list[T]:
		"""Returns all items that have come, and waits for the first if there is none.

		Args:
			timeout: the most seconds to wait. After them, and after a `wake()`, the list is empty.
			gathers: whether to wait for the whole timeout, so that many items cost one turn. An item of another kind than
				the one before, the first piece of a tool call, HIGH_WATER / 2 items and the end return at once.

		Raises StopAsyncIteration at the end, and what the generator raised.
		"""
		until = time.monotonic() + timeout
		self._due_at = HIGH_WATER // 2 if gathers else 1
		while True:
			# Set before looking, so that an item that comes after the look rings.
			self._listening = True
			if self._is_due():
				break
			try:
				self._bell.get(timeout=max(0.0, until - time.monotonic()))
			except queue.Empty:
				break
		self._listening = self._woken = self._urgent = False
		# Read before the items are taken, so that the items before the end are returned first.
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
		# The loop runs this after `_start`.
		self._loop.call_soon_threadsafe(self._stop)

	def _start(self, source: AsyncGenerator[T, None], once_asked: bool) -> None:
		self._task = self._loop.create_task(self._pump(source))
		if once_asked:
			# The reader is woken after the first step of the task. Before, both threads would need the GIL.
			self._loop.call_soon(self.wake)

	def _stop(self) -> None:
		# Only once: a second cancel would end the generator while it closes the provider's connection.
		task, self._task = self._task, None
		if task:
			task.cancel()

	def _is_due(self) -> bool:
		if self._woken or self._end is not None:
			return True
		return bool(self._items) and (self._urgent or len(self._items) >= self._due_at)

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
				# With the first piece of the next call, the one before is whole.
				if type(item) is not self._last_kind or (isinstance(item, ToolPiece) and item.id):
					self._last_kind = type(item)
					self._urgent = True
				self._ring()
				since_a_pause += 1
				if len(self._items) >= HIGH_WATER:
					await self._wait_for_room()
				elif since_a_pause >= TURN:
					since_a_pause = 0
					# If the next item is ready, nothing else gives the other streams their turn.
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
		# Looked at again: the reader may have taken all items before it saw that the pump waits.
		if len(self._items) >= HIGH_WATER:
			await self._room.wait()
		self._pump_waits = False
