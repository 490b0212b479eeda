"""What the tests of the bridge share: async generators, and the loop that runs them."""

import asyncio
import threading
from collections.abc import AsyncGenerator, Awaitable
from typing import TypeVar

from ai_assistant.gateway.bridge import HIGH_WATER, Bridge, provider_loop

T = TypeVar("T")

# Longer than a test may take: a read that is not woken fails by pytest's own limit.
FOR_EVER = 3600.0


def on_the_loop(work: Awaitable[T]) -> T:
	async def run() -> T:
		return await work

	return asyncio.run_coroutine_threadsafe(run(), provider_loop()).result(timeout=20)


async def many_turns() -> None:
	"""When this is over, all the others on the loop have done what they could without waiting."""
	for _ in range(10 * HIGH_WATER):
		await asyncio.sleep(0)


class Source:
	"""An async generator that says what it has given out, and when it was closed."""

	def __init__(self, items: int | None = None, then: BaseException | None = None) -> None:
		self.yielded = 0
		self.started = threading.Event()
		self.closed = threading.Event()
		self._items = items
		self._then = then

	async def numbers(self) -> AsyncGenerator[int, None]:
		self.started.set()
		try:
			while self._items is None or self.yielded < self._items:
				self.yielded += 1
				yield self.yielded
			if self._then:
				raise self._then
			await asyncio.Event().wait()
		finally:
			self.closed.set()


async def from_one_to(last: int) -> AsyncGenerator[int, None]:
	for n in range(1, last + 1):
		yield n


def read_to_the_end(bridge: Bridge[int]) -> list[int]:
	items: list[int] = []
	while True:
		try:
			items += bridge.take(FOR_EVER)
		except StopAsyncIteration:
			return items


async def tasks() -> set["asyncio.Task[object]"]:
	return asyncio.all_tasks()


async def left(before: set["asyncio.Task[object]"]) -> set["asyncio.Task[object]"]:
	"""The tasks that have been started since and do not end."""
	while new := asyncio.all_tasks() - before - {asyncio.current_task()}:
		_, pending = await asyncio.wait(new, timeout=10)
		if pending:
			return pending
	return set()
