"""Asks the providers of a site, in order, and yields one stream of typed chunks whoever answers."""

import logging
import sys
import time
from collections.abc import AsyncGenerator, Callable, Iterator, Sequence
from dataclasses import replace
from itertools import groupby
from typing import Any

from . import models
from .adapters import anthropic, gemini, ollama, openai_chat, openai_responses
from .adapters.litellm import chat
from .bridge import Bridge, Cancel
from .chunks import (
	Ask,
	Attempt,
	Chunk,
	Completion,
	Fallback,
	Provider,
	Reasoning,
	Text,
	Tick,
	Timeouts,
	ToolCall,
)
from .efforts import nearest
from .errors import ProviderError
from .models import takes_tools
from .sse import ProtocolError
from .surrogates import SurrogateJoiner
from .thinking import ThinkSplitter
from .tool_calls import ToolCalls, ToolPiece
from .usage import Usage, estimated_tokens

Delta = Reasoning | Text | ToolPiece

# By the name of the API; the others are asked through litellm, which a process imports for them alone.
ADAPTERS: dict[str, Callable[[Provider, Ask], AsyncGenerator[Delta | Completion, None]]] = {
	**dict.fromkeys(openai_chat.APIS, openai_chat.answer),
	"anthropic": anthropic.answer,
	"gemini": gemini.answer,
	"ollama": ollama.answer,
	"ollama_chat": ollama.answer,
	"openai_responses": openai_responses.answer,
}


