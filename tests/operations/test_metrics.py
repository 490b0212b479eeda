"""The metrics of a site: exact, from its rows, and never decreasing."""

import sqlite3
import threading
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import httpx
import pytest
from prometheus_client.parser import text_string_to_metric_families

from ai_assistant.chat import provider_health
from ai_assistant.config.settings import load
from ai_assistant.gateway import Provider, ProviderError
from ai_assistant.gateway.health import with_each_key
from ai_assistant.operations import alerts, metrics
from ai_assistant.operations.doctor.check import CheckFailed
from ai_assistant.operations.doctor.providers import resting
from ai_assistant.standalone import stand_in
from ai_assistant.standalone.sqlite import Database, SqliteStore
from ai_assistant.store import use
from tests.support import script, unique
from tests.support.provider import ScriptedProvider
from tests.support.site import Site, StandaloneSite, site_config

TOKEN = "metrics-t0ken"


def ended(**values: Any) -> dict[str, Any]:
	"""A request that has ended."""
	return {
		"user": "ann",
		"request_id": unique(),
		"task_id": "t",
		"status": "completed",
		"provider": "p",
		"created": 1.0,
		"ended": 9.0,
		"usage": {
			"prompt_tokens": 2,
			"cached_tokens": 1,
			"completion_tokens": 3,
			"reasoning_tokens": None,
			"cost_usd": 0.25,
		},
		"timing": {"first_reasoning_ms": None, "first_text_ms": 2500, "duration_ms": 3000},
		"realtime": {"events": 5, "failed": 1, "last_seq": 5},
		"attempts": None,
		"error": None,
		"first_event_ms": 7,
		**values,
	}


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
	with closing(Database(tmp_path / "site.sqlite")) as opened:
		stand_in.local.db = stand_in.Transaction(opened.commit, opened.rollback, lambda *_: None)
		yield opened


@pytest.fixture
def store(database: Database) -> SqliteStore:
	made = SqliteStore(database)
	use(lambda: made)
	return made


def test_what_a_request_came_to(store: SqliteStore) -> None:
	failure = {"provider": "first", "model": "m", "error": "timeout"}
	assert metrics.sums_of([ended(attempts=[failure])]) == {
		("requests", "completed"): 1,
		("events", "emitted"): 4,
		("events", "failed"): 1,
		("provider_requests", "first"): 1,
		("provider_errors", "first", "timeout"): 1,
		("fallbacks", "first"): 1,
		("provider_requests", "p"): 1,
		("tokens", "p", "prompt"): 2,
		("tokens", "p", "cached"): 1,
		("tokens", "p", "completion"): 3,
		("cost_usd", "p"): 0.25,
		("first_event", "0.01"): 1,
		("first_event", "sum"): 0.007,
		# A bound belongs to its bucket.
		("first_text", "2.5"): 1,
		("first_text", "sum"): 2.5,
		("duration", "5"): 1,
		("duration", "sum"): 3,
	}


def test_a_key_with_a_label_has_figures_of_its_own(store: SqliteStore) -> None:
	failure = {"provider": "p", "model": "m", "error": "provider_auth", "key": "red"}
	sums = metrics.sums_of([ended(attempts=[failure], key_label="blue"), ended()])
	names = ("provider_requests", "provider_errors", "tokens", "first_chunk")
	by_key = {series: count for series, count in sums.items() if series[0] in names}
	assert by_key == {
		("tokens", "p", "prompt", "blue"): 2,
		("tokens", "p", "cached", "blue"): 1,
		("tokens", "p", "completion", "blue"): 3,
		("tokens", "p", "prompt"): 2,
		("tokens", "p", "cached"): 1,
		("tokens", "p", "completion"): 3,
		# The time of the other request has that of the failed attempt in it.
		("first_chunk", "2.5", "p"): 1,
		("first_chunk", "sum", "p"): 2.5,
		("provider_requests", "p", "red"): 1,
		("provider_errors", "p", "provider_auth", "red"): 1,
		("provider_requests", "p", "blue"): 1,
		("provider_requests", "p"): 1,
	}


@pytest.fixture
def two_keys(monkeypatch: pytest.MonkeyPatch) -> Iterator[Provider]:
	"""A provider of the site, whose key `red` has been refused."""
	keys = [{"label": label, "api_key": f"sk-{label}"} for label in ("blue", "red")]
	values = {"name": "p", "api": "openai", "default_model": "m", "models": ["m"], "keys": keys}
	monkeypatch.setattr(stand_in.local, "conf", {"ai_assistant": {"providers": [values]}}, raising=False)
	monkeypatch.setattr(stand_in.local, "site", unique("site"), raising=False)
	(provider,) = load().providers
	_blue, red = with_each_key(provider)
	provider_health.of_site().failed(red, ProviderError("refused_key", provider="p", model="m"))
	yield provider


