"""Tests what the caller of one attempt gets of what has arrived together."""

import math
from itertools import islice
from typing import Any

from ai_assistant.gateway import Cancel, Pacing, Text, Timeouts, attempt
from ai_assistant.gateway.assembly import Assembly
from ai_assistant.gateway.attempt import Run


def test_a_caller_that_gathers_after_the_first_chunk_gets_the_rest_of_a_burst_as_one() -> None:
	class Burst:
		heard = math.inf

		def take(self, timeout: float, gathers: bool = False) -> list[Text]:
			return [Text("a"), Text("b"), Text("c"), Text("d")]

	taken: list[object] = []
	pacing = Pacing(gathers=lambda: bool(taken))
	run = Run(Cancel(), pacing, Timeouts(), math.inf, 100)
	burst: Any = Burst()
	for chunk in islice(attempt._received(burst, Assembly(100, False), run, {}), 2):
		taken.append(chunk)
	assert taken == [Text("a"), Text("bcd")]