class Gateway:
	"""The providers of a site. It knows no Frappe: it can be used from any thread of any program.

	>>> gateway = Gateway(
	...     [Provider("local", "openai", "none", "smollm2", api_base="http://127.0.0.1:8080/v1")]
	... )
	>>> for chunk in gateway.stream_generate([{"role": "user", "content": "Hi"}]):
	...     print(chunk)
	"""

	def __init__(
		self,
		providers: Sequence[Provider],
		timeouts: Timeouts | None = None,
		max_chars: int = sys.maxsize,
	) -> None:
		"""`providers` are asked in the order of their `priority`, of their names where that is equal.

		An answer is cut after `max_chars` characters, reasoning, text and tool calls together: its finish_reason is `length`
		then, and the provider is hung up on.
		"""
		self.providers = sorted(providers, key=lambda p: (p.priority, p.name))
		self.timeouts = timeouts or Timeouts()
		self.max_chars = max_chars

	def stream_generate(
		self,
		messages: list[dict[str, Any]],
		preferred_provider: str | None = None,
		model: str | None = None,
		temperature: float | None = None,
		max_tokens: int | None = None,
		reasoning_effort: str | None = None,
		*,
		tools: list[dict[str, Any]] | None = None,
		tool_choice: str | dict[str, Any] | None = None,
		cancel: Cancel | None = None,
		patience: Callable[[], float] = lambda: 1.0,
		gathers: Callable[[], bool] = lambda: False,
	) -> Iterator[Chunk]:
		"""A generator of Reasoning, Text, ToolCall, Tick and Fallback, ended by one Completion.

		`messages`, `tools` and `tool_choice` are as in the OpenAI chat API; an assistant's message may hold the
		`continuation` of the Completion it came with. Without tools in any of them there is none in the answer.

		`preferred_provider` is asked first, `model` is asked of the
		first provider in order that allows it; the others are asked for their default model. A provider that
		fails before its first chunk is followed by the next; after it the failure is final.

		`patience()` gives the seconds the caller can wait for a chunk before it wants its turn (a Tick).
		While `gathers()` is true, deltas of one kind are held until then and given as one: many cost one turn.
		`cancel()` from any thread, or closing the generator, hangs up on the provider in whatever phase; a
		cancel still gives a Completion, with finish_reason `cancelled`.

		Raises ProviderError. What came before it has been yielded whole.
		"""
		ask = Ask(
			messages,
			"",
			temperature,
			max_tokens,
			reasoning_effort,
			tools=tools,
			tool_choice=tool_choice,
		)
		route = self.route(preferred_provider, model)
		yield from self._ask(ask, route, cancel or Cancel(), patience, gathers)

	def route(self, preferred_provider: str | None, model: str | None) -> list[tuple[Provider, str]]:
		"""Who is asked for which model, in order. Raises ProviderError `not_configured` for nobody."""
		if not self.providers:
			raise ProviderError("none")
		order = sorted(self.providers, key=lambda p: p.name != preferred_provider)
		if model and not preferred_provider:
			order.sort(key=lambda p: not p.allows(model))
		first = order[0]
		return [(first, model or first.default_model)] + [(p, p.default_model) for p in order[1:]]

	def estimate(
		self, provider: str | None, model: str | None, prompt: int, reasoning: int, text: int
	) -> Usage:
		"""What an answer has used where nobody has said so, from the bytes that were sent and that came.

		`provider` and `model` are who answered, as far as it is known, or whom it was asked of.
		"""
		sent, thought, said = map(estimated_tokens, (prompt, reasoning, text))
		usage = Usage(sent, thought + said, thought, sent + thought + said, estimated=True)
		if not self.providers:
			return usage
		return models.priced(usage, *self.route(provider, model)[0])

	def _ask(
		self,
		ask: Ask,
		route: list[tuple[Provider, str]],
		cancel: Cancel,
		patience: Callable[[], float],
		gathers: Callable[[], bool],
	) -> Iterator[Chunk]:
		deadline = time.monotonic() + self.timeouts.total_s
		attempts: list[Attempt] = []
		errors: list[ProviderError] = []
		final = False
		for n, (provider, model) in enumerate(route):
			try:
				effort = ask.reasoning_effort and nearest(ask.reasoning_effort, provider.api, model)
				asked = replace(ask, model=model, reasoning_effort=effort)
				for chunk in self._attempt(provider, asked, cancel, patience, gathers, deadline):
					if isinstance(chunk, Completion):
						replaced = effort if effort != ask.reasoning_effort else None
						chunk = replace(chunk, attempts=tuple(attempts), effort=replaced)
					yield chunk
				return
			except _Failed as failed:
				errors.append(failed.error)
				attempts.append(Attempt(provider.name, model, failed.error.code))
				final = failed.final
			if final:
				break
			if n + 1 < len(route):
				yield Fallback(attempts[-1], route[n + 1][0].name, route[n + 1][1])
		# Where everybody failed, the one that was meant to answer says why; a failure that ended it all says so itself.
		error = errors[-1] if final else errors[0]
		error.attempts = tuple(attempts)
		raise error

	def _attempt(
		self,
		provider: Provider,
		ask: Ask,
		cancel: Cancel,
		patience: Callable[[], float],
		gathers: Callable[[], bool],
		deadline: float,
	) -> Iterator[Chunk]:
		"""One provider's answer. Raises _Failed; everything it had sent is yielded first."""
		if cancel.asked:
			yield Completion("cancelled", provider.name, ask.model)
			return
		names = {"provider": provider.name, "model": ask.model}
		if ask.tools and takes_tools(provider, ask.model) is False:
			raise _Failed(ProviderError("no_tools", **names), final=False)
		bridge = Bridge(_answer(provider, ask))
		deltas, room, uncalled = _Deltas(), self.max_chars, False
		limits = self.timeouts
		cancel.on_ask(bridge.wake)
		try:
			ends = False
			while not ends:
				silence = deltas.silence(limits)
				silent_until = bridge.heard + silence[1]
				now = time.monotonic()
				# Once more then, without waiting: what has come by now is given. Asked each time, and not only where nothing
				# has come: of a provider faster than its reader there always is something.
				ends = cancel.asked or now >= deadline
				waits = 0.0 if ends else min(patience(), silent_until - now, deadline - now)
				together = gathers()
				chunks = bridge.take(waits, together)
				if not chunks and not ends:
					# Asked anew: something may just have come.
					if time.monotonic() >= bridge.heard + silence[1]:
						raise ProviderError(silence[0], seconds=f"{silence[1]:g}", **names)
					yield Tick()
				for chunk in _joined(chunks) if together else chunks:
					if isinstance(chunk, Completion):
						yield from deltas.end()
						unshown = "only_unknown_calls" if uncalled else chunk.unshown
						if unshown and not (deltas.answered or deltas.calls):
							raise ProviderError(unshown, **names)
						if not deltas.calls:
							# Only a call makes the provider wait for us, and go on: one that nobody asked for is none.
							ended = "stop" if chunk.finish_reason == "tool_calls" else chunk.finish_reason
							chunk = replace(chunk, finish_reason=ended, continuation=None)
						elif chunk.finish_reason == "stop":
							# Some say so after a call, too.
							chunk = replace(chunk, finish_reason="tool_calls")
						yield chunk
						return
					if isinstance(chunk, ToolPiece):
						if not ask.uses_tools:
							uncalled = True
							continue
						room -= chunk.size
						if room < 0:
							yield from deltas.calls.end()
							yield Completion("length", provider.name, ask.model)
							return
					for delta in deltas.whole(chunk):
						if isinstance(delta, ToolCall):
							yield delta
							continue
						if len(delta.text) > room:
							if room:
								yield replace(delta, text=delta.text[:room])
							yield from deltas.calls.end()
							yield Completion("length", provider.name, ask.model)
							return
						room -= len(delta.text)
						yield delta
			if not cancel.asked:
				raise ProviderError("total", seconds=f"{limits.total_s:g}", **names)
			yield from deltas.end()
			yield Completion("cancelled", provider.name, ask.model)
		except Exception as error:
			failure = error if isinstance(error, ProviderError) else _unforeseen(error, names)
			# litellm's exception, with the provider's body and the key in it, ends here.
			failure.__context__ = None
			yield from deltas.end()
			raise _Failed(failure, final=deltas.begun or failure.kind == "total") from None
		finally:
			cancel.on_ask(None)
			bridge.close()