def samples(name: str) -> dict[tuple[str, ...], float]:
	"""The values of a metric by its labels: provider, key, and the bound of a histogram."""
	return {
		tuple(sample.labels.get(label, "") for label in ("provider", "key", "le")): sample.value
		for family in text_string_to_metric_families(metrics.text()[0])
		for sample in family.samples
		if sample.name == f"ai_assistant_{name}"
	}


def test_each_key_has_a_histogram_of_its_first_chunks(store: SqliteStore, two_keys: Provider) -> None:
	for label, ms in (("red", 200), ("red", 900), (None, 40_000)):
		timing = {"first_reasoning_ms": ms, "first_text_ms": 50_000, "duration_ms": 60_000}
		store.open(ended(key_label=label, timing=timing))
	buckets = samples("first_chunk_seconds_bucket")
	assert [buckets["p", "red", bound] for bound in ("0.1", "0.25", "0.5", "1", "+Inf")] == [0, 1, 1, 2, 2]
	assert [buckets["p", "", bound] for bound in ("30", "60", "+Inf")] == [0, 1, 1]
	assert samples("first_chunk_seconds_sum") == {("p", "red", ""): 1.1, ("p", "", ""): 40}


def test_a_key_that_rests_is_told(store: SqliteStore, two_keys: Provider) -> None:
	assert samples("provider_resting") == {("p", "blue", ""): 0, ("p", "red", ""): 1}
	until = samples("provider_resting_until_seconds")
	assert until["p", "blue", ""] == 0 and until["p", "red", ""] > time.time()
	verdicts = alerts.of_keys(provider_health.state_of([two_keys]))
	sentence = "Provider p refuses its key red. The key rests until somebody edits it."
	assert verdicts == {("key_refused", "p"): sentence}
	(check,) = resting()
	with pytest.raises(CheckFailed, match=r"it is refused \(refused_key\) and rests for \d+ seconds more"):
		check.look()
	assert check.name == "key red of p"


def test_where_all_providers_failed_the_last_is_followed_by_nobody(store: SqliteStore) -> None:
	failures = [{"provider": name, "model": "m", "error": "provider_auth"} for name in ("a", "b")]
	sums = metrics.sums_of(
		[ended(status="failed", provider="a", attempts=failures, error={"code": "provider_auth"})]
	)
	assert sums["request_errors", "provider_auth"] == 1
	assert [series for series in sums if series[0] == "provider_requests"] == [
		("provider_requests", "a"),
		("provider_requests", "b"),
	]
	assert [series for series in sums if series[0] == "fallbacks"] == [("fallbacks", "a")]


def test_a_row_that_says_nothing_is_one_request(store: SqliteStore) -> None:
	nothing = dict.fromkeys(
		("usage", "timing", "realtime", "attempts", "error", "first_event_ms", "provider")
	)
	assert metrics.sums_of([ended(**nothing)]) == {("requests", "completed"): 1}


def test_each_request_is_counted_once_and_outlived_by_its_sum(store: SqliteStore, database: Database) -> None:
	names = [store.open(ended()) for _ in range(metrics.BATCH + 3)]
	running = store.open(ended(status="running", ended=None))
	database.commit()
	assert store.count(metrics.sums_of, 10, names[:2]) == 2
	metrics.tally()
	metrics.tally()
	assert store.sums()["requests", "completed"] == len(names)
	database.write("DELETE FROM request WHERE name != ?", [running])
	store.finish(running, {"status": "failed", "ended": 10.0})
	database.commit()
	metrics.tally()
	assert store.sums()["requests", "completed"] == len(names)
	assert store.sums()["requests", "failed"] == 1


def test_a_count_that_is_rolled_back_has_counted_nothing(store: SqliteStore, database: Database) -> None:
	store.open(ended())
	database.commit()
	assert store.count(metrics.sums_of, 10) == 1
	database.rollback()
	assert store.sums() == {}
	metrics.tally()
	assert store.sums()["requests", "completed"] == 1


def test_many_who_count_at_once_count_each_request_once(store: SqliteStore, database: Database) -> None:
	for _ in range(1000):
		store.open(ended())
	database.commit()
	together = threading.Barrier(8)

	def count() -> None:
		stand_in.local.db = stand_in.Transaction(database.commit, database.rollback, lambda *_: None)
		together.wait()
		metrics.tally()

	threads = [threading.Thread(target=count) for _ in range(8)]
	for thread in threads:
		thread.start()
	for thread in threads:
		thread.join()
	metrics.tally()
	assert store.sums()["requests", "completed"] == 1000


def test_one_scrape_adds_no_more_than_it_may(store: SqliteStore, database: Database) -> None:
	for _ in range(5):
		store.open(ended())
	database.commit()
	metrics.add(limit=0)
	assert store.sums() == {}
	metrics.add(limit=1)
	assert store.sums()["requests", "completed"] == 5


