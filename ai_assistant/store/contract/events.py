"""The tests of events and transactions that every store must pass."""

from .. import LeaseLost
from .base import ANN, Contract, event, row


class EventsContract(Contract):
	def test_events_come_back_as_they_were_and_in_order_after_a_number(self) -> None:
		name, other = self.store.open(row()), self.store.open(row(request_id="request-2"))
		events = [event(seq, f"💭{seq}") for seq in range(1, 12)]
		for sent in reversed(events):
			self.store.append(name, sent)
		self.store.append(other, event(1))
		self.assertEqual(self.store.events(name), events)
		self.assertEqual(self.store.events(name, after_seq=9), events[9:])
		self.assertEqual(self.store.events(name, after_seq=11), [])
		self.assertEqual((self.store.events("none"), self.store.last_seq("none")), ([], 0))
		self.assertEqual(self.store.last_seq(name), 11)

	def test_a_number_is_given_to_one_event_of_a_request_alone(self) -> None:
		name = self.store.open(row())
		self.store.append(name, event(1, "first"))
		with self.assertRaises(LeaseLost):
			self.store.append(name, event(1, "second"))
		self.store.append(name, event(2, "third"))
		self.commit()
		self.assertEqual([stored["text"] for stored in self.store.events(name)], ["first", "third"])

	def test_a_request_that_is_forgotten_keeps_its_events_without_their_text(self) -> None:
		name, other = self.store.open(row()), self.store.open(row(request_id="request-2"))
		events = [event(1, "said 💭"), event(2)]
		for sent in events:
			self.store.append(name, sent)
			self.store.append(other, sent)
		self.store.forget(name)
		self.assertEqual(self.store.events(name), [{**sent, "text": ""} for sent in events])
		self.assertEqual(self.store.events(other), events)

	def test_what_a_forgotten_request_called_is_forgotten_too(self) -> None:
		name = self.store.open(row())
		call = {**event(1, ""), "type": "tool_call", "id": "c", "name": "💡", "arguments": '{"a": "secret"}'}
		end = {**event(2, ""), "type": "completion", "usage": None, "tool_calls": [{"arguments": "secret"}]}
		for sent in (call, end):
			self.store.append(name, sent)
		self.store.forget(name)
		self.assertEqual(self.store.events(name), [{**call, "arguments": ""}, {**end, "tool_calls": []}])

	def test_what_a_forgotten_request_cites_is_forgotten_too(self) -> None:
		name = self.store.open(row())
		error = {"code": "content_filtered", "explanation": "secret"}
		cited = {"sources": [{"url": "secret"}], "images": [{"type": "image/png"}], "error": error}
		end = {**event(1, ""), "type": "completion", **cited}
		self.store.append(name, end)
		self.store.forget(name)
		blank = {"sources": [], "images": [], "error": {**error, "explanation": ""}}
		self.assertEqual(self.store.events(name), [{**end, **blank}])

	def test_what_a_client_sent_is_kept_as_long_as_its_request(self) -> None:
		sent = {"messages": [{"role": "user", "content": "💭"}], "background": True}
		name = self.store.open(row(), sent=sent)
		other = self.store.open(row(request_id="request-2"))
		self.assertEqual((self.store.sent(name), self.store.sent(other)), (sent, None))
		self.store.finish(name, {"status": "completed"})
		self.assertEqual(self.store.sent(name), sent)

	def test_an_erased_request_keeps_its_figures_alone(self) -> None:
		told = {
			**dict.fromkeys(("response", "reasoning", "continuation"), "secret"),
			**{"tool_calls": [{"id": "c"}], "sources": [{"url": "secret"}], "images": [{"type": "secret"}]},
			"error": {"code": "content_filtered", "explanation": "secret"},
		}
		name = self.store.open(
			{**row(), "excerpt": "secret", "tool_calls": []}, sent={"messages": ["secret"]}
		)
		other = self.store.open(row(request_id="request-2"))
		for request_name in (name, other):
			self.store.append(request_name, event(1, "said"))
			self.store.finish(request_name, {"status": "completed", **told, "finish_reason": "stop"})
		self.store.erase(name)
		stored = self.stored()
		self.assertNotIn("secret", str(stored))
		self.assertEqual(stored["error"], {"code": "content_filtered"})
		self.assertEqual((stored["tool_calls"], stored["finish_reason"]), ([], "stop"))
		self.assertEqual(self.store.sent(name), {})
		self.assertEqual([request_name["text"] for request_name in self.store.events(name)], [""])
		self.assertEqual(self.stored("request-2")["response"], "secret")
		self.assertEqual([request_name["text"] for request_name in self.store.events(other)], ["said"])

	def test_others_see_what_was_written_at_the_commit_and_not_before(self) -> None:
		name = self.store.open(row())
		self.assertIsNone(self.elsewhere(lambda: self.store.get(ANN, "request-1")))
		self.commit()
		self.assertTrue(self.elsewhere(lambda: self.store.get(ANN, "request-1")))
		self.store.append(name, event(1))
		self.assertEqual(self.elsewhere(lambda: self.store.events(name)), [])
		self.commit()
		self.assertEqual(len(self.elsewhere(lambda: self.store.events(name))), 1)

	def test_a_rollback_undoes_what_was_written_since_the_commit(self) -> None:
		name = self.store.open(row())
		self.commit()
		self.store.append(name, event(1))
		self.store.finish(name, {"status": "failed"})
		self.rollback()
		self.rollback()
		self.assertEqual((self.stored()["status"], self.store.events(name)), ("running", []))

	def test_a_lone_surrogate_is_refused_and_harms_nothing(self) -> None:
		name, lone = self.store.open(row()), "\ud83d"
		self.commit()
		for write in (
			lambda: self.store.append(name, event(1, lone)),
			lambda: self.store.finish(name, {"attempts": [{"provider": lone}]}),
			lambda: self.store.finish(name, {"response": lone}),
			lambda: self.store.open(row(request_id="request-2", response=lone)),
			lambda: self.store.open(row(request_id="request-2" + lone)),
		):
			with self.assertRaises(UnicodeEncodeError):
				write()
		self.store.append(name, event(1, "whole"))
		self.commit()
		self.assertEqual([stored["text"] for stored in self.store.events(name)], ["whole"])
		self.elsewhere(lambda: self.store.open(row(request_id="request-3")))
