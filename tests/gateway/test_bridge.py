"""The bridge from the one loop to the threads that wait."""

import asyncio
import json
import os
import signal
import threading
import traceback
from collections.abc import AsyncGenerator

import pytest

from ai_assistant.gateway.bridge import HIGH_WATER, Bridge, Cancel, provider_loop
from ai_assistant.gateway.tool_calls import ToolPiece
from tests.support.provider import ScriptedProvider

from .asking import family, gateway, hear, scripted
from .bridging import FOR_EVER, Source, from_one_to, left, many_turns, on_the_loop, read_to_the_end, tasks


def test_items_come_in_their_order_to_the_end() -> None:
	last = 4 * HIGH_WATER
	assert read_to_the_end(Bridge(from_one_to(last))) == list(range(1, last + 1))


def test_a_generator_faster_than_its_reader_is_held_at_the_high_water_mark() -> None:
	source = Source()
	bridge = Bridge(source.numbers())
	on_the_loop(many_turns())
	assert source.yielded == HIGH_WATER

	last = 0
	while last < 10 * HIGH_WATER:
		items = bridge.take(FOR_EVER)
		assert items == list(range(last + 1, last + len(items) + 1))
		assert len(items) <= HIGH_WATER
		last = items[-1]
	bridge.close()
	assert source.closed.wait(20)


def test_a_stream_that_always_has_more_does_not_keep_the_others_waiting() -> None:
	async def much_work_and_no_pause() -> AsyncGenerator[int, None]:
		while True:
			# Slower than its reader: it is never held back for want of room.
			yield sum(range(20_000))

	busy = Bridge(much_work_and_no_pause())
	enough = threading.Event()

	def read_on() -> None:
		while not enough.is_set():
			busy.take(FOR_EVER)

	reader = threading.Thread(target=read_on, daemon=True)
	reader.start()
	try:
		assert read_to_the_end(Bridge(from_one_to(20))) == list(range(1, 21))
	finally:
		enough.set()
		reader.join()
		busy.close()


def test_a_read_gives_up_after_its_time() -> None:
	bridge = Bridge(Source(items=1).numbers())
	assert bridge.take(FOR_EVER) == [1]
	assert bridge.take(0.01) == []
	assert bridge.take(0) == []
	assert bridge.take(-1) == []
	bridge.close()


def test_a_read_that_waits_is_woken() -> None:
	bridge = Bridge(Source(items=0).numbers())
	threading.Thread(target=bridge.wake).start()
	assert bridge.take(FOR_EVER) == []
	bridge.close()


def test_a_read_has_a_turn_once_the_source_waits_for_the_provider() -> None:
	asked = threading.Event()

	async def source() -> AsyncGenerator[int, None]:
		asked.set()
		await asyncio.Event().wait()
		yield 1

	bridge = Bridge(source(), once_asked=True)
	assert bridge.take(FOR_EVER) == [] and asked.is_set()
	assert bridge.take(0.01) == []
	bridge.close()


def test_a_cancel_wakes_the_read_that_waits_for_it() -> None:
	bridge = Bridge(Source(items=0).numbers())
	cancel = Cancel()
	cancel.on_ask(bridge.wake)
	assert not cancel.requested
	threading.Thread(target=cancel).start()
	assert bridge.take(FOR_EVER) == []
	assert cancel.requested
	bridge.close()


def test_a_cancel_can_be_asked_for_when_nobody_listens() -> None:
	cancel = Cancel()
	cancel.on_ask(None)
	cancel()
	assert cancel.requested


class Told:
	"""An async generator that gives out what it is told to."""

	def __init__(self) -> None:
		self._told: asyncio.Queue[object] = asyncio.Queue()

	async def items(self) -> AsyncGenerator[object, None]:
		while (item := await self._told.get()) is not None:
			yield item

	def give(self, *items: object) -> None:
		async def put() -> None:
			for item in items:
				self._told.put_nowait(item)
			await many_turns()

		on_the_loop(put())


def test_a_reader_that_gathers_is_not_woken_by_more_of_a_kind() -> None:
	told = Told()
	bridge = Bridge(told.items())
	told.give(1)
	assert bridge.take(FOR_EVER, gathers=True) == [1]
	told.give(2, 3)
	assert not bridge._is_due()
	assert bridge.take(0.01, gathers=True) == [2, 3]
	told.give(4)
	assert bridge.take(FOR_EVER) == [4]
	bridge.close()


