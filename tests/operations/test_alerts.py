"""Which alerts begin and end, and when. tests/faults/bench causes each one on a bench."""

import logging
import re
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from ai_assistant.config.settings import Alerts
from ai_assistant.gateway.health import Rest
from ai_assistant.operations import alerts, scheduled
from ai_assistant.standalone import stand_in
from ai_assistant.standalone.sqlite import Database, SqliteStore
from ai_assistant.store import use

NOW = 1_000_000.0


def ended(at: float = NOW - 1, **values: Any) -> dict[str, Any]:
	"""The row of a request that has ended without a fault."""
	return {
		"ended": at,
		"status": "completed",
		"provider": "p",
		"usage": None,
		"timing": None,
		"realtime": {"events": 100, "failed": 0},
		"attempts": [],
		"error": None,
		"first_event_ms": 10,
		**values,
	}


def told(rows: list[dict[str, Any]], **limits: int) -> alerts.Verdicts:
	return alerts.of_rows(rows, ["p", "q"], Alerts(**limits))


def failing(*codes: str) -> list[dict[str, Any]]:
	return [
		ended(status="failed", attempts=[{"provider": "q", "model": "m", "error": code}]) for code in codes
	]


def test_where_nothing_was_asked_nothing_can_be_told() -> None:
	unknown = {("event_failures", ""), ("late_first_event", ""), ("provider_failing", "p")}
	assert told([]) == dict.fromkeys([*unknown, ("provider_failing", "q")])


def test_where_all_is_well_nothing_is_told() -> None:
	assert told([ended() for _ in range(5)]) == {("provider_failing", "q"): None}


@pytest.mark.parametrize(("cached", "wrong"), [(79, True), (80, False)])
def test_a_provider_that_reads_too_little_from_its_cache(cached: int, wrong: bool) -> None:
	usage = {"prompt_tokens": 100, "cached_tokens": cached}
	rows = [ended(usage=usage, key_label=label) for label in ("blue", "red", "red", "red", "red")]
	verdict = told(rows, cached_percent=80).get(("low_cached_share", "p"))
	sentence = (
		"Provider p read 79 % of its prompts from its cache in the last five minutes; the limit is 80 %."
	)
	assert verdict == (sentence if wrong else None)
	assert ("low_cached_share", "p") not in told(rows)
	# With fewer requests there is nothing to tell, and an alert stays as it is.
	assert told(rows[:4], cached_percent=80)["low_cached_share", "p"] is None


def test_a_key_that_its_provider_limits() -> None:
	state = {("p", "red"): Rest("rate_limited", time.time() + 30), ("p", "blue"): None}
	(verdict,) = alerts.of_keys(state).items()
	key, sentence = verdict
	assert key == ("key_limited", "p")
	assert re.fullmatch(
		r"Provider p limits its key red\. The key rests for (29|30) more seconds\.", sentence or ""
	)


@pytest.mark.parametrize(("failed", "wrong"), [(1, True), (0, False)])
def test_one_event_of_a_hundred_that_met_nobody(failed: int, wrong: bool) -> None:
	verdicts = told([ended(realtime={"events": 100, "failed": failed})])
	assert isinstance(verdicts.get(("event_failures", "")), str) is wrong


@pytest.mark.parametrize(("slow", "wrong"), [(1, False), (2, True)])
def test_event_1_may_be_late_for_one_in_twenty(slow: int, wrong: bool) -> None:
	rows = [ended(first_event_ms=501 if n < slow else 500) for n in range(20)]
	assert isinstance(told(rows).get(("late_first_event", "")), str) is wrong


@pytest.mark.parametrize(
	("codes", "wrong"),
	[
		(["timeout"] * 4, None),
		(["timeout"] * 5, True),
		(["provider_auth"] * 3 + ["content_filtered"] * 3, False),
		(["provider_auth"] * 4 + ["content_filtered"] * 3, True),
	],
)
def test_a_provider_fails_where_more_than_half_of_what_it_was_asked_did(
	codes: list[str], wrong: bool | None
) -> None:
	verdict = told(failing(*codes)).get(("provider_failing", "q"), "")
	assert verdict is None if wrong is None else bool(verdict) is wrong


def test_a_fallback_is_a_failure_of_the_one_that_was_left() -> None:
	rows = [ended(attempts=[{"provider": "q", "model": "m", "error": "timeout"}]) for _ in range(5)]
	assert ("provider_failing", "p") not in told(rows)
	assert "q failed 5 of 5 times" in str(told(rows)["provider_failing", "q"])


# As the scheduler does it


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
	now = [NOW]
	monkeypatch.setattr(SqliteStore, "now", lambda _self: now[0])
	return now


