"""Metrics of all processes for Prometheus. They are computed from the rows of requests, so they are exact and do not slow
chats down. Only refused calls have a counter of their own.

Each ended request is added once to sums in the store, by a scrape or by the scheduler. So a scrape costs as much as the
requests that ended since the last one, and sums do not fall when old requests are deleted.

A refused request has no row. `chat.refusals` counts it.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import accumulate
from typing import TYPE_CHECKING

from ai_assistant import store
from ai_assistant.chat import provider_health, refusals
from ai_assistant.chat.errors import STANDARD_STATUS
from ai_assistant.config.settings import load
from ai_assistant.log import fails_quietly

from . import provider_figures

if TYPE_CHECKING:
	from prometheus_client import Metric

# Requests that one transaction adds. On SQLite it blocks other writers.
BATCH = 200
# Requests that one run of the scheduler adds.
MAX_PER_MINUTE = 5000
# Requests that one scrape adds. After an upgrade there may be more; then the next scrape continues.
MAX_PER_SCRAPE = 1000

# The values of the label `kind`. The field of the usage is `prompt_tokens`, and so on.
TOKENS = ("prompt", "cached", "cache_write", "completion", "reasoning")

COUNTERS = {
	"requests": ("Requests that have ended.", ("status",)),
	"request_errors": ("Requests that failed, by the code of the error.", ("code",)),
	"events": ("Events of ended requests, by whether a realtime server was subscribed.", ("outcome",)),
	"provider_requests": ("How often a provider was asked.", ("provider", "key")),
	"provider_errors": (
		"How often a provider failed, by the code of the error.",
		("provider", "code", "key"),
	),
	"tool_calls": ("Calls of tools of the site, by their outcome.", ("tool", "outcome")),
	"fallbacks": ("How often another provider was asked because this one had failed.", ("provider",)),
	"tokens": (
		"Tokens, as providers count them. prompt includes cached and cache_write, completion includes reasoning.",
		("provider", "kind", "key"),
	),
	"cost_usd": ("US dollars, where the price of the model is known.", ("provider",)),
}
# Bounds for what a provider's answer takes.
SECONDS = (0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120)
HISTOGRAMS = {
	"first_event": (
		"From the request's arrival in the site's code to event 1.",
		(),
		(0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5),
	),
	"first_reasoning": ("From acceptance to the first reasoning.", (), SECONDS),
	"first_text": ("From acceptance to the first text.", (), SECONDS),
	"duration": ("From acceptance to the end.", (), (0.5, 1, 2.5, 5, 10, 30, 60, 120, 300, 1200)),
	"first_chunk": (
		"From acceptance to the first reasoning or text of a request that was asked once.",
		("provider", "key"),
		(0.1, *SECONDS),
	),
}
"""By name: the description, the labels, and the upper bounds of the buckets in seconds."""

# These counters exist from the start. Otherwise Prometheus could compute no rate for the first failure.
FROM_THE_START: tuple[store.Series, ...] = (
	("requests", "completed"),
	("requests", "cancelled"),
	("requests", "failed"),
	("events", "emitted"),
	("events", "failed"),
)
REFUSED_FROM_THE_START = ("busy", "invalid_request", "not_permitted", "rate_limited", "unauthenticated")
SUM, ABOVE = "sum", "+Inf"


@fails_quietly
def tally() -> None:
	"""Add ended requests to the sums. The scheduler calls it every minute."""
	add(MAX_PER_MINUTE)


def add(limit: int) -> None:
	"""Add ended requests to the sums.

	Args:
		limit: Number of requests, rounded up to whole batches.

	Raises:
		store.StoreUnavailable: The store cannot be reached.
	"""
	for _batch in range(0, limit, BATCH):
		with store.transaction() as rows:
			if not rows.count(sums_of, BATCH):
				return


def sums_of(rows: Iterable[store.Row]) -> dict[store.Series, float]:
	"""The sums of ended requests, without those that are 0."""
	sums: defaultdict[store.Series, float] = defaultdict(float)
	for row in rows:
		for series, value in _values_of(row):
			sums[series] += value
	return {series: value for series, value in sums.items() if value}


def _values_of(row: store.Row) -> Iterator[tuple[store.Series, float]]:
	answered = row["provider"] if row["status"] != "failed" else None
	yield ("requests", row["status"]), 1
	if row["error"]:
		yield ("request_errors", row["error"]["code"]), 1
	realtime = row["realtime"] or {"events": 0, "failed": 0}
	yield ("events", "emitted"), realtime["events"] - realtime["failed"]
	yield ("events", "failed"), realtime["failed"]
	failures = row["attempts"] or []
	for number, failure in enumerate(failures, start=1):
		key = _key_of(failure.get("key"))
		yield ("provider_requests", failure["provider"], *key), 1
		yield ("provider_errors", failure["provider"], failure["error"], *key), 1
		# The last failure of a failed request has no fallback.
		yield ("fallbacks", failure["provider"]), int(row["status"] != "failed" or number < len(failures))
	if answered:
		key = _key_of(row.get("key_label"))
		yield ("provider_requests", answered, *key), 1
		usage = row["usage"] or {}
		for kind in TOKENS:
			yield ("tokens", answered, kind, *key), usage.get(f"{kind}_tokens") or 0
		yield ("cost_usd", answered), usage.get("cost_usd") or 0
		for ms in provider_figures.first_chunk_ms(row):
			yield from _observation("first_chunk", ms, answered, *key)
	for run in row.get("tool_runs") or []:
		yield ("tool_calls", run["name"], run["outcome"]), 1
	timing = row["timing"] or {}
	yield from _observation("first_event", row["first_event_ms"] or None)
	yield from _observation("first_reasoning", timing.get("first_reasoning_ms"))
	yield from _observation("first_text", timing.get("first_text_ms"))
	yield from _observation("duration", timing.get("duration_ms"))


def _key_of(label: str | None) -> tuple[str, ...]:
	"""The label `key` of a series. A provider with one key has none, as before keys had labels."""
	return (label,) if label else ()


def _observation(name: str, ms: int | None, *labels: str) -> Iterator[tuple[store.Series, float]]:
	if ms is None:
		return
	seconds = ms / 1000
	_description, _labels, bounds = HISTOGRAMS[name]
	yield (name, next((str(bound) for bound in bounds if seconds <= bound), ABOVE), *labels), 1
	yield (name, SUM, *labels), seconds


def text() -> tuple[str, str]:
	"""All metrics in Prometheus' text format, and its content type. Raises store.StoreUnavailable."""
	# The import takes 0.1 s, which chats do not need.
	from prometheus_client import CollectorRegistry, ProcessCollector, generate_latest
	from prometheus_client.exposition import CONTENT_TYPE_LATEST

	add(MAX_PER_SCRAPE)
	registry = CollectorRegistry(auto_describe=False)
	registry.register(_Rows())
	# The memory, CPU time and open files of the process that answers this scrape.
	ProcessCollector(registry=registry)
	return generate_latest(registry).decode(), CONTENT_TYPE_LATEST


