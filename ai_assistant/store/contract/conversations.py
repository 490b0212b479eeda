"""The tests of conversations that every store must pass."""

from typing import Any

from .. import Conversation
from .base import ANN, BOB, Contract, row


class ConversationsContract(Contract):
	def keep(self, number: int, task_id: str, text: str, title: str = "A title", **values: Any) -> str:
		"""Opens a request of ANN whose question is kept, at the UNIX time `number`."""
		messages = [{"role": "user", "content": text}]
		given = {"new_messages": messages, "title": title, "created": float(number), **values}
		return self.store.open(row(request_id=f"conversation-{number}", task_id=task_id, **given))

	def tasks(self, search: str = "", **options: Any) -> list[str]:
		return [found.task_id for found in self.store.conversations(ANN, search, **options)]

	def test_a_conversation_is_a_task_whose_questions_are_kept(self) -> None:
		self.keep(1, "t1", "one")
		self.keep(2, "t2", "two", title="Two")
		self.keep(3, "t1", "three")
		self.store.open(row(request_id="not-kept", task_id="t3"))
		self.keep(4, "t4", "of a program", ai_key="k")
		self.keep(5, "t5", "of another user", user=BOB)
		self.assertEqual(
			self.store.conversations(ANN),
			[Conversation("t1", "A title", 3.0), Conversation("t2", "Two", 2.0)],
		)
		self.assertEqual(self.tasks(limit=1), ["t1"])
		self.assertEqual(self.tasks(before=3.0), ["t2"])

	def test_words_of_titles_questions_and_answers_are_found(self) -> None:
		self.keep(1, "t1", "What is a whale?", response="An animal. 100%")
		self.keep(2, "t2", "Größe_1 'x' \\ a", title="Sizes")
		for search, tasks in {
			"whale": ["t1"],
			"WHAT whale": ["t1"],
			"animal": ["t1"],
			"sizes": ["t2"],
			"Größe_1": ["t2"],
			"a": ["t2", "t1"],
			"0%": ["t1"],
			"%": ["t1"],
			"whale what": [],
			"fish": [],
		}.items():
			self.assertEqual(self.tasks(search), tasks, search)

	def test_a_conversation_is_renamed_and_erased(self) -> None:
		names = [self.keep(1, "t1", "one"), self.keep(2, "t1", "two")]
		self.keep(3, "t1", "of another user", user=BOB)
		self.assertEqual(self.store.title(ANN, "t1"), "A title")
		self.assertIsNone(self.store.title(ANN, "t2"))
		self.store.rename(ANN, "t1", "Whales")
		self.assertEqual((self.store.title(ANN, "t1"), self.store.title(BOB, "t1")), ("Whales", "A title"))
		for name in names:
			self.store.erase(name)
		self.assertEqual(self.tasks(), [])
		erased = self.stored("conversation-1")
		self.assertEqual((erased["title"], erased["new_messages"], erased["excerpt"]), (None, None, None))
