import gc
import threading
import weakref
from contextlib import closing
from unittest.mock import patch

import frappe
from frappe.app import application
from werkzeug.test import EnvironBuilder
from werkzeug.wrappers import Request, Response

from ai_assistant.api import memory
from ai_assistant.bench_tests import PASSWORD, TestCase, delete_user, make_user
from ai_assistant.permissions import USER

ANN = "ann@memory.test"


class TestMemory(TestCase):
	def test_a_request_is_freed_without_the_garbage_collector(self) -> None:
		make_user(ANN, USER)
		self.addCleanup(delete_user, ANN)
		headers = [("X-Frappe-Site-Name", frappe.local.site), ("Authorization", f"token {ANN}:{PASSWORD}")]
		requests: list[weakref.ref[Request]] = []
		free_request = memory.free_request

		def remember(response: Response, request: Request) -> None:
			requests.append(weakref.ref(request))
			free_request(response, request)

		def ask() -> None:
			# werkzeug's own client keeps a request too.
			builder = EnvironBuilder("/api/method/ai_assistant.api.list_models", headers=headers)
			with closing(application(builder.get_environ(), lambda *_: None)) as response:
				list(response)

		gc.disable()
		self.addCleanup(gc.enable)
		with patch.object(memory, "free_request", remember):
			for _ in range(2):
				thread = threading.Thread(target=ask)
				thread.start()
				thread.join()
		# The first request of a process starts the providers' loop, which keeps its context.
		self.assertIsNone(requests[1]())
