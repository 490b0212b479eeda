"""Checks the site every minute, and notifies administrators when an alert begins and when it ends.

Thresholds are in the settings (`alerts`). The store keeps the alerts. On a bench the DocType AI Alert notifies.
"""

import math
import time
from collections.abc import Mapping, Sequence

import frappe
from frappe import _

from ai_assistant import store
from ai_assistant.chat import provider_health
from ai_assistant.config.settings import Alerts, load
from ai_assistant.gateway.health import OF_THE_KEY, REFUSED, Rest
from ai_assistant.log import fails_quietly, fields, logger
from ai_assistant.realtime import redis_health

from . import metrics, provider_figures
from .doctor.check import CheckFailed
from .provider_figures import KeyFigures

WINDOW_S = 300
# With fewer requests, providers and percentiles are not checked.
MIN_REQUESTS = 5
# An alert ends if its problem was not seen for this long: three checks in a row must pass.
QUIET_S = 150
MAX_ROWS = 3000
# Refusals that are not a provider's fault.
REFUSALS = ("content_filtered", "context_too_long", "invalid_request")

Verdicts = dict[store.AlertKey, str | None]
"""By kind and subject: a sentence about what is wrong, or None if there is too little data. A key without a verdict is
fine."""


@fails_quietly
def check() -> None:
	"""Check everything once, and store and log what begins and what ends. The scheduler calls it every minute."""
	settings, now = load(), store.current().now()
	rows = store.current().ended(now - WINDOW_S, MAX_ROWS)
	verdicts = of_rows(rows, [provider.name for provider in settings.providers], settings.alerts)
	for name, reason in settings.set_aside:
		earlier = verdicts.get(("configuration", name))
		verdicts["configuration", name] = f"{earlier} {reason}" if earlier else f"{name}: {reason}"
	verdicts |= of_keys(provider_health.state_of(settings.providers))
	if settings.realtime.enabled:
		# Do not keep a transaction open while waiting for the socket.
		frappe.db.rollback()
		verdicts |= of_realtime(settings.alerts)
	changes = []
	with store.transaction() as rows_of_store:
		open_alerts = rows_of_store.alerts()
		for (kind, subject), message in verdicts.items():
			if message is not None:
				rows_of_store.keep_alert(kind, subject, message, now)
				if (kind, subject) not in open_alerts:
					changes.append((f"⚠️ {kind} began: {message}", subject))
		for (kind, subject), last_seen in open_alerts.items():
			if (kind, subject) not in verdicts and now - last_seen > QUIET_S:
				rows_of_store.end_alert(kind, subject, now)
				changes.append((f"✅ {kind} is over", subject))
	for line, subject in changes:
		logger().warning(f"[Alert] {line} {fields(subject=subject)}")


def of_rows(rows: list[store.Row], providers: list[str], limits: Alerts) -> Verdicts:
	"""Judge requests.

	Args:
		rows: The requests that ended within WINDOW_S.
		providers: The names of the configured providers.
		limits: The thresholds.
	"""
	sums = metrics.sums_of(rows)
	first_events = [row["first_event_ms"] for row in rows if row["first_event_ms"]]
	# In these functions an empty sentence means that all is well.
	verdicts: Verdicts = {
		("event_failures", ""): _event_failures(sums, limits),
		("late_first_event", ""): _late_first_event(first_events, limits),
	}
	by_key = provider_figures.of_rows(rows)
	for name in providers:
		figures = [of_key for (provider, _label), of_key in by_key.items() if provider == name]
		verdicts["provider_failing", name] = _provider_failing(figures, name, limits)
		if limits.cached_percent:
			verdicts["low_cached_share", name] = _low_cached_share(figures, name, limits)
	return {key: sentence for key, sentence in verdicts.items() if sentence != ""}


