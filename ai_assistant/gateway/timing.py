"""The time limits of a stream, and how often its caller gets a Tick: a chunk without content, which gives the caller a turn
while the provider sends nothing."""

from collections.abc import Callable
from dataclasses import dataclass

from .field_types import Amount


@dataclass(frozen=True, slots=True)
class Timeouts:
	"""The seconds until a provider's first chunk, between two chunks, and for all attempts together.

	While the model thinks, `thinking_idle_s` is the limit between two chunks.
	"""

	first_token_s: Amount = 60
	thinking_idle_s: Amount = 120
	idle_s: Amount = 60
	total_s: Amount = 110


@dataclass(frozen=True, slots=True)
class Pacing:
	"""When the caller of a stream wants its turn. The default is once a second, and each chunk at once.

	Args:
		wait_s: gives the seconds that the caller can wait for a chunk. After them it gets a Tick.
		gathers: tells whether chunks of one kind may be held until then and given as one. Each turn of the caller costs
			time, so that one turn for many chunks is cheaper.
		once_asked: whether the caller also gets a Tick when the provider is asked, so that it works while the provider
			answers.
	"""

	wait_s: Callable[[], float] = lambda: 1.0
	gathers: Callable[[], bool] = lambda: False
	once_asked: bool = False
