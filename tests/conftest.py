"""Puts the stand-in for Frappe in place before anything of the app is imported, and keeps keys out of reach."""

import os
from typing import Any

from hypothesis import settings

from ai_assistant.standalone import stand_in
from tests.support.ledger import LEDGER

for name in list(os.environ):
	# A test must not spend somebody's money.
	if name.endswith("_API_KEY"):
		del os.environ[name]

stand_in.install()

# How long an example takes is no part of what a test says. In CI the same examples each time: a find of luck
# belongs on a developer's machine, where it can be looked into.
settings.register_profile("default", deadline=None)
settings.register_profile("ci", deadline=None, derandomize=True)
settings.load_profile("ci" if os.environ.get("CI") else "default")


def pytest_terminal_summary(terminalreporter: Any) -> None:
	"""Prints what faults did to the chats they met (tests/support/ledger.py)."""
	if LEDGER.rows:
		terminalreporter.section("faults")
		for line in LEDGER.table():
			terminalreporter.write_line(line)
