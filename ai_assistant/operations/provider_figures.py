"""The figures of each provider and key: how often it was asked lately, how it answered, and whether it rests.

Desk and the doctor show them.
"""

import math
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from ai_assistant import store
from ai_assistant.chat import provider_health
from ai_assistant.config.settings import load
from ai_assistant.gateway.health import Rest

DAY_S = 86_400
# The newest requests that are read.
MAX_ROWS = 20_000

KeyName = tuple[str, str]
"""The name of a provider and the label of its key. The label of a provider's only key is empty."""


@dataclass
class KeyFigures:
	"""The figures of a key.

	Args:
		asked: how often the key was used.
		failed: how often the provider failed, by the code of the error.
		prompt_tokens: the tokens of the prompts that were answered.
		cached_tokens: those that the provider read from its cache.
		first_chunk_ms: from acceptance to the first reasoning or text, of each request that was asked once.
		rest: why the key rests and until when, None if it does not.
	"""

	asked: int = 0
	failed: Counter[str] = field(default_factory=Counter)
	prompt_tokens: int = 0
	cached_tokens: int = 0
	first_chunk_ms: list[int] = field(default_factory=list)
	rest: Rest | None = None

	@property
	def cached_percent(self) -> float | None:
		"""The share of the prompts that came from the cache, None without a prompt."""
		return 100 * self.cached_tokens / self.prompt_tokens if self.prompt_tokens else None

	def percentile_ms(self, percent: int) -> int | None:
		"""Returns a percentile of the times to the first chunk, None without one."""
		return percentile(self.first_chunk_ms, percent)


def of_site(seconds: float = DAY_S) -> dict[KeyName, KeyFigures]:
	"""Returns the figures of the configured providers and keys, and of others that were asked within so many seconds.

	Raises:
		store.StoreUnavailable: The store cannot be reached.
	"""
	current = store.current()
	rows = current.ended(current.now() - seconds, MAX_ROWS)
	figures = of_rows(rows)
	for name, rest in provider_health.state_of(load().providers).items():
		figures.setdefault(name, KeyFigures()).rest = rest
	return dict(sorted(figures.items()))


def of_rows(rows: Iterable[store.Row]) -> dict[KeyName, KeyFigures]:
	"""Returns the figures of ended requests."""
	figures: dict[KeyName, KeyFigures] = {}
	for row in rows:
		failures = row["attempts"] or []
		for failure in failures:
			of_key = figures.setdefault((failure["provider"], failure.get("key") or ""), KeyFigures())
			of_key.asked += 1
			of_key.failed[failure["error"]] += 1
		if row["status"] == "failed" or not row["provider"]:
			continue
		of_key = figures.setdefault((row["provider"], row.get("key_label") or ""), KeyFigures())
		of_key.asked += 1
		usage = row["usage"] or {}
		of_key.prompt_tokens += usage.get("prompt_tokens") or 0
		of_key.cached_tokens += usage.get("cached_tokens") or 0
		of_key.first_chunk_ms += first_chunk_ms(row)
	return figures


def first_chunk_ms(row: store.Row) -> Iterator[int]:
	"""Yields the milliseconds to the first reasoning or text, unless the time of a failed attempt is in it."""
	timing = row["timing"] or {}
	times = [timing[name] for name in ("first_reasoning_ms", "first_text_ms") if timing.get(name) is not None]
	if times and not row["attempts"]:
		yield min(times)


def percentile(values: Iterable[int], percent: int) -> int | None:
	"""Returns the value that `percent` of 100 values do not exceed, None without values."""
	ordered = sorted(values)
	return ordered[math.ceil(percent / 100 * len(ordered)) - 1] if ordered else None
