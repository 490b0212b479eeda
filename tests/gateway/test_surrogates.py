"""Characters that a provider cut in two."""

import re

from hypothesis import example, given
from hypothesis import strategies as st

from ai_assistant.gateway.surrogates import SurrogateJoiner

code_units = st.integers(0, 0xFFFF).map(chr) | st.sampled_from("a\ud83d\udca1\ufeff\ufffd\ud800\udfff")


def units(text: str) -> str:
	"""A text as the UTF-16 code units that \\uXXXX escapes name, one character each."""
	encoded = text.encode("utf-16-le", "surrogatepass")
	return "".join(chr(encoded[n] | encoded[n + 1] << 8) for n in range(0, len(encoded), 2))


@st.composite
def in_deltas(draw: st.DrawFn, text: st.SearchStrategy[str]) -> list[str]:
	written = draw(text)
	cuts = sorted(draw(st.lists(st.integers(0, len(written)), max_size=10)))
	return [written[a:b] for a, b in zip([0, *cuts], [*cuts, len(written)], strict=True)]


def joined(deltas: list[str]) -> list[str]:
	joiner = SurrogateJoiner()
	return [joiner.join(delta) for delta in deltas] + [joiner.end()]


@given(in_deltas(st.text(st.characters(codec="utf-8") | st.sampled_from("💡🇺🇳😀\U0010ffff")).map(units)))
@example(["\ud83d", "\udca1"])
@example(["", "a\ud83d", "", "\udca1b"])
@example(["\ufeffa\ud83d", "\udca1"])
def test_a_text_cut_anywhere_between_its_code_units_comes_whole(deltas: list[str]) -> None:
	original = "".join(deltas).encode("utf-16-le", "surrogatepass").decode("utf-16-le")
	assert "".join(joined(deltas)) == original


@given(in_deltas(st.lists(code_units).map("".join)))
@example(["\ud83d", "a"])
@example(["\ud83d\ud83d", "\udca1\udca1"])
@example(["\udca1\ud83d"])
def test_half_a_character_that_stays_alone_is_replaced(deltas: list[str]) -> None:
	pairs_joined = re.sub(
		"([\ud800-\udbff])([\udc00-\udfff])",
		lambda pair: chr(0x10000 + (ord(pair[1]) - 0xD800 << 10) + ord(pair[2]) - 0xDC00),
		"".join(deltas),
	)
	assert "".join(joined(deltas)) == re.sub("[\ud800-\udfff]", "\ufffd", pairs_joined)


@given(in_deltas(st.lists(code_units).map("".join)))
def test_whatever_comes_out_can_be_stored_and_sent(deltas: list[str]) -> None:
	for delta in joined(deltas):
		assert delta.encode("utf-8").decode("utf-8") == delta


@given(st.lists(st.text()))
def test_a_delta_without_halves_is_not_kept_waiting(deltas: list[str]) -> None:
	assert joined(deltas) == [*deltas, ""]
