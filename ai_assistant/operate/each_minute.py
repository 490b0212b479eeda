"""What the scheduler does each minute, as one job: a job of Frappe's takes 0.6 s of CPU, whatever it does."""

from ai_assistant.chat import life, queue

from . import alerts, metrics


def run() -> None:
	"""Does all of it. Each fails by itself, in our log."""
	for work in (life.sweep, queue.enqueue_again, metrics.tally, alerts.check):
		work()
