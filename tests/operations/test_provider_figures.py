"""What each provider and key was asked, and how it answered."""

import time
from collections import Counter
from typing import Any

import pytest

from ai_assistant.chat import provider_health
from ai_assistant.config.settings import load
from ai_assistant.gateway import ProviderError
from ai_assistant.gateway.health import with_each_key
from ai_assistant.operations import provider_figures
from ai_assistant.operations.doctor.providers import asked
from ai_assistant.standalone import stand_in
from ai_assistant.standalone.sqlite import SqliteStore
from tests.support import unique

from .test_metrics import database, ended, store

__all__ = ["database", "store"]

TIMEOUT = {"provider": "p", "model": "m", "error": "timeout", "key": "red"}


def answered(label: str | None, ms: int, **values: Any) -> dict[str, Any]:
	timing = {"first_reasoning_ms": ms, "first_text_ms": ms + 500, "duration_ms": ms + 900}
	return ended(key_label=label, timing=timing, **values)


def test_each_key_has_its_own_figures() -> None:
	rows = [answered("blue", ms) for ms in range(100, 2100, 100)]
	rows.append(answered("blue", 60_000, attempts=[TIMEOUT]))
	rows.append(
		ended(status="failed", key_label="red", attempts=[TIMEOUT, {**TIMEOUT, "error": "rate_limited"}])
	)
	figures = provider_figures.of_rows(rows)
	blue, red = figures["p", "blue"], figures["p", "red"]
	assert (blue.asked, blue.failed, blue.cached_percent) == (21, Counter(), 50)
	# The time of a request with a failed attempt says nothing about this key.
	assert (blue.percentile_ms(50), blue.percentile_ms(95)) == (1000, 1900)
	assert (red.asked, red.failed) == (3, {"timeout": 2, "rate_limited": 1})
	assert (red.cached_percent, red.percentile_ms(95)) == (None, None)


def test_a_request_that_was_never_sent_counts_for_nobody() -> None:
	assert provider_figures.of_rows([ended(status="cancelled", provider=None, usage=None, timing=None)]) == {}


@pytest.fixture
def three_keys(monkeypatch: pytest.MonkeyPatch) -> None:
	keys = [{"label": label, "api_key": f"sk-{label}"} for label in ("blue", "green", "red")]
	values = {"name": "p", "api": "openai", "default_model": "m", "models": ["m"], "keys": keys}
	monkeypatch.setattr(stand_in.local, "conf", {"ai_assistant": {"providers": [values]}}, raising=False)
	monkeypatch.setattr(stand_in.local, "site", unique("site"), raising=False)


def test_the_site_has_each_configured_key_with_its_rest(store: SqliteStore, three_keys: None) -> None:
	(provider,) = load().providers
	_blue, _green, red = with_each_key(provider)
	provider_health.of_site().failed(red, ProviderError("rate_limited", 40, provider="p"))
	now = time.time()
	store.open(answered("blue", 100, ended=now))
	store.open(answered("blue", 100, ended=now - 2 * provider_figures.DAY_S))
	figures = provider_figures.of_site()
	assert {name: of_key.asked for name, of_key in figures.items()} == {
		("p", "blue"): 1,
		("p", "green"): 0,
		("p", "red"): 0,
	}
	assert figures["p", "blue"].rest is None
	rest = figures["p", "red"].rest
	assert rest and rest.kind == "rate_limited" and now + 30 < rest.until < now + 50


def test_the_doctor_has_a_line_for_each_key_that_was_asked(store: SqliteStore, three_keys: None) -> None:
	store.open(answered("blue", 100, ended=time.time(), attempts=[TIMEOUT]))
	store.open(answered("blue", 300, ended=time.time()))
	assert {check.name: check.look() for check in asked()} == {
		"use of key blue of p": "asked 2 times in the last day, failed 0 times, 50 % of the prompts from the cache,"
		" first chunk after 300 ms (p50) and 300 ms (p95)",
		"use of key red of p": "asked 1 time in the last day, failed 1 time (1 timeout)",
	}