@pytest.fixture
def store(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> Iterator[SqliteStore]:
	with closing(Database(tmp_path / "site.sqlite")) as database:
		stand_in.local.db = stand_in.Transaction(database.commit, database.rollback, lambda *_: None)
		provider = {"name": "p", "api": "openai", "api_key": "k", "models": ["m"], "default_model": "m"}
		stand_in.local.conf = stand_in._dict(ai_assistant={"providers": [provider]})
		stand_in.local.site = "standalone"
		made = SqliteStore(database)
		use(lambda: made)
		logged = logging.getLogger("ai_assistant-standalone")
		logged.addHandler(caplog.handler)
		yield made
		logged.removeHandler(caplog.handler)


def keep(store: SqliteStore, at: float, failed: int) -> None:
	about = {"user": "ann", "request_id": f"r{at}", "task_id": "t", "created": at}
	store.open({**ended(at), **about, "realtime": {"events": 100, "failed": failed}})
	# What looks at it rolls back.
	stand_in.local.db.commit()


def lines(caplog: pytest.LogCaptureFixture) -> list[str]:
	texts = [record.getMessage().split(" subject=")[0] for record in caplog.records]
	caplog.clear()
	return texts


def test_it_is_told_once_that_it_begins_and_once_that_it_is_over(
	store: SqliteStore, clock: list[float], caplog: pytest.LogCaptureFixture
) -> None:
	keep(store, NOW - 1, failed=2)
	alerts.check()
	(line,) = lines(caplog)
	assert line == (
		"[Alert] ⚠️ event_failures began: Of the 100 events of the last five minutes, 2 met no realtime server."
	)
	clock[0] += 60
	keep(store, clock[0], failed=2)
	alerts.check()
	assert lines(caplog) == []
	clock[0] += alerts.WINDOW_S
	keep(store, clock[0], failed=0)
	alerts.check()
	assert store.alerts() == {} and lines(caplog) == ["[Alert] ✅ event_failures is over"]
	alerts.check()
	assert lines(caplog) == []


def test_what_ended_before_the_window_does_not_count(
	store: SqliteStore, clock: list[float], caplog: pytest.LogCaptureFixture
) -> None:
	keep(store, NOW - alerts.WINDOW_S - 1, failed=100)
	keep(store, NOW - 1, failed=0)
	alerts.check()
	assert store.alerts() == {} and lines(caplog) == []


def test_what_is_well_for_a_moment_is_not_over(
	store: SqliteStore, clock: list[float], caplog: pytest.LogCaptureFixture
) -> None:
	keep(store, NOW - alerts.WINDOW_S + 1, failed=2)
	keep(store, NOW - 1, failed=0)
	alerts.check()
	clock[0] += 60
	alerts.check()
	assert list(store.alerts()) == [("event_failures", "")]
	keep(store, clock[0], failed=2)
	alerts.check()
	assert len(lines(caplog)) == 1


def test_where_nobody_asks_it_is_not_over(
	store: SqliteStore, clock: list[float], caplog: pytest.LogCaptureFixture
) -> None:
	keep(store, NOW - 1, failed=2)
	alerts.check()
	clock[0] += 2 * alerts.WINDOW_S
	alerts.check()
	assert list(store.alerts()) == [("event_failures", "")]
	assert len(lines(caplog)) == 1


def test_the_job_of_each_minute_does_all_its_work_beside_a_provider_that_is_wrong(
	store: SqliteStore, clock: list[float], caplog: pytest.LogCaptureFixture
) -> None:
	right = stand_in.local.conf["ai_assistant"]["providers"]
	keep(store, NOW - 1, failed=2)
	lost = {"user": "ann", "request_id": "lost", "task_id": "t", "created": NOW - 60, "lease": NOW - 30}
	store.open({**lost, "status": "running"})
	stand_in.local.db.commit()
	wrong: list[Any] = [{"name": "q", "api": "opnai", "default_model": "m"}, "text"]
	stand_in.local.conf = stand_in._dict(ai_assistant={"providers": [*wrong, *right]})
	scheduled.run()
	row = store.get("ann", "lost")
	assert row and (row["status"], row["error"]["code"]) == ("failed", "worker_lost")
	assert store.sums()["requests", "completed"] == 1
	assert {kind for kind, _subject in store.alerts()} == {"event_failures", "configuration"}
	assert "Traceback" not in caplog.text


def test_what_is_wrong_in_the_configuration_is_told_until_it_is_right(
	store: SqliteStore, clock: list[float], caplog: pytest.LogCaptureFixture
) -> None:
	right = stand_in.local.conf["ai_assistant"]["providers"]
	wrong = [{"name": "q", "api": "openai", "default_model": "m"}]
	stand_in.local.conf = stand_in._dict(
		ai_assistant={"providers": [*right, *wrong], "limits": {"max_chars": 0, "max_messages": 0}}
	)
	alerts.check()
	told = [line for line in lines(caplog) if line.startswith("[Alert]")]
	assert told == [
		"[Alert] ⚠️ configuration began: q: api_key accepts a string that is not empty.",
		"[Alert] ⚠️ configuration began: limits: limits.max_messages accepts a whole number from 1."
		" limits.max_chars accepts a whole number from 1.",
	]
	stand_in.local.conf = stand_in._dict(ai_assistant={"providers": right})
	clock[0] += alerts.WINDOW_S
	alerts.check()
	assert lines(caplog) == ["[Alert] ✅ configuration is over"] * 2
