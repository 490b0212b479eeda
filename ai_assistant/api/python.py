"""The Python API for other apps: `ai_assistant.ask()` and `ai_assistant.stream()`.

A chat commits each of its events. It therefore runs on a thread with its own connection to the database, and never
commits what the caller has begun, for example in a document event.
"""

import json
import threading
import time
from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from functools import partial
from queue import SimpleQueue
from typing import TYPE_CHECKING, Any

import frappe
from frappe import _

from ai_assistant import own_connection
from ai_assistant.chat import capacity, lifecycle, queue, request, tool_rounds
from ai_assistant.chat.errors import ChatError
from ai_assistant.chat.ownership import earlier_answer
from ai_assistant.chat.reference import reference_of
from ai_assistant.chat.request import ChatRequest
from ai_assistant.config import access
from ai_assistant.config.settings import Settings
from ai_assistant.gateway import Chunk, Reasoning, Text, ToolApproval, ToolCall, ToolResult
from ai_assistant.permissions import may_use

if TYPE_CHECKING:
	from frappe.model.document import Document

Messages = str | Sequence[Mapping[str, Any]]
Results = SimpleQueue[Chunk | dict[str, Any] | Exception]
Validate = Callable[[Settings], ChatRequest]


@dataclass(frozen=True)
class Answer:
	"""A completed, cancelled or queued request.

	Attributes:
		text: the answer, "" for a queued request.
		reasoning: the model's reasoning.
		tool_calls: as in the OpenAI chat API; run them, and ask again with their results.
		usage: tokens and cost, as docs/streaming.md has them; None if nothing was counted.
		details: the whole answer object of docs/streaming.md.
	"""

	text: str
	reasoning: str
	tool_calls: list[dict[str, Any]]
	usage: dict[str, Any] | None
	details: dict[str, Any]

	@property
	def json(self) -> Any:
		"""The text as a JSON value, for a request with a `response_format`.

		Raises:
			ValueError: the text is not JSON.
		"""
		return json.loads(self.text)


def ask(
	messages: Messages,
	*,
	user: str | None = None,
	background: bool = False,
	on_event: Callable[[Chunk], None] | None = None,
	reference: "Document | None" = None,
	**fields: Any,
) -> Answer:
	"""Asks a model and returns its answer.

	Permissions, limits, budgets and the journal are those of `chat_completion`. It works in a request, in a job and in
	the bench console.

	Args:
		messages: the user's message, or a list of messages as in the OpenAI chat API.
		user: who asks; by default the session's user. The request is stored and counted as this user's.
		background: whether to return at once with the status `queued`, while a worker answers the request.
		on_event: is called with each Reasoning, Text and ToolCall of `ai_assistant.gateway` as it arrives. If it raises,
			the request is cancelled.
		reference: the document to which the request belongs and its cost is counted. The user must be able to read it.
		fields: other fields of `chat_completion`: `mode`, `model`, `provider`, `tools`, `response_format`, …

	Returns:
		The answer.

	Raises:
		ChatError: the site refused the request, or the chat failed. `code` is an error code of docs/streaming.md.
		TypeError: `chat_completion` has no such field.
	"""
	with closing(stream(messages, user=user, background=background, reference=reference, **fields)) as chunks:
		return lifecycle.result_of(chunks, on_event)


