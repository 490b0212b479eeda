"""Steps of a test that run in the bench's own Python, on the site of the Stack (`Stack.inside`)."""

import json
import os
import sys
from typing import Any


def check() -> dict[str, Any]:
	"""Looks as the scheduler does; the alerts that are open by then, and what the administrator was told so far."""
	import frappe

	from ai_assistant.operations import alerts

	alerts.check()
	rows = frappe.get_all("AI Alert", {"status": "open"}, ["kind", "subject", "message"])
	told = frappe.get_all(
		"Notification Log", {"for_user": "Administrator", "document_type": "AI Alert"}, pluck="subject"
	)
	return {
		"open": {f"{alert.kind} {alert.subject or ''}".strip(): alert.message for alert in rows},
		"told": sorted(told),
	}


def clear() -> None:
	"""Deletes all requests, events and alerts."""
	import frappe

	for doctype in ("AI Request", "AI Request Event", "AI Alert", "Notification Log"):
		frappe.db.delete(doctype)


def pass_time() -> None:
	"""An hour passes since alerts were seen, and since requests ended."""
	import frappe

	frappe.db.sql("update `tabAI Alert` set seen = seen - 3600")
	frappe.db.sql("update `tabAI Request` set ended = ended - 3600 where ended > 0")


def minute() -> None:
	"""Does what the scheduler does each minute."""
	from ai_assistant.operations import scheduled

	scheduled.run()


def schedule(minutes: int) -> None:
	"""The scheduler is on, and the app's jobs were last done in so many minutes, or before them."""
	import frappe
	from frappe.utils import add_to_date, now_datetime
	from frappe.utils.scheduler import enable_scheduler

	enable_scheduler()
	for name in frappe.get_all("Scheduled Job Type", {"method": ("like", "ai_assistant.%")}, pluck="name"):
		last = add_to_date(now_datetime(), minutes=minutes)
		frappe.db.set_value("Scheduled Job Type", name, "last_execution", last)


def enqueue(
	job: str, site: str, user: str = "Administrator", timeout: int = 60, garbled: bool = False, **kwargs: Any
) -> str:
	"""A job of jobs.py into the queue ai, as Frappe enqueues it; RQ's id of it. One that is garbled cannot be unpickled."""
	from frappe.utils.background_jobs import execute_job, get_queue
	from rq.job import Job

	from tests.faults.bench import jobs

	queue, method = get_queue("ai"), getattr(jobs, job)
	fields = {"site": site, "user": user, "method": method, "event": None, "job_name": job, "kwargs": kwargs}
	made = Job.create(
		execute_job, kwargs=fields, connection=queue.connection, origin=queue.name, timeout=timeout
	)
	made.set_status("queued")
	made.save()
	if garbled:
		queue.connection.hset(made.key, "data", b"garbled")
	queue.push_job_id(made.id)
	return str(made.id)


def ended(jobs: list[str]) -> list[list[Any]]:
	"""Of each job once it has ended: how, what it returned, and the last line of what it raised."""
	import time

	from frappe.utils.background_jobs import get_redis_conn
	from rq.job import Job

	outcomes = []
	for job_name in jobs:
		while (job := Job.fetch(job_name, connection=get_redis_conn())).get_status() not in (
			"finished",
			"failed",
		):
			time.sleep(0.1)
		result = job.latest_result()
		raised = (result.exc_string or "").strip().splitlines()
		outcomes.append([str(job.get_status()).rpartition(".")[2].lower(), result.return_value, raised[-1:]])
	return outcomes


def sessions() -> int:
	"""How many sessions the site has."""
	import frappe

	return int(frappe.db.count("Sessions"))


def row(request_id: str) -> list[str]:
	"""The names of the rows of a request."""
	import frappe

	names: list[str] = frappe.get_all("AI Request", {"request_id": request_id}, pluck="name")
	return names


def force_stop(name: str) -> None:
	"""Stops the job of a request, as the button of RQ Job in Desk does."""
	import frappe
	from frappe.utils.background_jobs import create_job_id

	frappe.get_doc("RQ Job", create_job_id(name)).stop_job()


def worker(pid: int) -> list[Any]:
	"""Of a worker as Desk lists it, among those that were killed and are not forgotten: its state, whether it has a job."""
	import frappe

	(of_pid,) = (worker for worker in frappe.get_all("RQ Worker") if int(worker.pid) == pid)
	return [of_pid.status, bool(of_pid.current_job_id)]


if __name__ == "__main__":
	import frappe

	# Not this folder.
	sys.path.pop(0)
	site, url, step, arguments = sys.argv[1:]
	frappe.init(site)
	frappe.connect()
	frappe.set_user("Administrator")
	# Where browsers find the Stack: of its ports this one is read by Node alone.
	frappe.local.conf.update(host_name=url, socketio_port=os.environ["FRAPPE_SOCKETIO_PORT"])
	steps = (check, clear, pass_time, minute, schedule, enqueue, ended, sessions, row, force_stop, worker)
	answered = {function.__name__: function for function in steps}[step](**json.loads(arguments))
	frappe.db.commit()
	print(json.dumps(answered))
