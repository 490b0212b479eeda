"""Whether a provider takes its key and answers, found out by asking it."""

import time

from .chunks import Provider, Reasoning, Text, Timeouts
from .gateway import Gateway

QUESTION = [{"role": "user", "content": "Answer with the one word hello."}]
TIMEOUTS = Timeouts(first_token_s=20, idle_s=20, total_s=30)


def first_chunk_ms(provider: Provider) -> int | None:
	"""How long a provider takes to the first word of a short answer, in ms; None where it says none.

	It is hung up on then. Raises ProviderError.
	"""
	began = time.monotonic()
	for chunk in Gateway([provider], TIMEOUTS, retries=0).stream_generate(QUESTION):
		if isinstance(chunk, Reasoning | Text):
			return round((time.monotonic() - began) * 1000)
	return None
