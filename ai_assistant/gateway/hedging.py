"""Hedging: if the first provider is silent, a second one gets the same question, and the first to answer wins.

The connection to the other provider is closed at once. A provider that is tried again after a rest is hedged, too. The app
reads from it until its first chunk, because only that shows whether it must rest again.
"""

import asyncio
from collections.abc import AsyncGenerator, Callable
from dataclasses import dataclass

from . import adapters
from .assembly import Delta
from .chunks import Completion, Detached
from .errors import ProviderError
from .preparation import Prepared

Item = Delta | Detached | Completion
Judge = Callable[[ProviderError | None], None]

# asyncio itself keeps weak references to its tasks.
_listening: set["asyncio.Task[None]"] = set()


@dataclass(frozen=True, slots=True)
class Hedge:
	"""When a second provider is asked.

	Args:
		second: the second provider with its question.
		after_s: how many seconds the first may be silent before.
		first_token_s: how long the first is listened to, if `judge` is to be told the outcome.
		judge: is told how the first has fared after the second has won: None if it answered, or its error. It runs on
			a thread of its own. If it is None, the connection to the first is closed as soon as the second answers.
	"""

	second: Prepared
	after_s: float
	first_token_s: float
	judge: Judge | None = None


class Race:
	"""A question for two providers. The loop writes what becomes of it. The caller reads that once a chunk has come.

	Args:
		first: the first provider with its question.
		hedge: when the second is asked.
	"""

	def __init__(self, first: Prepared, hedge: Hedge) -> None:
		self.providers = (first, hedge.second)
		self.hedge = hedge
		self.both_asked = False
		self.winner: Prepared | None = None
		self.errors: dict[int, ProviderError] = {}
		self.names = dict(first.names)
		"""The provider whose answer is read, for the sentences of errors."""

	def won_by(self, number: int) -> None:
		self.winner = self.providers[number]
		self.names.update(self.winner.names)

	@property
	def hung_up_on(self) -> Prepared | None:
		"""The provider that was asked and was still silent when the other one answered, or at a cancel."""
		winner = self.winner or self.providers[0]
		for number, prepared in enumerate(self.providers):
			if self.both_asked and prepared is not winner and number not in self.errors:
				return prepared
		return None

	@property
	def second_error(self) -> ProviderError | None:
		"""Why the second provider did not answer, if neither of the two did."""
		if not self.both_asked or self.winner:
			return None
		return self.errors.get(1) or first_token(self.hedge.second, self.hedge.first_token_s)


async def answers(race: Race) -> AsyncGenerator[Item, None]:
	"""Yields the answer of the provider that is the first to send something.

	Raises what the first provider raises if none of them sends anything, and later what the winner raises.
	"""
	streams = [_stream(race, 0)]
	waiting = {_next(streams[0]): 0}
	listened_to: AsyncGenerator[Item, None] | None = None
	try:
		done, _pending = await asyncio.wait(waiting, timeout=race.hedge.after_s)
		if not done:
			race.both_asked = True
			streams.append(_stream(race, 1))
			waiting[_next(streams[1])] = 1
		item = await _first_item(race, waiting)
		for task, number in list(waiting.items()):
			if number == 0 and race.hedge.judge:
				del waiting[task]
				listening = asyncio.create_task(_listen(task, streams[0], race))
				_listening.add(listening)
				listened_to = streams[0]
				listening.add_done_callback(_listening.discard)
			else:
				task.cancel()
		yield item
		winner = streams[race.providers.index(race.winner)]
		async for item in winner:
			yield item
	finally:
		for task in waiting:
			task.cancel()
		await asyncio.gather(*waiting, return_exceptions=True)
		for stream in streams:
			if stream is not listened_to:
				await stream.aclose()


def _stream(race: Race, number: int) -> AsyncGenerator[Item, None]:
	prepared = race.providers[number]
	return adapters.answer(prepared.provider, prepared.ask)


def _next(stream: AsyncGenerator[Item, None]) -> "asyncio.Future[Item]":
	return asyncio.ensure_future(anext(stream))


async def _first_item(race: Race, waiting: "dict[asyncio.Future[Item], int]") -> Item:
	"""Returns the first item of any stream, and removes its task and those that failed from `waiting`."""
	while waiting:
		done, _pending = await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
		for task in sorted(done, key=lambda task: waiting[task]):
			number = waiting.pop(task)
			if (error := task.exception()) is None:
				race.won_by(number)
				return task.result()
			if not isinstance(error, ProviderError):
				raise error
			race.errors[number] = error
	raise race.errors[0].with_traceback(None)


async def _listen(task: "asyncio.Future[Item]", stream: AsyncGenerator[Item, None], race: Race) -> None:
	"""Waits for the first item of a stream whose answer is not needed any more, and tells how that went."""
	error: BaseException | None = None
	try:
		await asyncio.wait_for(task, max(0.0, race.hedge.first_token_s - race.hedge.after_s))
	except asyncio.TimeoutError:
		error = first_token(race.providers[0], race.hedge.first_token_s)
	except Exception as failure:
		error = failure
	await stream.aclose()
	if race.hedge.judge and (error is None or isinstance(error, ProviderError)):
		await asyncio.to_thread(race.hedge.judge, error)


def first_token(prepared: Prepared, seconds: float) -> ProviderError:
	"""Returns the error of a provider that sent nothing for so long."""
	return ProviderError("first_token", seconds=f"{seconds:g}", **prepared.names)
