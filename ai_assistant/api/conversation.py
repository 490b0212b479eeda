"""Converts a conversation from the items or blocks of another API to messages of the OpenAI chat API."""

from collections.abc import Sequence
from typing import Any

from ai_assistant.chat.errors import ChatError
from ai_assistant.chat.request import task_id_of

from .paths import Source

Sent = tuple[dict[str, Any], Source]
"""A message, and where the client sent it."""


class Conversation:
	"""Takes the items of a conversation in their order, and converts them to messages of the chat API.

	Consecutive items of the model are one assistant message, which the first item of the user or of a tool ends.
	"""

	def __init__(self, history: Sequence[dict[str, Any]] = ()) -> None:
		"""Begins after the messages of `history`, none of which changes."""
		self._messages = list(history)
		self._sources = [Source("previous_response_id")] * len(self._messages)
		# The message of the model that is being built.
		self._answer: dict[str, Any] | None = None
		# The chat API has no images in the answer of a tool: they follow the last of these answers. Each has the path of its
		# answer.
		self._images: list[tuple[dict[str, Any], str]] = []

	def converted(self) -> tuple[list[dict[str, Any]], list[Source]]:
		"""Returns the messages in the form of the OpenAI chat API, and where the client sent each of them."""
		self._show_images()
		ordered = _with_results_after_calls([*zip(self._messages, self._sources, strict=True)])
		return [message for message, _source in ordered], [source for _message, source in ordered]

	def add(
		self, role: str, content: str | list[dict[str, Any]], path: str, parts: Sequence[str] = ()
	) -> None:
		"""Adds a message of the user, or instructions. Empty content is left out.

		Args:
			path: where the client sent the message.
			parts: where the client sent the parts of the content.
		"""
		self._show_images()
		if content:
			self._append({"role": role, "content": content}, Source(path, parts))

	def say(self, text: str, path: str) -> None:
		"""Adds text of the model. The texts of one message become paragraphs."""
		message = self._assistant(path)
		if text:
			message["content"] = f"{message['content']}\n\n{text}" if message["content"] else text

	def call(self, identity: Any, name: Any, arguments: str, path: str) -> None:
		"""Adds a call of a tool by the model."""
		function = {"name": name, "arguments": arguments}
		calls = self._assistant(path).setdefault("tool_calls", [])
		calls.append({"id": identity, "type": "function", "function": function})
		self._sources[-1].calls.append(path)

	def think(self, continuation: str, path: str) -> None:
		"""Adds the continuation of an answer. It may come before or after the rest of the answer."""
		self._assistant(path)["continuation"] = continuation

	def result(
		self, identity: Any, content: str | list[dict[str, Any]], images: list[dict[str, Any]], path: str
	) -> None:
		"""Adds the result of a tool, with the image parts that belong to it."""
		self._append({"role": "tool", "tool_call_id": identity, "content": content}, Source(path))
		if images:
			text = f"The images in the answer to the tool call {identity}:"
			self._images += [(part, path) for part in ({"type": "text", "text": text}, *images)]

	def _assistant(self, path: str) -> dict[str, Any]:
		if self._answer is None:
			self._show_images()
			message: dict[str, Any] = {"role": "assistant", "content": ""}
			self._append(message, Source(path))
			self._answer = message
		return self._answer

	def _append(self, message: dict[str, Any], source: Source) -> None:
		self._answer = None
		self._messages.append(message)
		self._sources.append(source)

	def _show_images(self) -> None:
		if self._images:
			images, self._images = self._images, []
			paths = [path for _part, path in images]
			message = {"role": "user", "content": [part for part, _path in images]}
			self._append(message, Source(paths[0], paths))


def _with_results_after_calls(messages: list[Sent]) -> list[Sent]:
	"""Returns the messages with each result after the message that has its call.

	The chat API requires this order. In the Responses API other items may stand between a call and its output.
	"""
	turns: list[list[Sent]] = []
	# The turns of the calls that have no result yet, by the ids of the calls.
	open_calls: dict[Any, list[Sent]] = {}
	for sent in messages:
		message = sent[0]
		if message["role"] == "tool" and (turn := open_calls.pop(message["tool_call_id"], None)):
			turn.append(sent)
			continue
		turns.append([sent])
		open_calls |= {call["id"]: turns[-1] for call in message.get("tool_calls") or ()}
	return [sent for turn in turns for sent in turn]


def task_label(label: Any) -> str | None:
	"""Returns a client's label for a conversation as a task_id, None if the label cannot be one.

	A provider's cache and the choice of a provider depend on the task.
	"""
	try:
		return task_id_of(label)
	except ChatError:
		return None
