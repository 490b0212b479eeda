"""How the bridge closes a generator, and with it the provider's connection."""

import asyncio
import threading
from collections.abc import AsyncGenerator

from ai_assistant.gateway.bridge import HIGH_WATER, Bridge

from .bridging import FOR_EVER, Source, from_one_to, left, many_turns, on_the_loop, read_to_the_end, tasks


def test_closing_before_the_first_item_closes_the_generator() -> None:
	source = Source(items=0)
	bridge = Bridge(source.numbers())
	assert source.started.wait(20)
	bridge.close()
	assert source.closed.wait(20)


def test_closing_between_two_items_closes_the_generator() -> None:
	source = Source(items=1)
	bridge = Bridge(source.numbers())
	assert bridge.take(FOR_EVER) == [1]
	assert not source.closed.is_set()
	bridge.close()
	assert source.closed.wait(20)


def test_closing_while_it_waits_for_room_closes_the_generator() -> None:
	source = Source()
	bridge = Bridge(source.numbers())
	on_the_loop(many_turns())
	assert not source.closed.is_set()
	bridge.close()
	assert source.closed.wait(20)
	assert source.yielded == HIGH_WATER


def test_closing_at_once_leaves_nothing_running() -> None:
	before = on_the_loop(tasks())
	for _ in range(100):
		Bridge(Source().numbers()).close()
	assert on_the_loop(left(before)) == set()


def test_closing_twice_and_after_the_end_does_no_harm() -> None:
	bridge = Bridge(from_one_to(3))
	assert read_to_the_end(bridge) == [1, 2, 3]
	bridge.close()
	bridge.close()


def test_closing_again_lets_the_generator_close_whole() -> None:
	closing, closed = threading.Event(), threading.Event()

	async def slow_to_close() -> AsyncGenerator[int, None]:
		try:
			yield 1
			await asyncio.Event().wait()
		finally:
			closing.set()
			await many_turns()
			closed.set()

	bridge = Bridge(slow_to_close())
	assert bridge.take(FOR_EVER) == [1]

	async def close_again() -> None:
		bridge.close()
		while not closing.is_set():
			await asyncio.sleep(0)
		bridge.close()

	on_the_loop(close_again())
	assert closed.wait(20)
