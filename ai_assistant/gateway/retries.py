"""Decides which providers may still be asked after one has failed, and how long the app waits before it asks one again."""

import random

from .chunks import Provider
from .errors import ProviderError
from .health import HUNG, OF_THE_KEY

# The longest wait before the first and the second retry is this many seconds, and twice as many. A provider that asks
# for a longer one is not asked again.
RETRY_S, MAX_RETRY_AFTER_S = 0.5, 5.0
Candidate = tuple[Provider, str]
"""A provider with one key, and the model for which it is asked."""


def without(waiting: list[Candidate], provider: Provider, error: ProviderError) -> list[Candidate]:
	"""Returns those that may still be asked after a provider has failed."""
	if error.kind in OF_THE_KEY:
		return [one for one in waiting if one[0] != provider]
	# Another key of the same provider fails the same way.
	return [one for one in waiting if one[0].name != provider.name]


def may_succeed_later(error: ProviderError) -> bool:
	"""Whether the same question may succeed in a moment. A provider that hung is not asked again."""
	return error.retryable and error.kind not in HUNG and (error.retry_after or 0) <= MAX_RETRY_AFTER_S


def wait_s(retried: int, error: ProviderError) -> float:
	"""Returns how many seconds to wait before the next retry.

	Args:
		retried: how many retries there were.
		error: the error of the provider that is asked again.
	"""
	return max(random.uniform(0, RETRY_S * 2**retried), error.retry_after or 0)
