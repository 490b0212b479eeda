"""Checks of what runs outside of web requests: workers and scheduler."""

import socket
from collections import Counter
from contextlib import suppress
from datetime import datetime, timezone
from typing import Any

import frappe

from ai_assistant import hooks
from ai_assistant.chat import queue

from .check import CheckFailed, counted

# RQ's own limit for a worker's heartbeat with its leeway (rq/worker.py, `heartbeat`). An idle worker sends one every 405 s.
HEARTBEAT_S = 480.0
# The app's job runs every minute. A long job of another app may delay it.
JOB_DELAY_S = 300.0


def workers() -> str:
	"""Check that live workers serve the queue for chats in the background."""
	from frappe.utils.background_jobs import get_queue, get_workers

	name = queue.queue_name()
	rq_queue = get_queue(name)
	# Redis lists a dead worker for minutes. Its channel ends with its process.
	channels = {channel.decode() for channel in rq_queue.connection.pubsub_channels("rq:pubsub:*")}
	live = [worker for worker in get_workers(rq_queue) if f"rq:pubsub:{worker.name}" in channels]
	if not live:
		if forgotten := channels - {f"rq:pubsub:{worker.name}" for worker in get_workers()}:
			raise CheckFailed(
				f"Redis has forgotten {counted(len(forgotten), 'worker')}, of {name} or of another queue: it has lost its data",
				"Restart the workers, so that they register again: supervisorctl restart frappe-bench-workers:.",
			)
		raise CheckFailed(
			f"no worker serves the queue {name}; {rq_queue.count} wait in it",
			f"Start workers: bench --site {frappe.local.site} ai-assistant worker (docs/reliability.md).",
		)
	if frozen := sorted(f"pid {worker.pid} {reason}" for worker in live if (reason := _frozen(worker))):
		raise CheckFailed(
			f"{len(frozen)} of {len(live)} workers of {name} are frozen: {'; '.join(frozen)}",
			"Continue them (kill -CONT) or restart them: supervisorctl restart frappe-bench-workers:.",
		)
	busy = Counter(worker.get_state() for worker in live)["busy"]
	return f"{len(live)} of {name}, {busy} busy; {rq_queue.count} wait in it"


def scheduler() -> str:
	"""Check that the scheduler is on, and that the app's job of each minute has run lately."""
	from frappe.utils.scheduler import is_scheduler_inactive

	site = frappe.local.site
	if is_scheduler_inactive(verbose=False):
		raise CheckFailed(
			"it is off: requests of dead processes do not end, there are no alerts, and old logs are not deleted",
			f"bench --site {site} scheduler enable. pause_scheduler in the site's configuration stops it too.",
		)
	(method,) = hooks.scheduler_events["cron"]["* * * * *"]
	job = {"method": method, "stopped": 0}
	times = frappe.db.get_value("Scheduled Job Type", job, ["last_execution", "creation"])
	if not times:
		raise CheckFailed(
			"the app's job is missing or stopped",
			f"bench --site {site} migrate. Check Stopped in Scheduled Job Type.",
		)
	last, created = times
	if (age_s := (frappe.utils.now_datetime() - (last or created)).total_seconds()) > JOB_DELAY_S:
		raise CheckFailed(
			f"it is enabled, but the app's job of each minute has not run for {age_s / 60:.0f} minutes",
			"Start bench schedule and workers of the queue default: bench start, or supervisorctl restart"
			" frappe-bench-workers:.",
		)
	return f"the job of each minute ran {max(age_s, 0):.0f} s ago"


def _frozen(worker: Any) -> str | None:
	"""Why a worker of RQ does no work; None if it seems to.

	The kernel knows at once about a process of this machine. A missing heartbeat shows only after eight minutes.
	"""
	if worker.hostname == socket.gethostname():
		import psutil

		# Containers may share a host's name, but not its processes.
		with suppress(psutil.NoSuchProcess):
			status = psutil.Process(worker.pid).status()
			if status in (psutil.STATUS_STOPPED, psutil.STATUS_TRACING_STOP):
				return f"is {status}"
	if worker.last_heartbeat is None:
		return None
	age = datetime.now(timezone.utc) - worker.last_heartbeat.replace(tzinfo=timezone.utc)
	seconds = age.total_seconds()
	return f"has sent no heartbeat for {seconds:.0f} s" if seconds > HEARTBEAT_S else None
