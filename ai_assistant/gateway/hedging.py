"""Hedging: if the first provider is silent, a second one gets the same question. The gateway uses the answer that
begins first.

The connection to the other provider is closed at once. A provider that is tried again after a rest is hedged, too, and so
is one whose other chats also wait for their first chunk. The app reads from it until its first chunk, because only that
shows whether it must rest.
"""

import asyncio
from collections.abc import AsyncGenerator, Callable, Sequence
from dataclasses import dataclass, replace

from . import adapters
from .assembly import Delta
from .chunks import Attempt, Completion, Detached
from .errors import ProviderError
from .failures import error_of_adapter
from .preparation import Prepared

Item = Delta | Detached | Completion
Judge = Callable[[ProviderError | None], None]

# asyncio itself keeps weak references to its tasks.
_listening: set["asyncio.Task[None]"] = set()


@dataclass(frozen=True, slots=True)
class Hedge:
	"""When a second provider is asked. `second`, `judge` and `doubts` run on threads of their own.

	Args:
		second: prepares the question for a second provider. It returns None if no other provider can be asked.
		after_s: how many seconds the first may be silent before; None for any number.
		doubts_after_s: how many seconds the first may be silent before `doubts` is called.
		doubts: whether the second is asked at once.
		is_probe: whether the first is asked to find out if it answers again.
		first_token_s: how long the first may be silent at all.
		judge: is called after the second has won, if the first is a probe or was doubted: with None if the first
			answers, or with its error. The connection to any other first is closed when the second answers.
	"""

	second: Callable[[], Prepared | None]
	after_s: float | None
	doubts_after_s: float
	doubts: Callable[[], bool]
	is_probe: bool
	first_token_s: float
	judge: Judge


class Race:
	"""A question for one provider or two. The loop writes what becomes of it. The caller reads that once a chunk has come.

	Args:
		first: the first provider with its question.
		hedge: when the second is asked; None if there is none.
	"""

	def __init__(self, first: Prepared, hedge: Hedge | None) -> None:
		self.first = first
		self.providers = [first]
		"""The providers that were asked."""
		self.hedge = hedge
		self.is_judged = hedge is not None and hedge.is_probe
		self.winner: Prepared | None = None
		"""Who has answered first, if two were to be asked."""
		self.errors: dict[int, ProviderError] = {}

	@property
	def _silent(self) -> list[Prepared]:
		"""The providers that have neither answered nor failed."""
		return [
			one for n, one in enumerate(self.providers) if one is not self.winner and n not in self.errors
		]

	@property
	def leader(self) -> Prepared:
		"""The winner. Before there is one: the first of those that are still silent."""
		return self.winner or next(iter(self._silent), self.first)

	@property
	def names(self) -> dict[str, str]:
		"""The leader and its model, for the sentences of errors."""
		return self.leader.names

	@property
	def loser(self) -> Prepared | None:
		"""The provider that was asked and was still silent when the other one answered, or at a cancel."""
		return next((one for one in self._silent if one is not self.leader), None)

	@property
	def has_first_lost(self) -> bool:
		"""Whether the second provider has answered while the first one was silent."""
		return self.winner is not None and self.loser is self.first

	@property
	def hung_up_on(self) -> tuple[str, str] | None:
		"""The provider and the model that lost, and whose answer is paid all the same.

		A loser that is asked again is paid twice. Only its last answer is counted.
		"""
		loser = self.loser
		return (loser.provider.name, loser.ask.model) if loser else None

	def failures(self, error: ProviderError | None = None) -> list[tuple[Prepared, ProviderError]]:
		"""Returns the providers that have failed, in the order in which they were asked, each with its error.

		Args:
			error: the error that ended the attempt, if one did. It is that of the winner. Without a winner it is that of
				all providers that were still silent. A provider that lost was hung up on, and has not failed.
		"""
		failed: list[tuple[Prepared, ProviderError]] = []
		for number, prepared in enumerate(self.providers):
			if own := self.errors.get(number):
				failed.append((prepared, own))
			elif error and self.winner in (None, prepared):
				failed.append((prepared, error))
		return failed

	def completed(self, completion: Completion, earlier: Sequence[Attempt]) -> Completion:
		"""Returns the provider's completion with what is known of the question and of all attempts at it."""
		prepared = self.leader
		return replace(
			completion,
			attempts=(*earlier, *(failed.failed(error) for failed, error in self.failures())),
			effort=prepared.effort,
			key=prepared.provider.key_label,
			trimmed=prepared.trimmed,
			hung_up_on=self.hung_up_on,
		)


