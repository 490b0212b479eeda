"""The job that runs every minute. It does all the scheduled work, because each job of Frappe takes 0.6 s of CPU."""

from typing import Any

from ai_assistant.chat import queue, termination, webhooks

from . import alerts, metrics

WORK = (termination.sweep, queue.enqueue_again, webhooks.deliver_later, metrics.tally, alerts.check)


def run() -> None:
	"""Do all of it. A part that fails is logged, and the others run."""
	for work in WORK:
		work()


def keep_no_log(job: Any, method: str | None = None) -> None:
	"""Turn off the Scheduled Job Log of this job, which would get 1,440 rows a day.

	Frappe turns the log on in `validate` for each job except those of the frequency `All` (scheduled_job_type.py). This
	document event of Scheduled Job Type runs after that. Failures are in the app's own log.

	Args:
		job: The Scheduled Job Type that is saved, of any app.
		method: The name of the event, which Frappe passes.
	"""
	if job.method == f"{__name__}.{run.__name__}":
		job.create_log = 0
