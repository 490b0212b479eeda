"""The part of a store that lists the conversations of a user."""

from typing import NamedTuple, Protocol


class Conversation(NamedTuple):
	"""A task whose questions are kept."""

	task_id: str
	title: str
	created: float
	"""When its newest request was accepted, as a UNIX time."""


class Conversations(Protocol):
	"""The tasks whose questions are kept. Requests that came with an AI Key belong to a program and are left out."""

	def conversations(
		self, user: str, search: str = "", before: float | None = None, limit: int = 50
	) -> list[Conversation]:
		"""Returns the conversations of a user, the newest first.

		Args:
			user: whose conversations.
			search: words that the title, a question or an answer contains, in this order; empty for all.
			before: only conversations whose newest request was accepted before this UNIX time; None for all.
			limit: the most to return.
		"""

	def title(self, user: str, task_id: str) -> str | None:
		"""Returns the title of a task, None if it has none."""

	def rename(self, user: str, task_id: str, title: str) -> None:
		"""Gives all requests of a task a title."""
