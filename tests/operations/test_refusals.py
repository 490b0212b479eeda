"""The metric of refused calls."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families

from ai_assistant.chat import provider_health, refusals
from ai_assistant.operations import metrics
from ai_assistant.standalone import stand_in
from ai_assistant.standalone.sqlite import SqliteStore
from tests.support import unique

from .test_metrics import database, store

__all__ = ["database", "store"]


@pytest.fixture
def a_site(store: SqliteStore, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
	for name, value in (("conf", {}), ("site", unique("site")), ("session", stand_in._dict())):
		monkeypatch.setattr(stand_in.local, name, value, raising=False)
	yield


def test_refused_calls_are_counted_by_their_code(a_site: None) -> None:
	for code in ("busy", "busy", "conflict"):
		refusals.record(code, "chat_completion")
	families = text_string_to_metric_families(metrics.text()[0])
	(refused,) = (family for family in families if family.name == "ai_assistant_refusals")
	assert {sample.labels["code"]: sample.value for sample in refused.samples} == {
		**dict.fromkeys(metrics.REFUSED_FROM_THE_START, 0),
		"busy": 2,
		"conflict": 1,
	}


def test_a_scrape_has_no_count_while_redis_does_not_answer(
	a_site: None, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
	monkeypatch.setattr(stand_in.local, "conf", {"redis_cache": f"unix://{tmp_path}/none.sock"})
	monkeypatch.setattr(provider_health, "_states", {})
	refusals.record("busy", "chat_completion")
	assert refusals.counts(["busy"]) is None
	assert "ai_assistant_refusals" not in metrics.text()[0]
