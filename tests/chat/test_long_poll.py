"""What `get_events` answers while events come."""

import pytest

from ai_assistant import store
from ai_assistant.chat import long_poll

ROW = {"name": "r", "request_id": "request-1", "task_id": "t", "status": "running"}


class Busy:
	"""A store in which an event comes just after each look that finds none."""

	def __init__(self) -> None:
		self.stored = [{"seq": 1, "type": "reasoning", "text": ""}]

	def events(self, _name: str, after_seq: int) -> list[store.Event]:
		events_after = [event for event in self.stored if event["seq"] > after_seq]
		if not events_after:
			self.stored.append({"seq": len(self.stored) + 1, "type": "text", "text": "a"})
		return events_after

	def last_seq(self, _name: str) -> int:
		return len(self.stored)


def test_an_event_that_comes_meanwhile_is_given_to_the_next_who_asks_on(
	monkeypatch: pytest.MonkeyPatch,
) -> None:
	busy = Busy()
	monkeypatch.setattr(store, "_find", lambda: busy)
	after, value = 0, []
	for _look in range(5):
		page = long_poll.answer(ROW, after, 0)
		value += [event["seq"] for event in page["events"]]
		after = page["last_seq"]
	assert value == [1, 2, 3]


def test_nobody_is_told_of_more_than_there_is(monkeypatch: pytest.MonkeyPatch) -> None:
	busy = Busy()
	monkeypatch.setattr(store, "_find", lambda: busy)
	page = long_poll.answer(ROW, 7, 0)
	assert (page["events"], page["last_seq"]) == ([], len(busy.stored))
