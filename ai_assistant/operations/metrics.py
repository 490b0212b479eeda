"""Figures of all processes for Prometheus, out of the rows that requests leave: exact, and a chat pays nothing for them.

Each request that has ended is added once to sums that the store keeps, by whoever asks for figures first or by the
scheduler. So a scrape costs what ended since the one before, and no sum falls when old requests are cleared.
"""

import time
from collections import defaultdict
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

from ai_assistant import store
from ai_assistant.log import fails_quietly

if TYPE_CHECKING:
	from prometheus_client import Metric

# How many requests one transaction adds: on SQLite nobody else writes meanwhile. And how many one scrape may: with
# more to do, as after an upgrade, it gives what was added so far, and the next one goes on.
BATCH, MOST, MOST_A_SCRAPE = 200, 5000, 1000

# By the label `kind`.
TOKENS = {
	"prompt": "prompt_tokens",
	"cached": "cached_tokens",
	"cache_write": "cache_write_tokens",
	"completion": "completion_tokens",
	"reasoning": "reasoning_tokens",
}

COUNTERS = {
	"requests": ("Requests that have ended.", ("status",)),
	"request_errors": ("Requests that failed, by the code of the error.", ("code",)),
	"events": (
		"Events of ended requests, by whether a realtime server was there to take them.",
		("outcome",),
	),
	"provider_requests": ("How often a provider was asked.", ("provider",)),
	"provider_errors": ("How often a provider failed, by the code of the error.", ("provider", "code")),
	"fallbacks": ("How often another provider was asked because this one had failed.", ("provider",)),
	"tokens": (
		"Tokens, as providers count them. prompt includes cached and cache_write, completion includes reasoning.",
		("provider", "kind"),
	),
	"cost_usd": ("US dollars, where the price of the model is known.", ("provider",)),
}
HISTOGRAMS = {
	"first_event": (
		"To event 1, since the request had reached the site's code.",
		(0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5),
	),
	"first_reasoning": ("To the first reasoning, since acceptance.", (0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120)),
	"first_text": ("To the first text, since acceptance.", (0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120)),
	"duration": ("To the end, since acceptance.", (0.5, 1, 2.5, 5, 10, 30, 60, 120, 300, 1200)),
}
"""By the name of the sum, what it is of (seconds), and the upper bounds of its buckets."""
# A counter that begins with its first failure has no rate for it.
FROM_THE_START: tuple[store.Series, ...] = (
	("requests", "completed"),
	("requests", "cancelled"),
	("requests", "failed"),
	("events", "emitted"),
	("events", "failed"),
)
SUM, ABOVE = "sum", "+Inf"


@fails_quietly
def tally() -> None:
	"""Adds the requests that have ended to the sums. The scheduler does it every minute."""
	add(MOST)


def add(most: int) -> None:
	"""Adds up to about `most` requests that have ended to the sums. Raises store.StoreUnavailable."""
	for _batch in range(0, most, BATCH):
		with store.transaction() as kept:
			if not kept.count(sums_of, BATCH):
				return


def sums_of(rows: Iterable[store.Row]) -> dict[store.Series, float]:
	"""What requests that have ended came to."""
	sums: defaultdict[store.Series, float] = defaultdict(float)
	for row in rows:
		for series, value in _of(row):
			sums[series] += value
	return {series: value for series, value in sums.items() if value}


def _of(row: store.Row) -> Iterator[tuple[store.Series, float]]:
	answered = row["provider"] if row["status"] != "failed" else None
	yield ("requests", row["status"]), 1
	if row["error"]:
		yield ("request_errors", row["error"]["code"]), 1
	realtime = row["realtime"] or {"events": 0, "failed": 0}
	yield ("events", "emitted"), realtime["events"] - realtime["failed"]
	yield ("events", "failed"), realtime["failed"]
	failures = row["attempts"] or []
	for number, failure in enumerate(failures, start=1):
		yield ("provider_requests", failure["provider"]), 1
		yield ("provider_errors", failure["provider"], failure["error"]), 1
		# Nobody was asked after the last failure of a request that failed.
		yield ("fallbacks", failure["provider"]), int(row["status"] != "failed" or number < len(failures))
	if answered:
		yield ("provider_requests", answered), 1
		usage = row["usage"] or {}
		for kind, field in TOKENS.items():
			yield ("tokens", answered, kind), usage.get(field) or 0
		yield ("cost_usd", answered), usage.get("cost_usd") or 0
	timing = row["timing"] or {}
	yield from _observed("first_event", row["first_event_ms"] or None)
	yield from _observed("first_reasoning", timing.get("first_reasoning_ms"))
	yield from _observed("first_text", timing.get("first_text_ms"))
	yield from _observed("duration", timing.get("duration_ms"))


def _observed(name: str, ms: int | None) -> Iterator[tuple[store.Series, float]]:
	if ms is None:
		return
	seconds = ms / 1000
	bounds = HISTOGRAMS[name][1]
	yield (name, next((str(bound) for bound in bounds if seconds <= bound), ABOVE)), 1
	yield (name, SUM), seconds


def text() -> tuple[str, str]:
	"""All figures in Prometheus' text format, and its content type. Raises store.StoreUnavailable."""
	# Whoever chats need not pay for its 0.1 s.
	from prometheus_client import CollectorRegistry, ProcessCollector, generate_latest
	from prometheus_client.exposition import CONTENT_TYPE_LATEST

	add(MOST_A_SCRAPE)
	registry = CollectorRegistry(auto_describe=False)
	registry.register(_Rows())
	# The memory, CPU time and open files of the process that answers this scrape.
	ProcessCollector(registry=registry)
	return generate_latest(registry).decode(), CONTENT_TYPE_LATEST


class _Rows:
	"""prometheus_client's collector: what the store has at the moment it is asked."""

	def collect(self) -> Iterator["Metric"]:
		from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily

		kept = store.current()
		now = kept.now()
		sums = dict.fromkeys(FROM_THE_START, 0.0) | kept.sums()
		for name, (about, labels) in COUNTERS.items():
			counter = CounterMetricFamily(f"ai_assistant_{name}", about, labels=labels)
			for series in sorted(each for each in sums if each[0] == name):
				counter.add_metric(series[1:], sums[series])
			yield counter
		for name, (about, bounds) in HISTOGRAMS.items():
			histogram = HistogramMetricFamily(f"ai_assistant_{name}_seconds", about)
			below, buckets = 0.0, []
			for bound in (*map(str, bounds), ABOVE):
				below += sums.get((name, bound), 0)
				buckets.append((bound, below))
			histogram.add_metric((), buckets, sums.get((name, SUM), 0))
			yield histogram
		chats = GaugeMetricFamily("ai_assistant_chats", "Requests that have not ended.", labels=("status",))
		for status, count in kept.unended(now).items():
			chats.add_metric((status,), count)
		yield chats
