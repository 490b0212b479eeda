"""Tests that requests of dead processes end, and that others do not."""

from types import SimpleNamespace
from typing import Any

import pytest

from ai_assistant.chat import running, termination


def test_a_request_that_cannot_be_ended_keeps_no_other_from_it(monkeypatch: pytest.MonkeyPatch) -> None:
	ended: list[int] = []

	def end_dead(row: int) -> None:
		if row == 2:
			raise RuntimeError("its journal cannot be read")
		ended.append(row)

	stored = SimpleNamespace(now=lambda: 0.0, lapsed=lambda now: [1, 2, 3])
	monkeypatch.setattr(termination.store, "current", lambda: stored)
	monkeypatch.setattr(running, "is_here", lambda row: False)
	monkeypatch.setattr(termination, "_end_dead", end_dead)
	termination.sweep()
	assert ended == [1, 3]


def test_a_chat_of_this_process_is_alive_whatever_the_clock_says(monkeypatch: pytest.MonkeyPatch) -> None:
	monkeypatch.setattr(running.frappe.local, "site", "s", raising=False)
	row = {"user": "ann", "request_id": "r", "status": "running", "lease": 0.0}
	stored = SimpleNamespace(
		now=lambda: 60.0, lapsed=lambda now: [row], get=lambda *_ids: {**row, "status": "failed"}
	)
	monkeypatch.setattr(termination.store, "current", lambda: stored)
	ended: list[dict[str, Any]] = []
	monkeypatch.setattr(termination, "_end_dead", ended.append)
	monkeypatch.setitem(running._running, ("s", "ann", "r"), None)
	termination.sweep()
	assert termination.end_if_dead(row) == row and ended == []
	monkeypatch.delitem(running._running, ("s", "ann", "r"))
	termination.sweep()
	assert termination.end_if_dead(row)["status"] == "failed" and ended == [row, row]


def test_a_lease_is_judged_by_the_databases_clock(monkeypatch: pytest.MonkeyPatch) -> None:
	monkeypatch.setattr(running.frappe.local, "site", "s", raising=False)
	row = {"user": "ann", "request_id": "r", "status": "running", "lease": 1.0}
	stored = SimpleNamespace(now=lambda: 0.0)
	monkeypatch.setattr(termination.store, "current", lambda: stored)
	# This process's own clock is far ahead of it.
	assert termination.end_if_dead(row) == row
