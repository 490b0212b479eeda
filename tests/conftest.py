"""Puts the stand-in for Frappe in place before anything of the app is imported, and keeps keys out of reach."""

import importlib
import os
from collections.abc import Generator, Iterator
from dataclasses import asdict
from typing import Any

import pytest
from hypothesis import settings

from ai_assistant import store
from ai_assistant.standalone import stand_in

from .support.ledger import LEDGER, Row

for name in list(os.environ):
	# A test must not spend somebody's money.
	if name.endswith("_API_KEY"):
		del os.environ[name]

stand_in.install()
importlib.import_module("ai_assistant.config.forms").switch_off()

# The time of an example is not tested. CI uses the same examples each time: a new counterexample should appear
# on a developer's machine, where it can be examined.
settings.register_profile("default", deadline=None)
settings.register_profile("ci", deadline=None, derandomize=True)
settings.load_profile("ci" if os.environ.get("CI") else "default")


@pytest.fixture(autouse=True)
def _request_of_its_own() -> Iterator[None]:
	"""Restores the attributes of `frappe.local`, and the store, so that what a test sets does not reach the next test."""
	state, find = dict(stand_in.local), store._find
	yield
	stand_in.init(**state)
	store.use(find)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport() -> Generator[None, pytest.TestReport, pytest.TestReport]:
	"""Escapes lone surrogates in what failed and in logs, because pytest-xdist cannot send them to another process."""
	report = yield
	report.sections = [(name, _encodable(content)) for name, content in report.sections]
	if (failure := report.longreprtext) != _encodable(failure):
		report.longrepr = _encodable(failure)
	return report


def _encodable(text: str) -> str:
	return text.encode(errors="backslashreplace").decode()


def pytest_sessionfinish(session: pytest.Session) -> None:
	"""Sends the ledger of faults to the main process, if the tests run in several processes."""
	if (output := getattr(session.config, "workeroutput", None)) is not None:
		output["faults"] = [asdict(row) for row in LEDGER.rows.values()]


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node: Any) -> None:
	LEDGER.add(Row(**fields) for fields in getattr(node, "workeroutput", {}).get("faults", ()))


def pytest_terminal_summary(terminalreporter: Any) -> None:
	"""Prints the table of injected faults (tests/support/ledger.py)."""
	if LEDGER.rows:
		terminalreporter.section("faults")
		for line in LEDGER.table():
			terminalreporter.write_line(line)
