"""Tests how many events `watch` returns at a time, and when it logs that a user reads those of another."""

import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import frappe
import pytest

from ai_assistant import store
from ai_assistant.chat import event_feed
from ai_assistant.chat.errors import ChatError
from ai_assistant.standalone import stand_in
from ai_assistant.standalone.sqlite import Database, SqliteStore

from .conftest import ANN, BOB, ChatSite

CHIEF = "chief@example.com"


@pytest.fixture
def sqlite_store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[SqliteStore]:
	with closing(Database(tmp_path / "site.sqlite")) as database:
		made = SqliteStore(database)
		monkeypatch.setattr(store, "_find", lambda: made)
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


class Log:
	"""What the store was told to log, and how many entries were committed when."""

	def __init__(self, site: ChatSite, monkeypatch: pytest.MonkeyPatch) -> None:
		self.views: list[tuple[str, str]] = []
		self.committed = 0
		self.fails = False
		self._site = site
		monkeypatch.setattr(site.store, "log_view", self._log_view)
		monkeypatch.setattr(frappe.db, "commit", self._commit)

	def _log_view(self, reader: str, name: str) -> None:
		if self.fails:
			raise OSError("the log is full")
		self.views.append((reader, name))

	def _commit(self) -> None:
		self._site.database.commit()
		self.committed = len(self.views)


@pytest.fixture
def log(chat_site: ChatSite, monkeypatch: pytest.MonkeyPatch) -> Log:
	"""The log of a site whose session is that of a System Manager."""
	monkeypatch.setattr(event_feed, "_logged", {})
	monkeypatch.setattr(stand_in.local, "flags", stand_in._dict(), raising=False)
	roles = {CHIEF: ["System Manager"]}
	monkeypatch.setattr(frappe, "get_roles", lambda user=None: roles.get(user or frappe.session.user, []))
	be(CHIEF)
	return Log(chat_site, monkeypatch)


def be(user: str) -> None:
	frappe.session.user = user


def running(site: ChatSite, user: str, *texts: str) -> str:
	"""Stores a request that runs, with an event for each text. Returns its name."""
	row = {
		"user": user,
		"request_id": f"of-{user}",
		"task_id": "t",
		"status": "running",
		"created": time.time(),
	}
	name = site.store.open(row)
	for seq, text in enumerate(texts, 1):
		site.store.append(name, event(seq, text))
	site.database.commit()
	return name


def event(seq: int, text: str) -> dict[str, Any]:
	return {"seq": seq, "type": "text", "text": text, "timestamp": f"2026-11-30 12:00:{seq:02}"}


def texts(page: dict[str, Any]) -> list[str]:
	return [event["text"] for event in page["events"]]


def test_a_reader_is_logged_once_for_each_request_of_another(chat_site: ChatSite, log: Log) -> None:
	of_ann, of_bob = running(chat_site, ANN, "a1"), running(chat_site, BOB, "b1")
	page = event_feed.page(None)
	assert sorted(texts(page)) == ["a1", "b1"]
	assert sorted(log.views) == sorted([(CHIEF, of_ann), (CHIEF, of_bob)])
	assert log.committed == 2
	chat_site.store.append(of_ann, event(2, "a2"))
	assert texts(event_feed.page(page["cursor"])) == ["a2"]
	assert len(log.views) == 2


def test_a_page_without_an_event_of_another_is_not_logged(chat_site: ChatSite, log: Log) -> None:
	running(chat_site, ANN)
	running(chat_site, CHIEF, "own")
	assert texts(event_feed.page(None)) == ["own"]
	be(ANN)
	running(chat_site, BOB, "b1")
	assert texts(event_feed.page({"since": 0, "seen": {}})) == []
	assert log.views == []


def test_a_forged_cursor_avoids_no_entry(chat_site: ChatSite, log: Log) -> None:
	of_ann = running(chat_site, ANN, "a1", "a2")
	assert texts(event_feed.page({"since": 1e12, "seen": {of_ann: 2}})) == []
	assert log.views == []
	assert texts(event_feed.page({"since": 1e12, "seen": {of_ann: 1}})) == ["a2"]
	assert log.views == [(CHIEF, of_ann)]
	assert texts(event_feed.page({"since": 0, "seen": {}})) == ["a1", "a2"]
	assert log.views == [(CHIEF, of_ann)]


def test_another_reader_another_site_and_the_next_hour_are_logged_again(
	chat_site: ChatSite, log: Log, monkeypatch: pytest.MonkeyPatch
) -> None:
	of_ann = running(chat_site, ANN, "a1")
	event_feed.page(None)
	monkeypatch.setattr(frappe, "get_roles", lambda user=None: ["System Manager"])
	be(BOB)
	event_feed.page(None)
	assert log.views == [(CHIEF, of_ann), (BOB, of_ann)]
	monkeypatch.setattr(frappe.local, "site", "another")
	event_feed.page(None)
	assert log.views == [(CHIEF, of_ann), (BOB, of_ann), (BOB, of_ann)]
	monkeypatch.setattr(event_feed, "LOG_AGAIN_S", 0.0)
	event_feed.page(None)
	assert len(log.views) == log.committed == 4


def test_what_a_process_remembers_is_bounded(
	chat_site: ChatSite, log: Log, monkeypatch: pytest.MonkeyPatch
) -> None:
	monkeypatch.setattr(event_feed, "MAX_LOGGED", 1)
	names = running(chat_site, ANN, "a1"), running(chat_site, BOB, "b1")
	event_feed.page(None)
	assert len(event_feed._logged) == 1
	event_feed.page(None)
	# One of the two was forgotten, and is logged once more.
	assert len(log.views) == 3
	assert {name for _reader, name in log.views} == set(names)


def test_without_an_entry_there_are_no_events(chat_site: ChatSite, log: Log) -> None:
	of_ann = running(chat_site, ANN, "a1")
	log.fails = True
	for _poll in range(2):
		with pytest.raises(OSError, match="the log is full"):
			event_feed.page(None)
	log.fails = False
	assert texts(event_feed.page(None)) == ["a1"]
	assert log.views == [(CHIEF, of_ann)]


def test_where_nothing_may_be_committed_there_are_no_events_of_others(chat_site: ChatSite, log: Log) -> None:
	of_ann = running(chat_site, ANN, "a1")
	frappe.flags.in_safe_exec = True
	with pytest.raises(ChatError) as refused:
		event_feed.page(None)
	assert refused.value.code == "not_permitted"
	assert log.views == []
	be(ANN)
	assert texts(event_feed.page({"since": 0, "seen": {}})) == ["a1"]
	be(CHIEF)
	frappe.flags.in_safe_exec = False
	assert texts(event_feed.page(None)) == ["a1"]
	assert log.views == [(CHIEF, of_ann)]
