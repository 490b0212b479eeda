"""The metric of refused calls."""

from collections.abc import Iterator

import pytest
from prometheus_client.parser import text_string_to_metric_families

from ai_assistant.chat import refusals
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
