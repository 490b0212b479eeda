"""What becomes of a request whose process has died."""

from types import SimpleNamespace

import pytest

from ai_assistant.chat import life


def test_a_request_that_cannot_be_ended_keeps_no_other_from_it(monkeypatch: pytest.MonkeyPatch) -> None:
	ended: list[int] = []

	def end_lost(row: int) -> None:
		if row == 2:
			raise RuntimeError("its journal cannot be read")
		ended.append(row)

	monkeypatch.setattr(life.store, "current", lambda: SimpleNamespace(lapsed=lambda now: [1, 2, 3]))
	monkeypatch.setattr(life, "end_lost", end_lost)
	life.sweep()
	assert ended == [1, 3]