# A site that runs


@pytest.fixture
def with_token(process: StandaloneSite, site: Site, provider: ScriptedProvider) -> Iterator[None]:
	process.configure({**site_config(provider), "metrics": {"token": TOKEN}})
	yield
	process.configure(site_config(provider))


def scrape(site: Site) -> dict[tuple[str, ...], float]:
	"""The samples by name and values of labels, in the order of the names of the labels."""
	response = httpx.get(site.method("metrics"), headers={"X-AI-Assistant-Token": TOKEN})
	assert response.status_code == 200 and response.headers["Content-Type"].startswith("text/plain; version=")
	return {
		(sample.name.removeprefix("ai_assistant_"), *sample.labels.values()): sample.value
		for family in text_string_to_metric_families(response.text)
		for sample in family.samples
	}


def test_a_scrape_tells_what_chats_came_to(
	site: Site, provider: ScriptedProvider, with_token: None, process: StandaloneSite
) -> None:
	before = scrape(site)
	gate = unique("gate")
	with site.client(site.first) as client:
		client.connect()
		answers = [client.chat("hello").wait() for _ in range(2)]
		failed = client.chat(script({"status": 401})).wait()
		slow = client.chat(script({"text": "So"}, {"gate": gate}))
		next(iter(slow))
		during = scrape(site)
		provider.open(gate)
		slow.wait()
	after = scrape(site)

	def grown(*series: str) -> float:
		return after[series] - before.get(series, 0)

	assert during["chats", "running"] == before["chats", "running"] + 1
	assert after["chats", "running"] == before["chats", "running"]
	assert grown("requests_total", "completed") == 3
	assert grown("requests_total", "failed") == 1
	assert grown("request_errors_total", "provider_auth") == 1
	events = sum(answer["realtime"]["events"] for answer in (*answers, failed, slow.answer or {}))
	assert grown("events_total", "emitted") == events
	assert grown("tokens_total", "prompt", "scripted") == sum(
		answer["usage"]["prompt_tokens"] for answer in (*answers, slow.answer or {})
	)
	assert grown("provider_errors_total", "provider_auth", "scripted") == 1
	assert grown("fallbacks_total", "scripted") == 1
	assert grown("first_event_seconds_count") == 4
	assert grown("duration_seconds_bucket", "+Inf") == grown("duration_seconds_count") == 4
	with open(f"/proc/{process.pid}/statm") as statm:
		assert 0.5 < after["process_resident_memory_bytes",] / (int(statm.read().split()[1]) * 4096) < 2


def test_a_provider_that_is_wrong_hides_no_figures(
	site: Site, provider: ScriptedProvider, process: StandaloneSite
) -> None:
	config = site_config(provider)
	wrong = {"name": "wrong", "api": "openai", "default_model": "m"}
	try:
		process.configure({**config, "providers": [wrong, *config["providers"]], "metrics": {"token": TOKEN}})
		before = scrape(site)
		with site.client(site.first) as client:
			assert client.chat("hello").wait()["status"] == "completed"
		assert scrape(site)["requests_total", "completed"] == before["requests_total", "completed"] + 1
	finally:
		process.configure(config)


def test_figures_are_for_the_token_and_for_system_managers(site: Site, with_token: None) -> None:
	def status(**headers: str) -> int:
		return httpx.get(site.method("metrics"), headers=headers).status_code

	assert status(**{"X-AI-Assistant-Token": TOKEN}) == 200
	assert status() == 403
	assert status(**{"X-AI-Assistant-Token": TOKEN[:-1]}) == 403
	assert status(**{"X-AI-Assistant-Token": ""}) == 403
	assert status(Authorization=f"token {site.first.token}") == 403
	refused = httpx.get(site.method("metrics"), headers={"X-AI-Assistant-Token": "ä".encode()})
	assert refused.status_code == 403
	assert refused.json()["message"]["error"]["code"] == "not_permitted"


def test_without_a_token_in_the_configuration_none_is_right(site: Site) -> None:
	for token in ("", "None", TOKEN):
		refused = httpx.get(site.method("metrics"), headers={"X-AI-Assistant-Token": token})
		assert refused.status_code == 403


def test_health_tells_a_guest_no_more_than_whether(site: Site, process: StandaloneSite) -> None:
	well = httpx.get(site.method("health"))
	assert (well.status_code, well.text) == (200, "ok\n")
	database = process.data / "site.sqlite"
	with closing(sqlite3.connect(database)) as other:
		other.execute("ALTER TABLE request RENAME TO away")
		try:
			ill = httpx.get(site.method("health"))
		finally:
			other.execute("ALTER TABLE away RENAME TO request")
	assert (ill.status_code, ill.text) == (503, "unavailable\n")
	assert httpx.get(site.method("health")).status_code == 200
