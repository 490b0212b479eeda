"""Tests how many events `watch` returns at a time."""

import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from ai_assistant import store
from ai_assistant.chat import event_feed
from ai_assistant.standalone import stand_in
from ai_assistant.standalone.sqlite import Database, SqliteStore


@pytest.fixture
def sqlite_store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[SqliteStore]:
	with closing(Database(tmp_path / "site.sqlite")) as database:
		made = SqliteStore(database)
		monkeypatch.setattr(store, "_store", made)
		monkeypatch.setattr(event_feed, "sees_all", lambda: True)
		monkeypatch.setattr(stand_in.local, "session", stand_in._dict(user="ann"), raising=False)
		yield made


def test_an_old_cursor_gets_all_of_it_once_in_answers_of_a_bounded_length(
	sqlite_store: SqliteStore, monkeypatch: pytest.MonkeyPatch
) -> None:
	monkeypatch.setattr(event_feed, "MAX_REQUESTS", 12)
	monkeypatch.setattr(event_feed, "MAX_CHARS", 250)
	begun = time.time() - 3600
	for n in range(25):
		# Some have begun at the same time, and some have not ended.
		row = {
			"user": "ann",
			"request_id": f"request-{n}",
			"task_id": "t",
			"status": "completed" if n % 5 else "running",
			"created": begun + n // 3,
		}
		name = sqlite_store.open(row)
		for seq in (1, 2, 3):
			sqlite_store.append(
				name, {"seq": seq, "type": "text", "text": "x" * 60, "request_id": f"request-{n}"}
			)
	heard, cursor = [], {"since": 0, "seen": {}}
	for _page in range(50):
		page = event_feed.page(cursor)
		cursor = page["cursor"]
		# What was begun is given whole.
		assert len(page["events"]) <= 6
		heard += [(event["request_id"], event["seq"]) for event in page["events"]]
	assert sorted(heard) == sorted((f"request-{n}", seq) for n in range(25) for seq in (1, 2, 3))
	assert cursor["since"] > begun + 25
