"""The tests of messages for webhooks that every store must pass."""

import uuid

from .. import Delivery
from .base import Contract


class DeliveriesContract(Contract):
	def test_a_message_is_due_until_it_is_delivered(self) -> None:
		url, other = _address(), _address()
		self.store.add_deliveries("r1", [url, other], "one ü")
		(due,) = self.store.due_deliveries(url, 100.0, 5)
		self.assertEqual((due.url, due.payload, due.attempts), (url, "one ü", 0))
		(elsewhere,) = self.store.due_deliveries(other, 100.0, 5)
		self.assertNotEqual(due.name, elsewhere.name)
		self.assertTrue(self.store.begin_delivery(due, 200.0))
		self.assertEqual(self.store.due_deliveries(url, 199.0, 5), [])
		(again,) = self.store.due_deliveries(url, 200.0, 5)
		self.assertEqual(again, Delivery(due.name, url, "one ü", 1))
		self.store.end_delivery(due.name, "delivered")
		self.assertEqual(self.store.due_deliveries(url, 900.0, 5), [])
		self.assertEqual(len(self.store.due_deliveries(other, 900.0, 5)), 1)

	def test_messages_are_due_in_order_up_to_a_limit(self) -> None:
		url = _address()
		for payload in ("one", "two", "three"):
			self.store.add_deliveries("r1", [url], payload)
		first, second = self.store.due_deliveries(url, 100.0, 2)
		self.assertEqual((first.payload, second.payload), ("one", "two"))
		self.store.begin_delivery(first, 50.0)
		payloads = [delivery.payload for delivery in self.store.due_deliveries(url, 100.0, 5)]
		self.assertEqual(payloads, ["two", "three", "one"])

	def test_an_address_is_compared_byte_by_byte(self) -> None:
		url = _address()
		self.store.add_deliveries("r1", [url], "one")
		self.assertEqual(self.store.due_deliveries(url.upper(), 100.0, 5), [])

	def test_one_of_several_callers_may_send_a_message(self) -> None:
		url = _address()
		self.store.add_deliveries("r1", [url], "one")
		self.commit()
		(due,) = self.store.due_deliveries(url, 100.0, 5)
		self.rollback()
		begun = self.at_once(*(lambda: self.store.begin_delivery(due, 200.0) for _caller in range(4)))
		self.assertEqual(sorted(begun), [False, False, False, True])
		self.store.end_delivery(due.name, "failed", "HTTP 500")
		self.commit()
		self.assertFalse(self.store.begin_delivery(due._replace(attempts=1), 200.0))


def _address() -> str:
	return f"https://{uuid.uuid4().hex}.example/hook"
