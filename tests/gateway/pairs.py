"""Two providers that play the steps of a plan, and a health that lists what is recorded of them."""

import asyncio
from collections.abc import AsyncGenerator
from dataclasses import dataclass, field

from ai_assistant.gateway import Cancel, Completion, Provider, ProviderError
from ai_assistant.gateway.chunks import Ask
from ai_assistant.gateway.health import Health, LocalState
from ai_assistant.gateway.hedging import Item

# A step of an answer: an item, a failure, seconds of silence, the cancel of the chat, or the name of an event. The stream
# waits for `name`, and sets `+name`.
Step = Item | Exception | float | Cancel | str


def failure(kind: str, provider: str, **values: object) -> ProviderError:
	return ProviderError(kind, provider=provider, model=f"m-{provider}", **values)


def ended(provider: str, **fields: str) -> Completion:
	return Completion("stop", provider, f"m-{provider}", **fields)


@dataclass
class Plan:
	"""Plays the steps of each provider, once for each time that it is asked."""

	steps: dict[str, list[list[Step]]] = field(default_factory=dict)
	asked: list[str] = field(default_factory=list)
	events: dict[str, asyncio.Event] = field(default_factory=dict)

	async def answer(self, provider: Provider, ask: Ask) -> AsyncGenerator[Item, None]:
		self.asked.append(provider.name)
		for step in self.steps[provider.name].pop(0):
			if isinstance(step, Exception):
				raise step
			if isinstance(step, float):
				await asyncio.sleep(step)
			elif isinstance(step, Cancel):
				step()
			elif isinstance(step, str):
				event = self.events.setdefault(step.removeprefix("+"), asyncio.Event())
				if step.startswith("+"):
					event.set()
				else:
					await event.wait()
			else:
				yield step


class Recorded(Health):
	"""A health that also lists what was recorded of each provider."""

	def __init__(self) -> None:
		super().__init__(LocalState())
		self.failures: list[tuple[str, str]] = []
		self.answered: list[str] = []
		self.told_nothing: list[str] = []

	def failed(self, provider: Provider, error: ProviderError) -> None:
		super().failed(provider, error)
		self.failures.append((provider.name, error.kind))

	def succeeded(self, provider: Provider, model: str = "", first_s: float = 0.0) -> None:
		super().succeeded(provider, model, first_s)
		self.answered.append(provider.name)

	def undecided(self, provider: Provider) -> None:
		super().undecided(provider)
		self.told_nothing.append(provider.name)
