"""What becomes of a request whose process has died."""

from types import SimpleNamespace
from typing import Any

import pytest

from ai_assistant.chat import lifecycle


def test_a_request_that_cannot_be_ended_keeps_no_other_from_it(monkeypatch: pytest.MonkeyPatch) -> None:
	ended: list[int] = []

	def end_lost(row: int) -> None:
		if row == 2:
			raise RuntimeError("its journal cannot be read")
		ended.append(row)

	kept = SimpleNamespace(now=lambda: 0.0, lapsed=lambda now: [1, 2, 3])
	monkeypatch.setattr(lifecycle.store, "current", lambda: kept)
	monkeypatch.setattr(lifecycle, "_is_here", lambda row: False)
	monkeypatch.setattr(lifecycle, "end_lost", end_lost)
	lifecycle.sweep()
	assert ended == [1, 3]


def test_a_chat_of_this_process_is_alive_whatever_the_clock_says(monkeypatch: pytest.MonkeyPatch) -> None:
	monkeypatch.setattr(lifecycle.frappe.local, "site", "s", raising=False)
	row = {"user": "ann", "request_id": "r", "status": "running", "lease": 0.0}
	kept = SimpleNamespace(
		now=lambda: 60.0, lapsed=lambda now: [row], get=lambda *_ids: {**row, "status": "failed"}
	)
	monkeypatch.setattr(lifecycle.store, "current", lambda: kept)
	ended: list[dict[str, Any]] = []
	monkeypatch.setattr(lifecycle, "end_lost", ended.append)
	monkeypatch.setitem(lifecycle._running, ("s", "ann", "r"), None)
	lifecycle.sweep()
	assert lifecycle.settled(row) == row and ended == []
	monkeypatch.delitem(lifecycle._running, ("s", "ann", "r"))
	lifecycle.sweep()
	assert lifecycle.settled(row)["status"] == "failed" and ended == [row, row]


def test_a_lease_is_judged_by_the_databases_clock(monkeypatch: pytest.MonkeyPatch) -> None:
	monkeypatch.setattr(lifecycle.frappe.local, "site", "s", raising=False)
	row = {"user": "ann", "request_id": "r", "status": "running", "lease": 1.0}
	kept = SimpleNamespace(now=lambda: 0.0)
	monkeypatch.setattr(lifecycle.store, "current", lambda: kept)
	# This process's own clock is far ahead of it.
	assert lifecycle.settled(row) == row
