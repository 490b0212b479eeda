"""Tests what the caller of one attempt gets of what has arrived together."""

import math
from itertools import islice
from typing import Any

import pytest

from ai_assistant.gateway import Cancel, Pacing, Text, Timeouts, attempt
from ai_assistant.gateway.assembly import Assembly
from ai_assistant.gateway.attempt import Run


@pytest.mark.parametrize(
	("gathers_after", "given"),
	[(0, ["abcd"]), (1, ["a", "bcd"]), (2, ["a", "b", "cd"]), (9, ["a", "b", "c", "d"])],
)
def test_a_caller_gets_the_rest_of_a_burst_as_one_once_it_gathers(
	gathers_after: int, given: list[str]
) -> None:
	class Burst:
		heard = math.inf

		def take(self, timeout: float, gathers: bool = False) -> list[Text]:
			return [Text("a"), Text("b"), Text("c"), Text("d")]

	taken: list[object] = []
	pacing = Pacing(gathers=lambda: len(taken) >= gathers_after)
	run = Run(Cancel(), pacing, Timeouts(), math.inf, 100)
	burst: Any = Burst()
	for chunk in islice(attempt._received(burst, Assembly(100, False), run, burst), len(given)):
		taken.append(chunk)
	assert taken == [Text(text) for text in given]