def _event_failures(sums: dict[store.Series, float], limits: Alerts) -> str | None:
	failed = sums.get(("events", "failed"), 0)
	sent = failed + sums.get(("events", "emitted"), 0)
	if not sent:
		return None
	if 100 * failed / sent < limits.event_failures_percent:
		return ""
	message: str = _("Of the {0} events of the last five minutes, {1} met no realtime server.")
	return message.format(round(sent), round(failed))


def _late_first_event(first_events_ms: list[int], limits: Alerts) -> str | None:
	p95 = provider_figures.percentile(first_events_ms, 95)
	if p95 is None or len(first_events_ms) < MIN_REQUESTS:
		return None
	if p95 <= limits.first_event_ms:
		return ""
	message: str = _("Event 1 of the last {0} requests came after {1} ms (p95); the limit is {2} ms.")
	return message.format(len(first_events_ms), p95, limits.first_event_ms)


def _provider_failing(figures: Sequence[KeyFigures], name: str, limits: Alerts) -> str | None:
	requests = sum(of_key.asked for of_key in figures)
	if requests < MIN_REQUESTS:
		return None
	failed = sum(count for of_key in figures for code, count in of_key.failed.items() if code not in REFUSALS)
	if 100 * failed / requests <= limits.provider_failures_percent:
		return ""
	message: str = _("Provider {0} failed {1} of {2} times in the last five minutes.")
	return message.format(name, failed, requests)


def _low_cached_share(figures: Sequence[KeyFigures], name: str, limits: Alerts) -> str | None:
	answers = sum(of_key.asked - of_key.failed.total() for of_key in figures)
	prompt = sum(of_key.prompt_tokens for of_key in figures)
	if answers < MIN_REQUESTS or not prompt:
		return None
	percent = 100 * sum(of_key.cached_tokens for of_key in figures) / prompt
	if percent >= (limits.cached_percent or 0):
		return ""
	message: str = _(
		"Provider {0} read {1} % of its prompts from its cache in the last five minutes; the limit is {2} %."
	)
	return message.format(name, math.floor(percent), limits.cached_percent)


def of_keys(state: Mapping[tuple[str, str], Rest | None]) -> Verdicts:
	"""Finds the keys that rest. `state` is that of `provider_health.state_of`."""
	verdicts: Verdicts = {}
	for (name, label), rest in state.items():
		if rest is None or rest.kind not in OF_THE_KEY:
			continue
		kind = "key_refused" if rest.kind in REFUSED else "key_limited"
		key = _("key {0}").format(label) if label else _("key")
		if kind == "key_limited":
			sentence = _("Provider {0} limits its {1}. The key rests for {2} more seconds.")
		elif rest.kind == "refused_key":
			sentence = _("Provider {0} refuses its {1}. The key rests until somebody edits it.")
		else:
			sentence = _("Provider {0} has no credit for its {1}. The key rests for ten minutes.")
		message = sentence.format(name, key, max(1, round(rest.until - time.time())))
		earlier = verdicts.get((kind, name))
		verdicts[kind, name] = f"{earlier} {message}" if earlier else message
	return verdicts


def of_realtime(limits: Alerts) -> Verdicts:
	"""Whether an event that the site sends to itself arrives through a real socket, and how soon.

	The standalone site has no Redis, and its realtime server runs in the same process: there is nothing to check.
	"""
	if not frappe.conf.get("redis_queue"):
		return {}
	if reason := redis_health.why_not():
		message = _("Events reach no client: {0}.").format(reason)
		return {("realtime_gone", ""): message, ("slow_delivery", ""): None}
	# Imported here because the standalone site has no `frappe.utils.password`.
	from . import canary

	try:
		delivery_ms = canary.delivery_ms()
	except CheckFailed as failure:
		return {("slow_delivery", ""): _("An event did not come back: {0}.").format(failure.finding)}
	if delivery_ms <= limits.delivery_ms:
		return {}
	message = _("An event took {0} ms to come back through a socket; the limit is {1} ms.")
	return {("slow_delivery", ""): message.format(round(delivery_ms), limits.delivery_ms)}
