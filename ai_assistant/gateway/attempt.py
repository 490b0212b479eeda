"""Asks one provider once, and reads its answer on the caller's thread."""

import time
from collections.abc import Iterator
from contextlib import nullcontext
from dataclasses import dataclass
from itertools import groupby

from . import adapters, hedging, tracing
from .assembly import Assembly
from .bridge import Bridge, Cancel
from .chunks import Chunk, Completion, Detached, Reasoning, Text, Tick
from .errors import ProviderError
from .failures import error_of_adapter
from .timing import Pacing, Timeouts


@dataclass(frozen=True, slots=True)
class Run:
	"""What all attempts at one question have in common.

	Args:
		deadline: when the last of them ends, by `time.monotonic()`.
		max_chars: the most characters of an answer.
		trace: the span of the request, None if the process exports no spans.
	"""

	cancel: Cancel
	pacing: Pacing
	timeouts: Timeouts
	deadline: float
	max_chars: int
	trace: tracing.Trace | None = None


class AttemptFailed(Exception):
	"""An attempt's failure.

	Args:
		is_final: whether no other provider may be asked: part of an answer has been given, or the time is up.
		race: who was asked.

	`failures` lists the providers that failed, each with its error. If a provider was hung up on, `error` names it.
	"""

	def __init__(self, error: ProviderError, is_final: bool, race: hedging.Race) -> None:
		self.error = error
		self.is_final = is_final
		self.race = race
		self.failures = race.failures(error)
		if race.winner:
			error.hung_up_on = race.hung_up_on


def chunks_of(race: hedging.Race, run: Run, span: tracing.AttemptSpan | None) -> Iterator[Chunk]:
	"""Yields the answer of one provider, ended by a Completion.

	Args:
		race: the provider with its question, and when a second one is asked as well.
		run: what all attempts have in common.
		span: the span of this attempt, if the process exports spans.

	Raises AttemptFailed, after all that the provider had sent.
	"""
	first = race.first
	if run.cancel.requested:
		yield _ended("cancelled", race)
		return
	if refusal := first.refusal():
		raise AttemptFailed(refusal, False, race)
	ask = first.ask
	assembly = Assembly(run.max_chars, ask.uses_tools, ask.stream_tool_calls or ask.report_tool_calls)
	with span.current() if span else nullcontext():
		answers = hedging.answers(race, race.hedge) if race.hedge else adapters.answer(first.provider, ask)
		bridge = Bridge(answers, run.pacing.once_asked)
	run.cancel.on_ask(bridge.wake)
	try:
		for received in _received(bridge, assembly, run, race):
			if isinstance(received, Tick | Detached):
				yield received
			elif isinstance(received, Completion):
				yield from assembly.end(is_cut=received.finish_reason == "length")
				yield assembly.completed(received)
				return
			else:
				yield from assembly.add(received)
				if assembly.is_full:
					yield _ended("length", race)
					return
		yield from assembly.end(is_cut=True)
		yield _ended("cancelled", race)
	except Exception as error:
		failure = error_of_adapter(error, race.names)
		yield from assembly.end(is_cut=True)
		raise AttemptFailed(failure, assembly.begun or failure.kind == "total", race) from None
	finally:
		run.cancel.on_ask(None)
		bridge.close()


def _ended(finish_reason: str, race: hedging.Race) -> Completion:
	return Completion(finish_reason, race.names["provider"], race.names["model"])


def wait(seconds: float, run: Run) -> Iterator[Tick]:
	"""Waits, and gives the caller its turns meanwhile. Ends at a cancel."""
	until = time.monotonic() + seconds
	while (left := until - time.monotonic()) > 0 and not run.cancel.requested:
		time.sleep(min(left, run.pacing.wait_s(), 0.1))
		yield Tick()


def _received(
	bridge: "Bridge[hedging.Item]", assembly: Assembly, run: Run, race: hedging.Race
) -> Iterator[hedging.Item | Tick]:
	"""Yields what the provider sends, and a Tick when the caller wants its turn. Ends on a cancel.

	Raises ProviderError `timeout` for a silence that is too long and at the deadline, and what the adapter raises.
	"""
	is_last = False
	while not is_last:
		kind, seconds = _silence_limit(assembly, run.timeouts)
		now = time.monotonic()
		# The last read does not wait; it takes what has arrived. Each round checks whether it is the last one, because a
		# provider that is faster than its reader always has something ready.
		is_last = run.cancel.requested or now >= run.deadline
		wait_s = (
			0.0 if is_last else min(run.pacing.wait_s(), bridge.heard + seconds - now, run.deadline - now)
		)
		received = bridge.take(wait_s, run.pacing.gathers())
		if not received and not is_last:
			# `heard` is read again: something may have come since.
			if time.monotonic() >= bridge.heard + seconds:
				raise ProviderError(kind, seconds=f"{seconds:g}", **race.names)
			yield Tick()
		while received and not run.pacing.gathers():
			yield received.pop(0)
		# After a chunk or two the caller may want the other chunks joined to one.
		yield from _joined(received)
	if not run.cancel.requested:
		raise ProviderError("total", seconds=f"{run.timeouts.total_s:g}", **race.names)


def _silence_limit(assembly: Assembly, timeouts: Timeouts) -> tuple[str, float]:
	"""Returns the kind of error that a silence is at this point, and how many seconds it may last."""
	if not assembly.begun:
		return "first_token", timeouts.first_token_s
	if assembly.is_thinking:
		return "thinking_idle", timeouts.thinking_idle_s
	return "idle", timeouts.idle_s


def _joined(received: list[hedging.Item]) -> Iterator[hedging.Item]:
	"""Joins neighbours that are both Reasoning or both Text."""
	for kind, neighbours in groupby(received, type):
		if kind in (Reasoning, Text):
			yield kind("".join([delta.text for delta in neighbours]))  # type: ignore[union-attr]
		else:
			yield from neighbours
