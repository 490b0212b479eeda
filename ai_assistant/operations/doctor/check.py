"""The type of a check of the doctor. Checks run one after the other, each with a deadline."""

import contextvars
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from urllib.parse import urlsplit

DEADLINE_S = 10.0


class CheckFailed(Exception):
	"""A check has found something wrong.

	Args:
		finding: What is wrong, as part of a sentence.
		remedy: What the reader can do about it, one or two sentences.
	"""

	def __init__(self, finding: str, remedy: str) -> None:
		super().__init__(finding)
		self.finding, self.remedy = finding, remedy


@dataclass(frozen=True)
class CheckResult:
	"""The outcome of a check. `ok` is None if it was skipped because a check that it needs has failed."""

	name: str
	ok: bool | None
	finding: str
	remedy: str = ""


@dataclass(frozen=True)
class Check:
	"""One check of the doctor.

	Attributes:
		name: What is checked, as the doctor prints it.
		look: Returns a short finding if all is well, and raises CheckFailed otherwise.
		needs: Names of the checks that must pass first. Otherwise this one would only repeat their failure.
		deadline_s: Seconds after which the check counts as failed.
		then: Returns further checks to run next, if this one passes.
	"""

	name: str
	look: Callable[[], str]
	needs: tuple[str, ...] = ()
	deadline_s: float = DEADLINE_S
	then: Callable[[], "Iterable[Check]"] = tuple

	def run(self) -> CheckResult:
		"""Run the check on the current thread. Does not raise."""
		try:
			return CheckResult(self.name, True, self.look())
		except CheckFailed as failure:
			return CheckResult(self.name, False, failure.finding, failure.remedy)
		except Exception as error:
			# The message may come from a provider or contain a key.
			finding = f"the check ended with {type(error).__name__}"
			return CheckResult(self.name, False, finding, "Look at the logs.")


def run_checks(
	checks: Iterable[Check], on_start: Callable[[str], None] = lambda name: None
) -> Iterator[CheckResult]:
	"""Run checks in their order.

	A check that exceeds its deadline is abandoned: its thread ends with the process.

	Args:
		checks: The checks, each after those that it needs.
		on_start: Called with the name of each check before it runs. Skipped checks do not run.

	Yields:
		One result for each check.
	"""
	waiting, passed = list(checks), set[str]()
	while waiting:
		check = waiting.pop(0)
		if missing := [name for name in check.needs if name not in passed]:
			yield CheckResult(check.name, None, f"not checked (needs {', '.join(missing)})")
			continue
		on_start(check.name)
		result = _run_within_deadline(check)
		if result.ok:
			passed.add(check.name)
			waiting[:0] = check.then()
		yield result


def _run_within_deadline(check: Check) -> CheckResult:
	results: list[CheckResult] = []
	# The thread gets the caller's `frappe.local`, with its site and its database connection. The caller waits meanwhile.
	context = contextvars.copy_context()
	thread = threading.Thread(
		target=lambda: results.append(context.run(check.run)), name=f"ai-assistant-{check.name}", daemon=True
	)
	began = time.monotonic()
	thread.start()
	thread.join(check.deadline_s)
	if results:
		return results[0]
	finding = f"no answer within {time.monotonic() - began:.0f} s"
	return CheckResult(check.name, False, finding, "It hangs: restart it, and look at its log.")


def counted(number: int, noun: str) -> str:
	"""A number with its noun: 1 worker, 2 workers."""
	return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def ms_since(began: float) -> str:
	"""The milliseconds since a reading of `time.monotonic()`, with their unit."""
	return f"{(time.monotonic() - began) * 1000:.0f} ms"


def host_of(url: str) -> str:
	"""Host and port of a URL, or its path if it has no host, without user, password and query."""
	parts = urlsplit(url)
	return parts.netloc.rpartition("@")[2] or parts.path
