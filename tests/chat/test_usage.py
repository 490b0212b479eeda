"""Tests the usage of a request as clients get it."""

import json

import pytest

from ai_assistant.chat.usage import rounded
from ai_assistant.gateway import Usage


@pytest.mark.parametrize(
	("cost", "expected"), [(None, "null"), (0, "0.0"), (0.1 + 0.2, "0.3"), (1.23456789012e-05, "1.2346e-05")]
)
def test_a_cost_has_as_many_decimal_places_as_its_column(cost: float | None, expected: str) -> None:
	usage = rounded(Usage(3, 0, 0, 3, cost_usd=cost))
	assert (json.dumps(usage["cost_usd"]), usage["estimated"], usage["cached_tokens"]) == (expected, False, 0)
