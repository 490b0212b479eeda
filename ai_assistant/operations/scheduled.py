"""What the scheduler does each minute, as one job: a job of Frappe's takes 0.6 s of CPU, whatever it does."""

from typing import Any

from ai_assistant.chat import queue, termination

from . import alerts, metrics


def run() -> None:
	"""Does all of it. Each fails by itself, in our log."""
	for work in (termination.sweep, queue.enqueue_again, metrics.tally, alerts.check):
		work()


def keep_no_log(job: Any, method: str | None = None) -> None:
	"""Turns off the Scheduled Job Log of this job, which would get 1,440 rows a day.

	Frappe turns it on for each job but those of the frequency `All`, in `validate` (scheduled_job_type.py); this runs
	after that, as a document event of Scheduled Job Type. A failure is in our own log.

	Args:
		job: the Scheduled Job Type that is being saved, of whichever app.
		method: the name of the event, which Frappe passes.
	"""
	if job.method == f"{__name__}.{run.__name__}":
		job.create_log = 0
