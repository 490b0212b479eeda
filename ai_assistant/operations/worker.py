"""RQ's worker with a thread for each chat: one process answers many.

A chat waits for its provider nearly all the time, and Frappe's web server runs requests in threads too. What a fork for
each costs, docs/reliability.md says. A job's thread runs RQ's own `SimpleWorker.execute_job`, on a copy of the worker:
what RQ keeps there of "the" job (2.x its execution) is then that job's alone. The main thread takes jobs while there is a
place, and tells Redis each second that it lives. Held against RQ 1.15 and 1.16 by tests/faults/bench/test_worker.py, and
against 2.6, which Frappe's develop pins.
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

# The main thread looks up so often: for a signal, and for what it tells Redis.
TURN_S = 1
# As often for a free place, and for Redis while that is away.
SOON_S, AWAY_S = 0.05, 2


class ChatWorker(SimpleWorker):
	"""Answers `places` chats at a time. Other jobs must do without the main thread: RQ's timeout of a job, raised in its
	thread, ends none that waits in C for something else.
	"""

	# RQ's own is a signal, which the main thread alone may set.
	death_penalty_class = TimerDeathPenalty

	def __init__(self, queue: Queue, places: int) -> None:
		super().__init__([queue], connection=queue.connection)
		self.places = places
		self._running: dict[threading.Thread, Job] = {}
		self._in_haste = False

	def work(self, logging_level: str = "INFO") -> None:
		"""Until SIGTERM or SIGINT, and then until what runs has ended. A Redis that is away is waited for."""
		self._install_signal_handlers()
		try:
			while not self._stop_requested:
				try:
					if not self._is_known():
						self._begin(logging_level)
					self._take()
				except RedisError as error:
					self.log.error("Worker %s: Redis: %s", self.name, error)
					time.sleep(AWAY_S)
		finally:
			self.teardown()

	def teardown(self) -> None:
		self.log.info("Worker %s: takes no more, and finishes %d", self.name, len(self._jobs()))
		while self._jobs():
			if self._in_haste:
				running.abandon()
			with suppress(RedisError):
				self._tell()
			self._wait_while(1)
		with suppress(RedisError):
			super().teardown()

	def request_force_stop(self, signum: int, frame: FrameType | None) -> None:
		"""The second signal ends the chats, with what has arrived; a third one the process."""
		self._in_haste = True
		for each in (signal.SIGINT, signal.SIGTERM):
			signal.signal(each, signal.SIG_DFL)

	def handle_payload(self, message: dict[str, Any]) -> None:
		"""What Desk's "Force Stop running job" sends: RQ would kill the process of the job, which is this one."""
		payload = parse_payload(message)
		if payload["command"] == "stop-job":
			running.abandon(payload["job_id"])
		else:
			handle_command(self, payload)

	def subscribe(self) -> None:
		"""Once: the thread that listens comes back by itself to a Redis that was away, and to one that lost its data."""
		if not self._listens():
			super().subscribe()

	def unsubscribe(self) -> None:
		"""Leaves the connection to the thread that reads it. RQ's own reads there too as it connects anew, after Redis was
		away: each then waits for what the other has read (RQ 2.6 with redis-py 7).
		"""
		if self.pubsub_thread is not None:
			self.pubsub_thread.stop()

	def _shutdown(self) -> None:
		# RQ's own raises in the main thread, wherever that is: a job just taken would be lost.
		self._stop_requested = True

	def _is_known(self) -> bool:
		"""Whether Redis has this worker, which it may have lost with its data, and commands reach it."""
		return self._listens() and bool(self.connection.hexists(self.key, "birth"))

	def _listens(self) -> bool:
		return self.pubsub_thread is not None and self.pubsub_thread.is_alive()

	def _begin(self, logging_level: str) -> None:
		if self.pubsub is not None:
			self.register_death()
		self.bootstrap(logging_level)

	def _take(self) -> None:
		"""Starts the next job, once there is one and a place for it; comes back after TURN_S in any case."""
		self._tell()
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

	def _wait_while(self, run: int) -> None:
		"""As long as so many jobs run, and no longer than a turn; only a look where there is haste."""
		until = time.monotonic() + TURN_S
		while True:
			time.sleep(SOON_S)
			if len(self._jobs()) < run or self._in_haste or time.monotonic() >= until:
				return

	def _run(self, job: Job, queue: Queue) -> None:
		try:
			copy.copy(self).execute_job(job, queue)
		except RedisError as error:
			self.log.error("Job %s: Redis did not hear of its end: %s", job.id, error)

	def _tell(self) -> None:
		"""That it lives, and whether it does something: of many jobs RQ lists one."""
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
	"""Does once what the first chat of a process does: imports, settings, connections and the log."""
	settings.load()
	store.current().queued()
	redis_health.why_not()
	logger()
	# Frappe imports these when a job calls them.
	importlib.import_module("frappe.realtime")
	frappe.as_json({"timestamp": frappe.utils.now(), "by": api.answer_queued.__name__})