@pytest.mark.parametrize(
	"urgent", [[2, "other"], list(range(HIGH_WATER // 2)), [2, None]], ids=["kind", "many", "end"]
)
def test_a_reader_that_gathers_is_woken_by_another_kind_by_many_and_by_the_end(urgent: list[object]) -> None:
	told = Told()
	bridge = Bridge(told.items())
	told.give(1)
	assert bridge.take(FOR_EVER) == [1]
	threading.Thread(target=told.give, args=urgent).start()
	items: list[object] = []
	while len(items) < len([item for item in urgent if item is not None]):
		items += bridge.take(FOR_EVER, gathers=True)
	assert items == [item for item in urgent if item is not None]
	bridge.close()


def test_a_reader_that_gathers_is_woken_by_the_next_call() -> None:
	told, calls = Told(), [ToolPiece(n, f"call{n}", "read", "") for n in range(2)]
	bridge = Bridge(told.items())
	for call in calls:
		threading.Thread(target=told.give, args=[call]).start()
		assert bridge.take(FOR_EVER, gathers=True) == [call]
	bridge.close()


def test_a_reader_that_gathers_can_be_woken() -> None:
	bridge = Bridge(Source(items=0).numbers())
	threading.Thread(target=bridge.wake).start()
	assert bridge.take(FOR_EVER, gathers=True) == []
	bridge.close()


def test_an_exception_comes_after_what_was_given_before_it() -> None:
	bridge = Bridge(Source(items=2, then=ValueError("spilt")).numbers())
	on_the_loop(many_turns())
	assert bridge.take(FOR_EVER) == [1, 2]
	with pytest.raises(ValueError, match="spilt"):
		bridge.take(FOR_EVER)


def test_a_hundred_streams_leave_no_task_and_no_thread_behind(server: ScriptedProvider) -> None:
	from litellm.litellm_core_utils.thread_pool_executor import executor

	def a_stream(n: int) -> None:
		one = gateway(family(server, ("openai", "anthropic")[n % 2]))
		script = [
			{"reasoning": "a"},
			{"text": "b"},
			[{"finish": "stop"}, {"hang": True}, {"cut": True}][n % 3],
		]
		stream = one.stream_generate(scripted(script))
		assert next(stream) and next(stream)
		if n % 3 == 1:
			stream.close()
		else:
			hear(stream)

	for n in range(6):
		a_stream(n)  # what is made once: connections, litellm's own worker
	tasks_before = on_the_loop(tasks())
	threads_before = set(threading.enumerate())
	streams = [threading.Thread(target=a_stream, args=(n,)) for n in range(100)]
	for batch in range(0, 100, 20):
		for thread in streams[batch : batch + 20]:
			thread.start()
		for thread in streams[batch : batch + 20]:
			thread.join()
	assert on_the_loop(left(tasks_before)) == set()
	# litellm keeps a pool for what it logs, and makes its threads as it needs them.
	new = set(threading.enumerate()) - threads_before - executor._threads
	# So does the loop, for all that is to be done beside it.
	assert {thread.name for thread in new if not thread.name.startswith("uvloop_")} == set()


def test_all_streams_share_one_loop_on_one_thread() -> None:
	assert provider_loop() is provider_loop()
	assert [t.name for t in threading.enumerate()].count("ai-assistant-providers") == 1


def test_a_forked_child_gets_a_loop_of_its_own_and_can_stream(server: ScriptedProvider) -> None:
	both = [gateway(family(server, api)) for api in ("openai", "anthropic")]
	script = [{"reasoning": "Hm."}, {"text": "Yes."}]
	for one in both:
		# The parent's connections are open and idle when the child begins.
		assert hear(one.stream_generate(scripted(script))).text == "Yes."
	reads, writes = os.pipe()
	child = os.fork()
	if not child:
		try:
			heard = [hear(one.stream_generate(scripted(script))) for one in both]
			numbers = read_to_the_end(Bridge(from_one_to(3)))
			names = [t.name for t in threading.enumerate()]
			os.write(writes, json.dumps([[h.reasoning, h.text] for h in heard] + [numbers, names]).encode())
		except BaseException:
			traceback.print_exc()
		finally:
			os._exit(0)
	os.close(writes)
	try:
		with os.fdopen(reads, "rb") as answer:
			first, second, numbers, names = json.loads(answer.read())
	finally:
		os.kill(child, signal.SIGKILL)
		os.waitpid(child, 0)
	assert first == second == ["Hm.", "Yes."]
	assert numbers == [1, 2, 3]
	assert names.count("ai-assistant-providers") == 1
	# And the parent goes on as before.
	for one in both:
		assert hear(one.stream_generate(scripted(script))).text == "Yes."
