"""Users and requests for the tests of AI Request."""

import frappe

from ai_assistant.bench_tests import TestCase, commit, delete_user, make_user
from ai_assistant.permissions import MANAGER, USER
from ai_assistant.store.frappe_store import FrappeStore

ANN, BOB, CHIEF, STRANGER, WEB = (
	f"{name}@permissions.test" for name in ("ann", "bob", "chief", "stranger", "web")
)


def make_request(user: str, text: str) -> str:
	store = FrappeStore()
	name = store.open(
		{
			"user": user,
			"request_id": "request-1",
			"task_id": "t1",
			"status": "completed",
			"created": 1.5,
			"response": text,
		}
	)
	store.append(name, {"seq": 1, "type": "text", "text": text})
	return name


class LoggedRequestsTestCase(TestCase):
	"""A request of ANN and one of BOB, and users with other roles."""

	@classmethod
	def setUpClass(cls) -> None:
		super().setUpClass()
		frappe.set_user("Administrator")
		make_user(ANN, USER)
		make_user(BOB, USER)
		make_user(CHIEF, MANAGER)
		make_user(STRANGER, "Report Manager")
		make_user(WEB)
		cls.anns, cls.bobs = make_request(ANN, "said to ann"), make_request(BOB, "said to bob")
		commit()

	@classmethod
	def tearDownClass(cls) -> None:
		frappe.db.rollback()
		for user in (ANN, BOB, CHIEF, STRANGER, WEB):
			delete_user(user)
		super().tearDownClass()

	def tearDown(self) -> None:
		frappe.db.rollback()
		frappe.set_user("Administrator")