async def answers(race: Race, hedge: Hedge) -> AsyncGenerator[Item, None]:
	"""Yields the answer of the provider that is the first to send something.

	Raises what the first provider raises if none of them sends anything, and later what the winner raises.
	"""
	until = asyncio.get_running_loop().time() + hedge.first_token_s
	streams = [adapters.answer(race.first.provider, race.first.ask)]
	waiting = {_next(streams[0]): 0}
	listened_to: AsyncGenerator[Item, None] | None = None
	try:
		if await _is_silent(race, hedge, waiting) and (second := await asyncio.to_thread(hedge.second)):
			race.providers.append(second)
			streams.append(adapters.answer(second.provider, second.ask))
			waiting[_next(streams[1])] = 1
		item = await _first_item(race, waiting)
		for task, number in list(waiting.items()):
			if number == 0 and race.is_judged:
				del waiting[task]
				listening = asyncio.create_task(_listen(task, streams[0], race.first, hedge, until))
				_listening.add(listening)
				listened_to = streams[0]
				listening.add_done_callback(_listening.discard)
			else:
				task.cancel()
		yield item
		async for item in streams[0 if race.winner is race.first else 1]:
			yield item
	finally:
		for task in waiting:
			task.cancel()
		await asyncio.gather(*waiting, return_exceptions=True)
		for stream in streams:
			if stream is not listened_to:
				await stream.aclose()


async def _is_silent(race: Race, hedge: Hedge, waiting: "dict[asyncio.Future[Item], int]") -> bool:
	"""Waits until the second provider is to be asked. Returns False if the first ends its silence before."""
	rest_s = hedge.after_s
	if rest_s is None or rest_s > hedge.doubts_after_s:
		done, _pending = await asyncio.wait(waiting, timeout=hedge.doubts_after_s)
		if done:
			return False
		if await asyncio.to_thread(hedge.doubts):
			race.is_judged = True
			return True
		rest_s = rest_s and rest_s - hedge.doubts_after_s
	done, _pending = await asyncio.wait(waiting, timeout=rest_s)
	return not done


def _next(stream: AsyncGenerator[Item, None]) -> "asyncio.Future[Item]":
	return asyncio.ensure_future(anext(stream))


async def _first_item(race: Race, waiting: "dict[asyncio.Future[Item], int]") -> Item:
	"""Returns the first item of any stream, and removes its task and those that failed from `waiting`."""
	while waiting:
		done, _pending = await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
		for task in sorted(done, key=lambda task: waiting[task]):
			number = waiting.pop(task)
			prepared = race.providers[number]
			if (error := task.exception()) is None:
				race.winner = prepared
				return task.result()
			race.errors[number] = error_of_adapter(error, prepared.names)
	raise race.errors[0].with_traceback(None)


async def _listen(
	task: "asyncio.Future[Item]",
	stream: AsyncGenerator[Item, None],
	first: Prepared,
	hedge: Hedge,
	until: float,
) -> None:
	"""Waits for the first item of a stream whose answer is not needed any more, and tells how that went.

	`until` is a time of the loop.
	"""
	error: ProviderError | None = None
	try:
		await asyncio.wait_for(task, max(0.0, until - asyncio.get_running_loop().time()))
	except asyncio.TimeoutError:
		error = first_token(first, hedge.first_token_s)
	except Exception as failure:
		error = error_of_adapter(failure, first.names)
	await stream.aclose()
	await asyncio.to_thread(hedge.judge, error)


def first_token(prepared: Prepared, seconds: float) -> ProviderError:
	"""Returns the error of a provider that sent nothing for so long."""
	return ProviderError("first_token", seconds=f"{seconds:g}", **prepared.names)
