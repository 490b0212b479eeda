"""Tests a provider by a short question."""

import time

from .chunks import Provider, Reasoning, Text
from .gateway import Gateway
from .timing import Timeouts

QUESTION = [{"role": "user", "content": "Answer with the one word hello."}]
TIMEOUTS = Timeouts(first_token_s=20, idle_s=20, total_s=30)


def first_chunk_ms(provider: Provider) -> int | None:
	"""Returns the milliseconds until the first chunk of a short answer; None if the answer is empty.

	The connection is closed after that chunk. Raises ProviderError.
	"""
	began = time.monotonic()
	for chunk in Gateway([provider], TIMEOUTS, retries=0).stream_generate(QUESTION):
		if isinstance(chunk, Reasoning | Text):
			return round((time.monotonic() - began) * 1000)
	return None
