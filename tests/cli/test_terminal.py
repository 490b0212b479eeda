"""The screen of a terminal during a chat."""

import io
import re
import time
from typing import Any

import pyte
import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console
from rich.text import Text

from ai_assistant.cli.terminal import LINES_OF_REASONING, Drawn, show_all
from ai_assistant.realtime.event import STATUS

WIDTH, HEIGHT = 60, 20


class Terminal:
	"""A terminal that the view draws on. `lines` is its visible screen."""

	def __init__(self) -> None:
		self.screen = pyte.Screen(WIDTH, HEIGHT)
		self.screen.set_mode(pyte.modes.LNM)
		self._stream = pyte.Stream(self.screen)
		self._written = io.StringIO()
		self.console = Console(
			file=self._written, force_terminal=True, width=WIDTH, height=HEIGHT, highlight=False
		)

	@property
	def lines(self) -> list[str]:
		text = self._written.getvalue()
		self._written.truncate(0)
		self._written.seek(0)
		self._stream.feed(text)
		return [line.rstrip() for line in self.screen.display if line.strip()]


def event(kind: str, text: str = "", **more: Any) -> dict[str, Any]:
	return {"type": kind, "text": text, **more}


def _drawn(terminal: Terminal, line: str) -> list[str]:
	"""The screen as soon as it shows a line. The view draws from a thread of its own."""
	deadline = time.monotonic() + 20
	while time.monotonic() < deadline:
		lines = terminal.lines
		if any(re.fullmatch(line, drawn) for drawn in lines):
			return lines
		time.sleep(0.01)
	raise AssertionError(f"{line!r} never showed: {terminal.lines}")


def test_the_name_of_a_tool_cannot_control_the_terminal() -> None:
	terminal = Terminal()
	view = Drawn(terminal.console)
	view.show(event("reasoning"))
	view.show(event(STATUS, phase="calling", name="\x1b[2Jgone", characters=1))
	_drawn(terminal, r"💡 Thinking \ds \(writing a call of \\x1b\[2Jgone, 1 characters\)")
	view.close()


def test_the_indicator_counts_with_the_reasoning_above_it_and_goes_away_with_the_answer() -> None:
	terminal = Terminal()
	view = Drawn(terminal.console)
	view.show(event("reasoning"))
	_drawn(terminal, "💡 Thinking 0s")
	view.show(event("reasoning", "Let me see."))
	lines = _drawn(terminal, "💡 Thinking 1s")
	assert lines[-2:] == ["Let me see.", "💡 Thinking 1s"]
	view.show(event("text", "It is [so]"))
	view.show(event("text", " and so."))
	view.show(event("completion"))
	lines = terminal.lines
	assert [line for line in lines if "Thinking" in line] == []
	assert lines[0] == "Let me see."
	assert re.fullmatch(r"💡 Thought for 1\.\ds", lines[1])
	assert lines[2:] == ["It is [so] and so."]


@given(st.lists(st.text("ab 思\n", max_size=200), max_size=20).map("".join))
def test_of_a_long_reasoning_the_end_is_drawn_as_if_it_were_all(reasoning: str) -> None:
	console = Console(file=io.StringIO(), width=10)
	view = Drawn(console)
	view._reasoning = reasoning
	*lines, _indicator = view._thinking().renderables
	assert lines == list(Text(reasoning, style="dim").wrap(console, 10))[-LINES_OF_REASONING:]


def test_a_tool_call_ends_the_thinking_and_stands_on_a_line_of_its_own() -> None:
	terminal = Terminal()
	view = Drawn(terminal.console)
	view.show(event("reasoning"))
	view.show(event("reasoning", "Hm."))
	view.show(event("text", "Let me look."))
	for zone in ("UTC", "[b]CET\x1b[2J"):
		view.show(event("tool_call", name="clock", arguments=f'{{"zone": "{zone}"}}'))
	view.show(event("completion"))
	lines = terminal.lines
	assert lines[2:] == ["Let me look.", '🔧 clock {"zone": "UTC"}', '🔧 clock {"zone": "[b]CET[2J"}']


def test_of_a_long_reasoning_the_newest_lines_are_shown() -> None:
	terminal = Terminal()
	view = Drawn(terminal.console)
	view.show(event("reasoning"))
	view.show(event("reasoning", "\n".join(f"line {n}" for n in range(100))))
	lines = _drawn(terminal, "line 99")
	assert "line 91" not in lines and "line 92" in lines
	view.close()


def test_a_provider_that_failed_is_named_beside_the_indicator() -> None:
	terminal = Terminal()
	view = Drawn(terminal.console)
	view.show(event("reasoning"))
	view.show({"type": "ai_status", "phase": "fallback", "failed": "one", "provider": "two"})
	_drawn(terminal, r"💡 Thinking \ds \(one failed, asking two\)")
	view.close()


@pytest.mark.parametrize("ending", [[], [event("completion")]])
def test_the_indicator_goes_away_however_the_chat_ends(ending: list[dict[str, Any]]) -> None:
	terminal = Terminal()
	seen = show_all(
		Drawn(terminal.console), [event("reasoning"), event("ai_status", phase="thinking"), *ending]
	)
	assert len(seen) == 1 + len(ending)
	assert terminal.lines == []


def test_a_call_grows_on_its_line_while_the_model_writes_it() -> None:
	terminal = Terminal()
	view = Drawn(terminal.console)
	view.show(event("tool_call_start", id="c1", name="clock"))
	view.show(event("tool_call_delta", '{"zone": ', id="c1"))
	assert terminal.lines == ['🔧 clock {"zone":']
	view.show(event("tool_call_start", id="c2", name="weather"))
	view.show(event("tool_call_delta", "{", id="c2"))
	view.show(event("tool_call_delta", '"UTC"}', id="c1"))
	view.show(event("tool_call", id="c1", name="clock", arguments='{"zone": "UTC"}'))
	view.show(event("tool_call", id="c2", name="weather", arguments="{}"))
	view.show(event("completion"))
	assert terminal.lines == ['🔧 clock {"zone": "UTC"}', "🔧 weather {}"]
