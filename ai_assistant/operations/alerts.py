"""What somebody has to be told: looked at every minute, told once when it begins and once when it is over.

Thresholds are in the settings (`alerts`). The store keeps the alerts; on a bench the DocType AI Alert notifies.
"""

import math
import time

import frappe
from frappe import _

from ai_assistant import store
from ai_assistant.config.settings import Alerts, load
from ai_assistant.log import fails_quietly, fields, logger
from ai_assistant.realtime import redis_health

from . import metrics
from .doctor.check import CheckFailed

WINDOW_S = 300
# Fewer say nothing about a provider, or about a percentile.
FEWEST = 5
# What has not been seen for so long is over: it must be well three times in a row.
QUIET_S = 150
NEWEST = 3000
# What a provider rightly refuses is no failure of it.
REFUSALS = ("content_filtered", "context_too_long", "invalid_request")

Verdicts = dict[store.AlertKey, str | None]
"""By kind and subject what is wrong, in a sentence; None where there is nothing to tell by. All else is well."""


@fails_quietly
def check() -> None:
	"""Looks at everything once. The scheduler does it every minute."""
	configured, now = load(), store.current().now()
	rows = store.current().ended(now - WINDOW_S, NEWEST)
	names = [each.name for each in configured.providers]
	verdicts = of_rows(rows, names, configured.alerts)
	for name, reason in configured.set_aside:
		earlier = verdicts.get(("configuration", name))
		verdicts["configuration", name] = f"{earlier} {reason}" if earlier else f"{name}: {reason}"
	if configured.realtime.enabled:
		# What was read shall not be kept open while a socket is waited for.
		frappe.db.rollback()
		verdicts |= of_realtime(configured.alerts)
	told = []
	with store.transaction() as kept:
		seen = kept.alerts()
		for (kind, subject), message in verdicts.items():
			if message is not None:
				kept.keep_alert(kind, subject, message, now)
				if (kind, subject) not in seen:
					told.append((f"⚠️ {kind} began: {message}", subject))
		for (kind, subject), at in seen.items():
			if (kind, subject) not in verdicts and now - at > QUIET_S:
				kept.end_alert(kind, subject, now)
				told.append((f"✅ {kind} is over", subject))
	for line, subject in told:
		logger().warning(f"[Alert] {line} {fields(subject=subject)}")


def of_rows(rows: list[store.Row], providers: list[str], limits: Alerts) -> Verdicts:
	"""Judges the requests that ended within WINDOW_S."""
	sums = metrics.sums_of(rows)
	firsts = [row["first_event_ms"] for row in rows if row["first_event_ms"]]
	found: Verdicts = {
		("event_failures", ""): _event_failures(sums, limits),
		("late_first_event", ""): _late_first_event(firsts, limits),
	}
	found |= {("provider_failing", name): _provider_failing(sums, name, limits) for name in providers}
	# What is well is left out.
	return {key: said for key, said in found.items() if said != ""}


def _event_failures(sums: dict[store.Series, float], limits: Alerts) -> str | None:
	failed = sums.get(("events", "failed"), 0)
	sent = failed + sums.get(("events", "emitted"), 0)
	if not sent:
		return None
	if 100 * failed / sent < limits.event_failures_percent:
		return ""
	message: str = _("Of the {0} events of the last five minutes, {1} met no realtime server.")
	return message.format(round(sent), round(failed))


def _late_first_event(firsts: list[int], limits: Alerts) -> str | None:
	if len(firsts) < FEWEST:
		return None
	p95 = sorted(firsts)[math.ceil(0.95 * len(firsts)) - 1]
	if p95 <= limits.first_event_ms:
		return ""
	message: str = _("Event 1 of the last {0} requests came after {1} ms (p95); it should within {2} ms.")
	return message.format(len(firsts), p95, limits.first_event_ms)


def _provider_failing(sums: dict[store.Series, float], name: str, limits: Alerts) -> str | None:
	asked = round(sums.get(("provider_requests", name), 0))
	if asked < FEWEST:
		return None
	failed = round(
		sum(
			count
			for (metric, *labels), count in sums.items()
			if metric == "provider_errors" and labels[0] == name and labels[1] not in REFUSALS
		)
	)
	if 100 * failed / asked <= limits.provider_failures_percent:
		return ""
	message: str = _("Provider {0} failed {1} of {2} times in the last five minutes.")
	return message.format(name, failed, asked)


def of_realtime(limits: Alerts) -> Verdicts:
	"""Whether an event that the site sends to itself arrives through a real socket, and how soon.

	The standalone site has no Redis, and its realtime server runs in the same process: there is nothing to check.
	"""
	if not frappe.conf.get("redis_queue"):
		return {}
	if reason := redis_health.why_not():
		message = _("Events reach nobody: {0}.").format(reason)
		return {("realtime_gone", ""): message, ("slow_delivery", ""): None}
	# It needs more of Frappe than the standalone site has.
	from . import canary

	try:
		took = canary.delivery_ms()
	except CheckFailed as failure:
		return {("slow_delivery", ""): _("An event did not come back: {0}.").format(failure.finding)}
	if took <= limits.delivery_ms:
		return {}
	message = _("An event took {0} ms to come back through a socket; it should within {1} ms.")
	return {("slow_delivery", ""): message.format(round(took), limits.delivery_ms)}
