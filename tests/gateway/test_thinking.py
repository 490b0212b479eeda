"""Thinking between tags: found however the stream is cut, shown as it comes, never made up."""

import re

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from ai_assistant.gateway import Reasoning, Text
from ai_assistant.gateway.thinking import ThinkSplitter

FRAGMENTS = [
	*("<think>", "</think>", "<thinking>", "</thinking>", "<", ">", "/", "<thin", "ing>", "</", "think"),
	*(" ", "\n\n", "\t", "\u00a0", "a", "a < b", "<thinker>", "<THINK>", "```", "é", "💡"),
]
texts = st.lists(st.sampled_from(FRAGMENTS) | st.text(max_size=5), max_size=20).map("".join)


@st.composite
def texts_in_deltas(draw: st.DrawFn) -> list[str]:
	text = draw(texts)
	cuts = sorted(draw(st.lists(st.integers(0, len(text)), max_size=12)))
	return [text[a:b] for a, b in zip([0, *cuts], [*cuts, len(text)], strict=True) if a < b]


def split(*deltas: str) -> tuple[str, str]:
	"""The joined reasoning and the joined text of an answer that comes in these deltas."""
	splitter = ThinkSplitter()
	pieces = [piece for delta in deltas for piece in splitter.feed(delta)] + splitter.end()
	assert all(piece.text for piece in pieces), "a delta is never empty"
	kinds = [type(piece) for piece in pieces]
	assert Reasoning not in kinds or Text not in kinds[: kinds.index(Reasoning)], "thinking comes first"
	return (
		"".join(piece.text for piece in pieces if isinstance(piece, Reasoning)),
		"".join(piece.text for piece in pieces if isinstance(piece, Text)),
	)


def by_the_rules(text: str) -> tuple[str, str]:
	"""The rules of the module's docstring once more, for a text that lies there whole."""
	reasoning, opened = "", False
	while block := re.match(r"\s*<(think|thinking)>\s*", text):
		thought, closing, rest = text[block.end() :].partition(f"</{block[1]}>")
		reasoning, opened = reasoning + thought, True
		if not closing:
			return reasoning, ""
		text = rest
	return reasoning, text.lstrip() if opened else text


@given(texts_in_deltas())
@example(["<think", "ing>a</think", "ing>b"])
@example([" <think> </think> ", " "])
def test_it_makes_no_difference_where_a_stream_is_cut(deltas: list[str]) -> None:
	whole = "".join(deltas)
	assert split(*deltas) == split(whole) == split(*whole)


@given(texts)
@example("<thinking>a</think></thinking>b")
def test_what_is_thinking_follows_the_rules(text: str) -> None:
	assert split(text) == by_the_rules(text)


@given(texts_in_deltas().filter(lambda deltas: not re.search("<think(ing)?>", "".join(deltas))))
def test_an_answer_without_tags_keeps_every_character(deltas: list[str]) -> None:
	assert split(*deltas) == ("", "".join(deltas))


@given(texts)
def test_at_most_ten_characters_are_held_back_besides_white_space(text: str) -> None:
	for end in range(len(text) + 1):
		splitter = ThinkSplitter()
		splitter.feed(text[:end])
		held = "".join(piece.text for piece in splitter.end())
		assert len(held.strip()) <= 10


def test_thinking_is_shown_while_its_end_has_not_come() -> None:
	splitter = ThinkSplitter()
	assert splitter.feed("<think>") == []
	assert splitter.feed("The user") == [Reasoning("The user")]
	assert splitter.feed(" wants") == [Reasoning(" wants")]
	assert splitter.feed(" 1 </thin") == [Reasoning(" 1 ")]
	assert splitter.feed("g") == [Reasoning("</thing")]
	assert splitter.feed("</think>4") == [Text("4")]
	assert splitter.feed("2") == [Text("2")]


HARD_CASES = {
	"thinking and an answer": ("<think>a</think>b", "a", "b"),
	"the other tag": ("<thinking>a</thinking>b", "a", "b"),
	"a look-alike that is cut short": ("<thin ice", "", "<thin ice"),
	"a look-alike that goes on": ("<thinker>a</thinker>", "", "<thinker>a</thinker>"),
	"a comparison": ("a < b and b > c", "", "a < b and b > c"),
	"a comparison inside thinking": ("<think>a < b, c </d</think>e", "a < b, c </d", "e"),
	"a tag in upper case": ("<THINK>a</THINK>b", "", "<THINK>a</THINK>b"),
	"a tag with an attribute": ("<think a=1>b", "", "<think a=1>b"),
	"a tag with a space": ("< think>a", "", "< think>a"),
	"a closing tag without an opening one": ("a</think>b", "", "a</think>b"),
	"a closing tag at the very beginning": ("</think>a", "", "</think>a"),
	"the end inside an opening tag": ("<thi", "", "<thi"),
	"the end inside the longer opening tag": (" <thinkin", "", " <thinkin"),
	"the end inside thinking": ("<think>a b", "a b", ""),
	"the end inside a closing tag": ("<think>a</thin", "a</thin", ""),
	"the end right after the opening tag": ("<think>", "", ""),
	"the end inside a second tag": ("<think>a</think> <thi", "a", "<thi"),
	"a tag after the answer has begun": ("a <think>b</think>", "", "a <think>b</think>"),
	"tags in a code block later on": (
		"<think>a</think>```\n<think>x</think>\n```",
		"a",
		"```\n<think>x</think>\n```",
	),
	"tags in a code block at the beginning": ("```\n<think>x</think>", "", "```\n<think>x</think>"),
	"several blocks": ("<think>a</think>\n<thinking>b</thinking>\n\n<think>c</think>d", "abc", "d"),
	"a tag inside the thinking": ("<think>a<think>b</think>c</think>", "a<think>b", "c</think>"),
	"the wrong closing tag": ("<think>a</thinking>b", "a</thinking>b", ""),
	"the wrong closing tag, then the right one": ("<thinking>a</think>b</thinking>c", "a</think>b", "c"),
	"empty thinking": ("<think></think>a", "", "a"),
	"thinking of white space": ("<think>\n\n</think>\n\na", "", "a"),
	"nothing but white space": (" \n", "", " \n"),
	"nothing": ("", "", ""),
	"white space around the tags": ("\n <think>\n a \n</think>\n\n b \n", "a \n", "b \n"),
	"white space before an answer without tags": ("\n\n a", "", "\n\n a"),
	"white space after thinking, and no answer": ("<think>a</think> \n", "a", ""),
	"white space of other scripts": ("\u3000<think>\u2003a</think>\u00a0b", "a", "b"),
	"a closing tag that begins twice": ("<think>a</</think>b", "a</", "b"),
}


@pytest.mark.parametrize(("answer", "reasoning", "text"), HARD_CASES.values(), ids=HARD_CASES)
def test_a_hard_case_is_decided_the_same_at_every_cut(answer: str, reasoning: str, text: str) -> None:
	assert split(answer) == (reasoning, text)
	assert split(*answer) == (reasoning, text)
	for cut in range(len(answer)):
		assert split(answer[:cut], answer[cut:]) == (reasoning, text)
