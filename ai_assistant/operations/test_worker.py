"""How the worker uses Redis. tests/faults/bench/test_worker.py stops and kills real workers."""

import threading
from typing import Any
from unittest.mock import patch

import redis
from frappe.utils.background_jobs import get_queue

from ai_assistant.bench_tests import TestCase

from .worker import ChatWorker


class TestChatWorker(TestCase):
	def test_only_the_listening_thread_uses_the_connection_for_commands(self) -> None:
		worker = ChatWorker(get_queue("short"), 1)
		commands: list[tuple[Any, str]] = []
		execute = redis.client.PubSub.execute_command

		def recorded(pubsub: Any, command: str, *arguments: Any) -> Any:
			if threading.current_thread() is threading.main_thread():
				commands.append((pubsub, command))
			return execute(pubsub, command, *arguments)

		with patch.object(redis.client.PubSub, "execute_command", recorded):
			worker._stay_registered("WARNING")
			self.addCleanup(worker.connection.delete, worker.key)
			self.assertTrue(worker._listens() and worker.connection.hexists(worker.key, "birth"))
			# As if Redis had lost its data.
			worker.connection.delete(worker.key)
			worker._stay_registered("WARNING")
			self.assertTrue(worker._listens() and worker.connection.hexists(worker.key, "birth"))
			worker.teardown()
		self.assertEqual(commands, [(worker.pubsub, "SUBSCRIBE")])
		self.assertFalse(worker.connection.smembers("rq:workers") & {worker.key.encode()})
