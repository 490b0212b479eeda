"""The usage of an answer, in tokens and in US dollars."""

import math
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from .field_types import Amount, Count

MAX_TOKENS = 2**31 - 1
# The bytes in UTF-8 for each token. This is about right for English, Cyrillic and Chinese.
BYTES_PER_TOKEN = 4
MILLION = 1_000_000
# The names in litellm's list, in US dollars a token, by the field of a price.
LISTED = {
	"input_cost_per_token": "input",
	"output_cost_per_token": "output",
	"output_cost_per_reasoning_token": "reasoning",
	"input_cost_per_token_cache_hit": "cache_read",
	"cache_read_input_token_cost": "cache_read",
	"cache_creation_input_token_cost": "cache_write",
	"cache_creation_input_token_cost_above_1hr": "cache_write_1h",
}
LISTED_KEY = re.compile(
	rf"({'|'.join(sorted(LISTED, reverse=True))})(?:_above_(\d+)(k?)_tokens)?(?:_(flex|priority))?"
)


@dataclass(frozen=True, slots=True)
class Usage:
	"""The tokens that a provider counts for an answer. They are `estimated` if it counts none.

	`prompt_tokens` include those read from the provider's cache (`cached_tokens`) and those written to it
	(`cache_write_tokens`); `completion_tokens` include `reasoning_tokens`. `cost_usd` is None where no price is known.
	"""

	prompt_tokens: int
	completion_tokens: int
	reasoning_tokens: int
	total_tokens: int
	cost_usd: float | None = None
	estimated: bool = False
	cached_tokens: int = 0
	cache_write_tokens: int = 0

	def __add__(self, other: "Usage") -> "Usage":
		"""Returns the usage of two answers together. Its cost is None if one of the costs is unknown."""
		costs = (self.cost_usd, other.cost_usd)
		return Usage(
			prompt_tokens=tokens(self.prompt_tokens + other.prompt_tokens),
			completion_tokens=tokens(self.completion_tokens + other.completion_tokens),
			reasoning_tokens=tokens(self.reasoning_tokens + other.reasoning_tokens),
			total_tokens=tokens(self.total_tokens + other.total_tokens),
			cost_usd=None if None in costs else sum(cost for cost in costs if cost is not None),
			estimated=self.estimated or other.estimated,
			cached_tokens=tokens(self.cached_tokens + other.cached_tokens),
			cache_write_tokens=tokens(self.cache_write_tokens + other.cache_write_tokens),
		)


def tokens(count: Any) -> int:
	"""Returns a provider's count, limited to 0 to MAX_TOKENS, so that it can be stored; 0 if it is not a number."""
	return max(0, min(count, MAX_TOKENS)) if isinstance(count, int) else 0


def estimated_tokens(size: int) -> int:
	"""Estimates the tokens in a text of `size` bytes."""
	return tokens(math.ceil(size / BYTES_PER_TOKEN))


@dataclass(frozen=True, slots=True)
class Tier:
	"""Prices that replace those of a Price for prompts above a length, in a service tier, or both.

	A price that is None is not replaced. Prices are in US dollars a million tokens.
	"""

	above_tokens: Count = 0
	service_tier: str | None = None
	input: Amount | None = None
	output: Amount | None = None
	cache_read: Amount | None = None
	cache_write: Amount | None = None
	cache_write_1h: Amount | None = None


@dataclass(frozen=True, slots=True)
class Price:
	"""What a model costs, in US dollars a million tokens.

	Tokens read from the cache or written to it cost as much as `input` where they have no price of their own, those
	written for an hour as much as those written for 5 minutes, and those of the reasoning as much as `output`.
	"""

	input: Amount
	output: Amount
	cache_read: Amount | None = None
	cache_write: Amount | None = None
	cache_write_1h: Amount | None = None
	reasoning: Amount | None = None
	tiers: tuple[Tier, ...] = ()

	def cost_usd(self, usage: Usage, hour_tokens: int = 0, service_tier: str | None = None) -> float:
		"""Returns the cost of an answer.

		Args:
			usage: the tokens of the answer.
			hour_tokens: how many of its `cache_write_tokens` are kept for an hour.
			service_tier: the provider's word for it, as `flex` or `priority`.
		"""
		applying = [
			tier
			for tier in self.tiers
			if usage.prompt_tokens > tier.above_tokens and tier.service_tier in (None, service_tier)
		]
		# The last tier that applies counts: those for a service tier come last, and longer prompts after shorter
		# ones.
		applying.sort(key=lambda tier: (tier.service_tier is not None, tier.above_tokens))

		def rate(name: str, default: float = 0.0) -> float:
			prices: list[float | None] = [getattr(place, name) for place in (*reversed(applying), self)]
			return next((price for price in prices if price is not None), default)

		prompt, output = rate("input"), rate("output")
		written = rate("cache_write", prompt)
		# A tier has no price of its own for the reasoning.
		reasoning = output if self.reasoning is None or output != self.output else self.reasoning
		hour_tokens = min(hour_tokens, usage.cache_write_tokens)
		plain = max(0, usage.prompt_tokens - usage.cached_tokens - usage.cache_write_tokens)
		answer = max(0, usage.completion_tokens - usage.reasoning_tokens)
		total = (
			plain * prompt
			+ usage.cached_tokens * rate("cache_read", prompt)
			+ (usage.cache_write_tokens - hour_tokens) * written
			+ hour_tokens * rate("cache_write_1h", written)
			+ answer * output
			+ min(usage.reasoning_tokens, usage.completion_tokens) * reasoning
		)
		return total / MILLION


def listed_price(entry: Mapping[str, Any]) -> Price | None:
	"""Returns the price of a model in litellm's list; None where the entry names no price for input or output."""
	prices: dict[tuple[int, str | None], dict[str, float]] = {}
	for above, service_tier, name, dollars in _listed(entry):
		prices.setdefault((above, service_tier), {}).setdefault(name, dollars * MILLION)
	base = prices.pop((0, None), {})
	if "input" not in base or "output" not in base:
		return None
	tiers = (
		# A tier has no price of its own for the reasoning.
		Tier(above, service_tier, **{name: price for name, price in own.items() if name != "reasoning"})
		for (above, service_tier), own in prices.items()
	)
	return Price(**base, tiers=tuple(tiers))


def _listed(entry: Mapping[str, Any]) -> Iterator[tuple[int, str | None, str, float]]:
	"""Yields the prices of an entry: above how many tokens, in which service tier, the field, and US dollars a token."""
	for part in entry.get("tiered_pricing") or ():
		for key, name in LISTED.items():
			if key in part and "range" in part:
				yield int(part["range"][0]), None, name, part[key]
	for key, dollars in entry.items():
		if (match := LISTED_KEY.fullmatch(key)) and isinstance(dollars, int | float):
			kind, number, thousand, service_tier = match.groups()
			above = int(number) * (1000 if thousand else 1) if number else 0
			yield above, service_tier, LISTED[kind], float(dollars)
