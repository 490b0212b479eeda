"""How a chat looks in a terminal: a counting indicator, dim reasoning and a plain answer."""

import json
import threading
import time
from collections.abc import Iterable, Mapping
from typing import Any, Protocol

from rich.console import Console, Group
from rich.live import Live
from rich.text import Text

from ai_assistant.printing import printable, printable_text
from ai_assistant.realtime.event import STATUS

INDICATOR = "💡 Thinking {}s"
CALL = "🔧 {name} {arguments}"
SITE_CALL = "🗂 {name} {arguments} → {outcome}"
# The newest lines of the reasoning are above the indicator.
LINES_OF_REASONING = 8


class Answer:
	"""The text of an answer on the screen. A tool call has its own line, which grows while the model writes the call."""

	def __init__(self) -> None:
		# The id of the call that is being drawn. Of calls that are written at the same time, the others are drawn whole.
		self._drawn: str | None = None

	def shown(self, event: Mapping[str, Any]) -> str:
		"""Returns the text that an event adds."""
		kind, call_id = event["type"], event.get("id")
		if kind == "tool_call_start":
			if self._drawn is not None:
				return ""
			self._drawn = call_id
			return printable_text("\n" + CALL.format(name=event["name"], arguments=""))
		if kind == "tool_call_delta" and call_id != self._drawn:
			return ""
		if kind == "tool_call" and self._drawn is not None and call_id == self._drawn:
			self._drawn = None
			return "\n"
		if kind in ("tool_call", "tool_approval"):
			return printable_text(f"\n{CALL.format_map(event)}\n")
		if kind == "tool_result":
			return printable_text(f"\n{SITE_CALL.format_map(event)}\n")
		return printable_text(event["text"])


class View(Protocol):
	"""Shows the events of one chat."""

	def show(self, event: dict[str, Any]) -> None:
		"""Show the next event."""

	def close(self) -> None:
		"""End the thinking on the screen. The answer begins, or the chat has ended."""


class Drawn:
	"""For a terminal: the indicator counts in place and disappears when the answer begins."""

	def __init__(self, console: Console) -> None:
		self._console = console
		self._reasoning = ""
		self._started = time.monotonic()
		self._live: Live | None = None
		self._note = ""
		self._answer = Answer()

	def show(self, event: dict[str, Any]) -> None:
		kind = event["type"]
		if kind == "reasoning":
			if not self._live and not event["text"]:
				self._started = time.monotonic()
				self._live = Live(console=self._console, get_renderable=self._thinking, transient=True)
				self._live.start()
			self._reasoning += printable_text(event["text"])
		elif kind == STATUS:
			if event["phase"] == "fallback":
				self._note = f" ({event['failed']} failed, asking {event['provider']})"
			elif event["phase"] == "calling":
				self._note = f" (writing a call of {event['name']}, {event['characters']} characters)"
			elif event["phase"] == "tool":
				self._note = f" (the site runs {event['name']})"
		else:
			self.close()
			text, end = self._answer.shown(event), "\n" if kind == "completion" else ""
			self._console.print(text, end=end, markup=False, highlight=False, soft_wrap=True)

	def _thinking(self) -> Group:
		# It is drawn four times a second. So wrap only the part that may be visible, from the beginning of a line.
		begin = self._reasoning.rfind("\n", 0, -LINES_OF_REASONING * self._console.width) + 1
		lines = Text(self._reasoning[begin:], style="dim").wrap(self._console, self._console.width)
		seconds = int(time.monotonic() - self._started)
		return Group(*lines[-LINES_OF_REASONING:], Text(printable(INDICATOR.format(seconds) + self._note)))

	def close(self) -> None:
		live, self._live = self._live, None
		if not live:
			return
		live.stop()
		if self._reasoning:
			self._console.print(Text(self._reasoning.strip(), style="dim"))
			seconds = time.monotonic() - self._started
			self._console.print(Text(f"💡 Thought for {seconds:.1f}s", style="dim italic"))
			self._console.print()


class Plain:
	"""For a file or a pipe: a line a second while the model thinks, then the reasoning, then the answer."""

	def __init__(self, console: Console) -> None:
		self._file = console.file
		self._reasoning = ""
		self._answer = Answer()
		self._thinking_ended = threading.Event()
		self._counter: threading.Thread | None = None

	def show(self, event: dict[str, Any]) -> None:
		kind = event["type"]
		if kind == "reasoning":
			self._reasoning += printable_text(event["text"])
			if not self._counter:
				self._counter = threading.Thread(target=self._count, daemon=True)
				self._counter.start()
		elif kind != STATUS:
			self.close()
			self._print(self._answer.shown(event), end="\n" if kind == "completion" else "")

	def _count(self) -> None:
		seconds = 0
		self._print(INDICATOR.format(seconds))
		while not self._thinking_ended.wait(1):
			seconds += 1
			self._print(INDICATOR.format(seconds))

	def close(self) -> None:
		if self._thinking_ended.is_set():
			return
		self._thinking_ended.set()
		if self._counter:
			self._counter.join()
		if self._reasoning:
			self._print(f"── reasoning ──\n{self._reasoning.strip()}\n── answer ──")

	def _print(self, text: str, end: str = "\n") -> None:
		# rich would turn tabs into spaces.
		print(text, end=end, file=self._file, flush=True)


class Json:
	"""For a program: one event a line."""

	def show(self, event: dict[str, Any]) -> None:
		# json.dumps writes ASCII, which every terminal and pipe accepts.
		print(json.dumps(event), flush=True)

	def close(self) -> None:
		"""Do nothing: every event is printed at once."""


def view_for(console: Console, as_json: bool) -> View:
	"""The view that suits the console."""
	if as_json:
		return Json()
	return Drawn(console) if console.is_terminal else Plain(console)


def show_all(view: View, events: Iterable[dict[str, Any]]) -> list[dict[str, Any]]:
	"""Show events as they come, and return those with a `seq`."""
	numbered: list[dict[str, Any]] = []
	try:
		for event in events:
			view.show(event)
			if event["type"] != STATUS:
				numbered.append(event)
	finally:
		view.close()
	return numbered
