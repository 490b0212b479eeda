"""Tests which values have the same fingerprint."""

import json
from itertools import combinations
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ai_assistant.chat.fingerprint import fingerprint_of

LEAVES = (
	st.none()
	| st.booleans()
	| st.integers()
	| st.floats(allow_nan=False)
	| st.text(st.characters(codec="utf-8"))
)
VALUES = st.recursive(
	LEAVES, lambda inner: st.lists(inner) | st.dictionaries(st.text(st.characters(codec="utf-8")), inner)
)


def reordered(value: Any) -> Any:
	"""Returns the value with the names of each object in the opposite order."""
	if isinstance(value, dict):
		return {name: reordered(value[name]) for name in reversed(value)}
	return [reordered(item) for item in value] if isinstance(value, list) else value


@given(VALUES, VALUES)
def test_two_values_have_the_same_fingerprint_if_their_json_is_the_same(one: Any, other: Any) -> None:
	def text(value: Any) -> str:
		return json.dumps(value, sort_keys=True)

	assert fingerprint_of(reordered(one)) == fingerprint_of(one)
	assert (fingerprint_of(one) == fingerprint_of(other)) == (text(one) == text(other))


@pytest.mark.parametrize(
	"alike",
	[
		[["ab", "c"], ["a", "bc"], ["abc"], "abc", [["ab"], "c"], ["ab", ["c"]], {"ab": "c"}, {"a": "bc"}],
		[1, 1.0, True, "1", "True", [1], None, "null", "None", 0, False, -1, 11, [1, 1]],
		[{}, [], "", None, 0, {"": ""}, {"": None}, [""], [[]], [{}], "d0:", "l0:", "s0:", "None;"],
		["s1:a", {"s1": "a"}, "a", ["s1:", "a"], "d1:s1:a", ["as", "b"], ["a", "sb"]],
	],
)
def test_values_that_look_alike_have_other_fingerprints(alike: list[Any]) -> None:
	for one, other in combinations(alike, 2):
		assert fingerprint_of(one) != fingerprint_of(other), (one, other)
