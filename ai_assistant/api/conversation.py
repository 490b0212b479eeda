"""Builds the messages of the OpenAI chat API from the items or blocks in which another API has a conversation."""

from collections.abc import Sequence
from typing import Any

from ai_assistant.chat.errors import ChatError
from ai_assistant.chat.request import task_id_of


class Conversation:
	"""Takes the items of a conversation in their order; `messages` is the result in the form of the chat API.

	Consecutive items of the model are one assistant message, which the first item of the user or of a tool ends.
	"""

	def __init__(self, history: Sequence[dict[str, Any]] = ()) -> None:
		"""Begins after the messages of `history`, none of which changes."""
		self._messages = list(history)
		# The message of the model that is being built.
		self._answer: dict[str, Any] | None = None
		# The chat API has no images in the answer of a tool: they follow the last of these answers.
		self._images: list[dict[str, Any]] = []

	@property
	def messages(self) -> list[dict[str, Any]]:
		self._show_images()
		return _with_results_after_calls(self._messages)

	def add(self, role: str, content: str | list[dict[str, Any]]) -> None:
		"""Adds a message of the user, or instructions. Empty content is left out."""
		self._show_images()
		if content:
			self._append({"role": role, "content": content})

	def say(self, text: str) -> None:
		"""Adds text of the model. The texts of one message become paragraphs."""
		message = self._assistant()
		if text:
			message["content"] = f"{message['content']}\n\n{text}" if message["content"] else text

	def call(self, identity: Any, name: Any, arguments: str) -> None:
		"""Adds a call of a tool by the model."""
		function = {"name": name, "arguments": arguments}
		calls = self._assistant().setdefault("tool_calls", [])
		calls.append({"id": identity, "type": "function", "function": function})

	def think(self, continuation: str) -> None:
		"""Adds the continuation of an answer. It may come before or after the rest of the answer."""
		self._assistant()["continuation"] = continuation

	def result(
		self, identity: Any, content: str | list[dict[str, Any]], images: list[dict[str, Any]]
	) -> None:
		"""Adds the result of a tool, with the image parts that belong to it."""
		self._append({"role": "tool", "tool_call_id": identity, "content": content})
		if images:
			text = f"The images in the answer to the tool call {identity}:"
			self._images += [{"type": "text", "text": text}, *images]

	def _assistant(self) -> dict[str, Any]:
		if self._answer is None:
			self._show_images()
			self._answer = {"role": "assistant", "content": ""}
			self._messages.append(self._answer)
		return self._answer

	def _append(self, message: dict[str, Any]) -> None:
		self._answer = None
		self._messages.append(message)

	def _show_images(self) -> None:
		if self._images:
			images, self._images = self._images, []
			self._append({"role": "user", "content": images})


def _with_results_after_calls(messages: list[dict[str, Any]]) -> list[dict[str, Any]]:
	"""Returns the messages with each result after the message that has its call.

	The chat API requires this order. In the Responses API other items may stand between a call and its output.
	"""
	turns: list[list[dict[str, Any]]] = []
	# The turns of the calls that have no result yet, by the ids of the calls.
	open_calls: dict[Any, list[dict[str, Any]]] = {}
	for message in messages:
		if message["role"] == "tool" and (turn := open_calls.pop(message["tool_call_id"], None)):
			turn.append(message)
			continue
		turns.append([message])
		open_calls |= {call["id"]: turns[-1] for call in message.get("tool_calls") or ()}
	return [message for turn in turns for message in turn]


def task_label(label: Any) -> str | None:
	"""Returns a client's label for a conversation as a task_id, None if the label cannot be one.

	A provider's cache and the choice of a provider depend on the task.
	"""
	try:
		return task_id_of(label)
	except ChatError:
		return None
