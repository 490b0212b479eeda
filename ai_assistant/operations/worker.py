"""RQ's worker with a thread for each chat, so that one process answers many chats.

A chat waits for its provider nearly all the time, and Frappe's web server runs requests in threads too.
docs/reliability.md compares this with a fork for each chat. The thread of a job runs RQ's own `SimpleWorker.execute_job` on
a copy of the worker, so that what RQ stores there about the current job (2.x: its execution) belongs to that job. The
main thread takes jobs while a place is free, and sends Redis a heartbeat each second.
tests/faults/bench/test_worker.py tests it with RQ 1.15 and 1.16, and with 2.6, which Frappe 16 pins.
"""

import copy
import importlib
import signal
import threading
import time
from contextlib import suppress
from types import FrameType
from typing import Any

import frappe
from redis.exceptions import RedisError
from rq import Queue, SimpleWorker
from rq.command import handle_command, parse_payload
from rq.exceptions import DequeueTimeout
from rq.job import Job
from rq.timeouts import TimerDeathPenalty
from rq.worker import WorkerStatus

from ai_assistant import api, store
from ai_assistant.chat import running
from ai_assistant.config import settings
from ai_assistant.log import logger
from ai_assistant.realtime import redis_health

# How often the main thread checks for signals and sends a heartbeat.
TURN_S = 1
# How often it checks for a free place.
POLL_S = 0.05
# The pause before it tries Redis again.
REDIS_RETRY_S = 2


class ChatWorker(SimpleWorker):
	"""Answers `places` chats at a time.

	Other jobs must work outside of the main thread. RQ's timeout is raised in the thread of the job, so it does not end
	a job that waits in C code.
	"""

	# RQ's default uses a signal, which only the main thread may set.
	death_penalty_class = TimerDeathPenalty

	def __init__(self, queue: Queue, places: int) -> None:
		super().__init__([queue], connection=queue.connection)
		self.places = places
		self._running: dict[threading.Thread, Job] = {}
		self._hurries = False

	def work(self, logging_level: str = "INFO") -> None:
		"""Work until SIGTERM or SIGINT, then until the running chats have ended. Wait for Redis if it is away."""
		self._install_signal_handlers()
		try:
			while not self._stop_requested:
				try:
					self._stay_registered(logging_level)
					self._take()
				except RedisError as error:
					self.log.error("Worker %s: Redis: %s", self.name, error)
					time.sleep(REDIS_RETRY_S)
		finally:
			self.teardown()

	def teardown(self) -> None:
		self.log.info("Worker %s: takes no more jobs, and finishes %d", self.name, len(self._jobs()))
		while self._jobs():
			if self._hurries:
				running.abandon()
			with suppress(RedisError):
				self._send_heartbeat()
			self._wait_while(1)
		with suppress(RedisError):
			super().teardown()

	def request_force_stop(self, signum: int, frame: FrameType | None) -> None:
		"""The second signal ends the chats with what has arrived. A third signal ends the process."""
		self._hurries = True
		for number in (signal.SIGINT, signal.SIGTERM):
			signal.signal(number, signal.SIG_DFL)

	def handle_payload(self, message: dict[str, Any]) -> None:
		"""Handle a command. RQ would answer Desk's "Force Stop running job" by killing the process of the job: this one."""
		payload = parse_payload(message)
		if payload["command"] == "stop-job":
			running.abandon(payload["job_id"])
		else:
			handle_command(self, payload)

	def subscribe(self) -> None:
		"""Subscribe once. The listening thread reconnects by itself after Redis was away or has lost its data."""
		if not self._listens():
			super().subscribe()

	def unsubscribe(self) -> None:
		"""Stop the listening thread, and leave its connection alone.

		RQ's own method reads from the connection when it reconnects after Redis was away. Then both threads wait for what
		the other has read (RQ 2.6 with redis-py 7).
		"""
		if self.pubsub_thread is not None:
			self.pubsub_thread.stop()

	def _shutdown(self) -> None:
		# RQ's own method raises in the main thread at any point: a job that was just taken would be lost.
		self._stop_requested = True

	def _listens(self) -> bool:
		return self.pubsub_thread is not None and self.pubsub_thread.is_alive()

	def _stay_registered(self, logging_level: str) -> None:
		"""Register the worker, unless Redis still lists it and commands reach it."""
		if self._listens() and self.connection.hexists(self.key, "birth"):
			return
		if self.pubsub is not None:
			self.register_death()
		self.bootstrap(logging_level)

	def _take(self) -> None:
		"""Start the next job if there is one and a place is free. Returns after TURN_S at the latest."""
		self._send_heartbeat()
		if self.should_run_maintenance_tasks:
			self.run_maintenance_tasks()
		if len(self._jobs()) >= self.places:
			self._wait_while(self.places)
			return
		with suppress(DequeueTimeout):
			job, queue = self.queue_class.dequeue_any(
				self.queues,
				TURN_S,
				connection=self.connection,
				job_class=self.job_class,
				serializer=self.serializer,
				death_penalty_class=self.death_penalty_class,
			)
			thread = threading.Thread(target=self._run, args=(job, queue), name=job.id, daemon=True)
			self._running[thread] = job
			thread.start()

	def _wait_while(self, running: int) -> None:
		"""Wait while at least so many jobs run, at most TURN_S. Does not wait after a second signal."""
		until = time.monotonic() + TURN_S
		while True:
			time.sleep(POLL_S)
			if len(self._jobs()) < running or self._hurries or time.monotonic() >= until:
				return

	def _run(self, job: Job, queue: Queue) -> None:
		try:
			copy.copy(self).execute_job(job, queue)
		except RedisError as error:
			self.log.error("Job %s: its end could not be stored in Redis: %s", job.id, error)

	def _send_heartbeat(self) -> None:
		"""Tell Redis that the worker lives, and whether it is busy. RQ lists one job of many."""
		jobs = self._jobs()
		with self.connection.pipeline() as pipeline:
			self.heartbeat(pipeline=pipeline)
			self.set_state(WorkerStatus.BUSY if jobs else WorkerStatus.IDLE, pipeline=pipeline)
			self.set_current_job_id(jobs[0].id if jobs else None, pipeline=pipeline)
			pipeline.execute()

	def _jobs(self) -> list[Job]:
		self._running = {thread: job for thread, job in self._running.items() if thread.is_alive()}
		return list(self._running.values())


def warm_up() -> None:
	"""Do in advance what the first chat of a process needs: imports, settings, connections and the log."""
	settings.load()
	store.current().queued()
	redis_health.why_not()
	logger()
	# Frappe imports these when a job calls them.
	importlib.import_module("frappe.realtime")
	frappe.as_json({"timestamp": frappe.utils.now(), "by": api.answer_queued.__name__})
