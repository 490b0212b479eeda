"""The worker's own part of what it does with Redis; tests/faults/bench/test_worker.py stops and kills real ones."""

import threading
from typing import Any
from unittest.mock import patch

import redis
from frappe.utils.background_jobs import get_queue

from ai_assistant.bench_tests import TestCase

from .worker import ChatWorker


class TestChatWorker(TestCase):
	def test_the_connection_on_which_commands_arrive_is_its_threads_alone(self) -> None:
		worker = ChatWorker(get_queue("short"), 1)
		spoken: list[tuple[Any, str]] = []
		execute = redis.client.PubSub.execute_command

		def noted(pubsub: Any, command: str, *arguments: Any) -> Any:
			if threading.current_thread() is threading.main_thread():
				spoken.append((pubsub, command))
			return execute(pubsub, command, *arguments)

		with patch.object(redis.client.PubSub, "execute_command", noted):
			worker._begin("WARNING")
			self.addCleanup(worker.connection.delete, worker.key)
			self.assertTrue(worker._is_known())
			# As a Redis does that has lost its data.
			worker.connection.delete(worker.key)
			self.assertFalse(worker._is_known())
			worker._begin("WARNING")
			self.assertTrue(worker._is_known())
			worker.teardown()
		self.assertEqual(spoken, [(worker.pubsub, "SUBSCRIBE")])
		self.assertFalse(worker.connection.smembers("rq:workers") & {worker.key.encode()})