class _Rows:
	"""A collector for prometheus_client, which reads the store at each scrape."""

	def collect(self) -> Iterator["Metric"]:
		from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily

		rows = store.current()
		now = rows.now()
		sums = dict.fromkeys(FROM_THE_START, 0.0) | rows.sums()
		for name, (description, labels) in COUNTERS.items():
			counter = CounterMetricFamily(f"ai_assistant_{name}", description, labels=labels)
			for series in sorted(series for series in sums if series[0] == name):
				counter.add_metric(series[1:], sums[series])
			yield counter
		for name, (description, labels, bounds) in HISTOGRAMS.items():
			histogram = HistogramMetricFamily(f"ai_assistant_{name}_seconds", description, labels=labels)
			# One without labels exists from the start.
			measured = {series[2:] for series in sums if series[0] == name} if labels else {()}
			for values in sorted(measured):
				histogram.add_metric(values, *_buckets(sums, name, bounds, *values))
			yield histogram
		if (refused := refusals.counts(STANDARD_STATUS)) is not None:
			counter = CounterMetricFamily(
				"ai_assistant_refusals",
				"Calls that the site refused, by the code of the error.",
				labels=("code",),
			)
			for code, count in sorted(refused.items()):
				if count or code in REFUSED_FROM_THE_START:
					counter.add_metric((code,), count)
			yield counter
		chats = GaugeMetricFamily("ai_assistant_chats", "Requests that have not ended.", labels=("status",))
		for status, count in rows.unended(now).items():
			chats.add_metric((status,), count)
		yield chats
		resting = GaugeMetricFamily(
			"ai_assistant_provider_resting",
			"Whether a provider or its key rests because it has failed, and is asked last.",
			labels=("provider", "key"),
		)
		until = GaugeMetricFamily(
			"ai_assistant_provider_resting_until_seconds",
			"The UNIX time until which a provider or its key rests, 0 if it does not rest.",
			labels=("provider", "key"),
		)
		for key, rest in provider_health.state_of(load().providers).items():
			resting.add_metric(key, int(rest is not None))
			until.add_metric(key, rest.until if rest else 0)
		yield resting
		yield until


def _buckets(
	sums: Mapping[store.Series, float], name: str, bounds: Sequence[float], *labels: str
) -> tuple[list[tuple[str, float]], float]:
	"""Returns the buckets of a histogram, each with those below it, and the sum."""
	names = [*(str(bound) for bound in bounds), ABOVE]
	below = accumulate(sums.get((name, bound, *labels), 0) for bound in names)
	return list(zip(names, below, strict=True)), sums.get((name, SUM, *labels), 0)