def apis() -> tuple[str, ...]:
	"""What a Provider's `api` may be: our own adapters and litellm's, and each of litellm's by `litellm/` too.

	Nothing where litellm's cannot be known: then any may be.
	"""
	theirs = sorted(models.apis())
	if not theirs:
		return ()
	names = sorted({"openai_responses", *openai_chat.APIS, *theirs})
	return (*names, *(f"litellm/{name}" for name in theirs))


def _answer(provider: Provider, ask: Ask) -> AsyncGenerator[Delta | Completion, None]:
	"""The answer of the adapter that speaks the provider's API. `litellm/NAME` is litellm's NAME."""
	if adapter := ADAPTERS.get(provider.api):
		return adapter(provider, ask)
	return chat.answer(replace(provider, api=provider.api.removeprefix("litellm/")), ask)


def _joined(chunks: list[Delta | Completion]) -> Iterator[Delta | Completion]:
	"""The same with neighbours of one kind in one."""
	for kind, alike in groupby(chunks, type):
		if kind in (Reasoning, Text):
			yield kind("".join(chunk.text for chunk in alike))  # type: ignore[union-attr]
		else:
			yield from alike


def _unforeseen(error: Exception, names: dict[str, str]) -> ProviderError:
	"""A defect in an adapter. Its name is logged and its words are not: they may be the provider's."""
	if isinstance(error, ProtocolError):
		return ProviderError("junk", **names)
	logging.getLogger(__name__).error("an adapter raised %s", type(error).__name__)
	return ProviderError("reported", **names)


class _Failed(Exception):
	"""An attempt's failure, and whether it ends the request: after the first chunk, or when time is up."""

	def __init__(self, error: ProviderError, final: bool) -> None:
		self.error = error
		self.final = final


class _Deltas:
	"""One provider's deltas made whole: surrogates joined, thinking taken out of the text, tool calls assembled."""

	def __init__(self) -> None:
		self.begun = self.answered = False
		self.calls = ToolCalls()
		self._thinks = False
		self._joiners = {Reasoning: SurrogateJoiner(), Text: SurrogateJoiner()}
		self._splitter: ThinkSplitter | None = ThinkSplitter()

	def silence(self, limits: Timeouts) -> tuple[str, float]:
		"""What a silence after these deltas is called, and the seconds that it may last."""
		if not self.begun:
			return "first_token", limits.first_token_s
		return ("thinking_idle", limits.thinking_idle_s) if self._thinks else ("idle", limits.idle_s)

	def whole(self, delta: Delta) -> Iterator[Reasoning | Text | ToolCall]:
		if isinstance(delta, ToolPiece):
			if self._splitter:
				# What may still become a tag was said before the call.
				yield from self._splitter.end()
			self.begun, self._thinks = True, False
			yield from self.calls.add(delta)
			return
		kind = type(delta)
		text = self._joiners[kind].join(delta.text)
		if not text:
			return
		if kind is Reasoning:
			if self._splitter and not self.begun:
				# A provider that has a field for its reasoning puts none between tags.
				yield from self._end_of_tags()
			self.begun = self._thinks = True
			yield Reasoning(text)
		else:
			yield from self._text(text)

	def end(self) -> Iterator[Reasoning | Text | ToolCall]:
		if rest := self._joiners[Reasoning].end():
			self.begun = True
			yield Reasoning(rest)
		if rest := self._joiners[Text].end():
			yield from self._text(rest)
		yield from self._end_of_tags()
		yield from self.calls.end()

	def _text(self, text: str) -> Iterator[Reasoning | Text]:
		pieces: list[Reasoning | Text] = self._splitter.feed(text) if self._splitter else [Text(text)]
		self.begun = self.begun or bool(pieces)
		if pieces:
			self._thinks = isinstance(pieces[-1], Reasoning)
			self.answered = self.answered or any(isinstance(piece, Text) for piece in pieces)
		yield from pieces

	def _end_of_tags(self) -> Iterator[Reasoning | Text]:
		if self._splitter:
			rest, self._splitter = self._splitter.end(), None
			self.begun = self.begun or bool(rest)
			self.answered = self.answered or any(isinstance(piece, Text) for piece in rest)
			yield from rest
