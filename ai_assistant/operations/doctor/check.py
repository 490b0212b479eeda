"""Checks and how they are made: one after the other, each with a deadline, none whose ground has already given way."""

import contextvars
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

DEADLINE_S = 10.0


class Ill(Exception):
	"""What a check has found wrong: what was `seen`, and the `remedy`, a sentence each."""

	def __init__(self, seen: str, remedy: str) -> None:
		super().__init__(seen)
		self.seen, self.remedy = seen, remedy


def counted(number: int, noun: str) -> str:
	"""The number with its noun: 1 worker, 2 workers."""
	return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


@dataclass(frozen=True)
class Finding:
	"""What a check came to; `ok` is None where it was not made, because another has failed that it needs."""

	name: str
	ok: bool | None
	seen: str
	remedy: str = ""


@dataclass(frozen=True)
class Check:
	"""One thing to look at. Called, it gives its Finding and never raises; on the thread it is called on."""

	name: str
	look: Callable[[], str]
	"""Gives what it saw where all is well, in a few words; raises Ill where it is not."""
	needs: tuple[str, ...] = ()
	"""The checks without which this one would only repeat their complaint."""
	deadline_s: float = DEADLINE_S
	then: Callable[[], "Iterable[Check]"] = field(default=tuple)
	"""The checks that can be named only once this one has found all well."""

	def __call__(self) -> Finding:
		try:
			return Finding(self.name, True, self.look())
		except Ill as found:
			return Finding(self.name, False, found.seen, found.remedy)
		except Exception as error:
			# Its words may be a provider's, or hold a key.
			return Finding(
				self.name, False, f"the check ended with {type(error).__name__}", "Look into the logs."
			)


def examine(checks: Iterable[Check], begins: Callable[[str], None] = lambda name: None) -> Iterator[Finding]:
	"""Makes the checks in their order; `begins` is told the name of each that is about to be made.

	What is still looking at its deadline is left behind: its thread ends with the process.
	"""
	waiting, well = list(checks), set[str]()
	while waiting:
		check = waiting.pop(0)
		if missing := [name for name in check.needs if name not in well]:
			yield Finding(check.name, None, f"not checked (needs {', '.join(missing)})")
			continue
		begins(check.name)
		finding = _by_deadline(check)
		if finding.ok:
			well.add(check.name)
			waiting[:0] = check.then()
		yield finding


def _by_deadline(check: Check) -> Finding:
	found: list[Finding] = []
	# With the caller's `frappe.local`: its site and its connection to the database, which nobody else uses meanwhile.
	context = contextvars.copy_context()

	def look() -> Any:
		found.append(context.run(check))

	thread = threading.Thread(target=look, name=f"ai-assistant-{check.name}", daemon=True)
	started = time.monotonic()
	thread.start()
	thread.join(check.deadline_s)
	if found:
		return found[0]
	seconds = f"{time.monotonic() - started:.0f} s"
	return Finding(
		check.name, False, f"no answer within {seconds}", "It hangs: restart it, and look at its log."
	)