def stream(
	messages: Messages,
	*,
	user: str | None = None,
	background: bool = False,
	reference: "Document | None" = None,
	**fields: Any,
) -> Generator[Chunk, None, Answer]:
	"""Asks a model and yields each Reasoning, Text, ToolCall, ToolApproval and ToolResult as it arrives.

	The request begins at the first `next()`. Closing the generator cancels it. Arguments, return value and errors are
	those of `ask`.
	"""
	if unknown := fields.keys() - request.FIELDS:
		raise TypeError(f"ai_assistant has no field {', '.join(sorted(unknown))}")
	if isinstance(messages, str):
		messages = [{"role": "user", "content": messages}]
	own, of_site = _split_tools(fields.pop("tools", None))
	question = {
		**fields,
		"tools": own,
		"messages": [dict(message) for message in messages],
		"background": background,
	}
	user = user or frappe.session.user
	names: dict[str, Any] = {}
	if reference is not None:
		# Checked here, because the caller may not have committed the document yet.
		names = reference_of({"reference_doctype": reference.doctype, "reference_name": reference.name}, user)

	def validated(settings: Settings) -> ChatRequest:
		valid = request.validate(question, settings)
		tools = tool_rounds.checked(of_site, settings)
		return replace(valid, **names, site_tools=(*valid.site_tools, *tools))

	details = yield from _chunks(validated, user)
	if error := details.get("error"):
		raise ChatError(error["code"], error["message"], error.get("retry_after"))
	return Answer(
		details["response"], details["reasoning"], details.get("tool_calls") or [], details["usage"], details
	)


def answer_object(question: Mapping[str, Any]) -> dict[str, Any]:
	"""Answers a question of the session's user with the answer object of a chat in any status.

	Args:
		question: the fields of `chat_completion`.

	Raises:
		ChatError: the site refused the request.
	"""
	return lifecycle.result_of(_chunks(partial(request.validate, question), frappe.session.user))


def _split_tools(tools: Any) -> tuple[list[Any] | None, tuple[str, ...]]:
	"""Splits the argument `tools` into tools that the caller runs, and names of tools that the site runs."""
	if not isinstance(tools, list | tuple):
		return tools, ()
	names = tuple(tool for tool in tools if isinstance(tool, str))
	return [tool for tool in tools if not isinstance(tool, str)] or None, names


def answered(
	valid: ChatRequest, settings: Settings, asked_at: float, run: Callable[[lifecycle.Chat], dict[str, Any]]
) -> dict[str, Any]:
	"""Answers a valid request: as before if it is repeated, by a worker if it is for the background, else with `run`.

	Args:
		valid: the valid request of the session's user.
		settings: the settings that the request may use.
		asked_at: when the request reached this process, by `time.monotonic()`.
		run: runs a chat to its end and returns the answer object.

	Raises:
		ChatError: the site refused the request.
	"""
	if (earlier := earlier_answer(valid)) is not None:
		return earlier
	if valid.background:
		return queue.put(valid, settings, asked_at)
	with capacity.for_chat(settings.limits):
		return run(lifecycle.begin(valid, settings, asked_at))


def _chunks(validated: Validate, user: str) -> Generator[Chunk, None, dict[str, Any]]:
	"""Yields the chunks of a chat that runs on a thread of its own, and returns its answer object.

	Args:
		validated: returns the valid request. The thread of the chat calls it.
		user: who asks.
	"""
	results: Results = SimpleQueue()
	closed = threading.Event()
	thread = own_connection.start(lambda: _chat(validated, results, closed), results.put, user)
	try:
		while True:
			result = results.get()
			if isinstance(result, Exception):
				raise result
			if isinstance(result, dict):
				return result
			yield result
	finally:
		closed.set()
		thread.join()


def _chat(validated: Validate, results: Results, closed: threading.Event) -> dict[str, Any]:
	"""Runs the chat of the session's user, puts its chunks into `results`, and returns its answer object."""
	if not may_use():
		message = _("{0} needs the role AI Assistant User; an administrator can give it.")
		raise ChatError("not_permitted", message.format(frappe.session.user))
	asked_at = time.monotonic()
	settings = access.load_permitted()

	def run(chat: lifecycle.Chat) -> dict[str, Any]:
		def forward(chunk: Chunk) -> None:
			if isinstance(chunk, Reasoning | Text | ToolCall | ToolApproval | ToolResult):
				results.put(chunk)
			if closed.is_set():
				chat.cancel()

		return lifecycle.result_of(lifecycle.run(chat), forward)

	return answered(validated(settings), settings, asked_at, run)
