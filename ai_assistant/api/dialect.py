"""Defines the interface of a standard API (a dialect). One router (`v1`) and one implementation of a request
(`requests`) serve all dialects.

A dialect is a module with `parse`, `whole`, `error` and `Writer`. It knows JSON and Server-Sent Events and nothing of
HTTP, of Frappe's request or of the store: `ai_assistant.api.v1` does that part.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from pydantic_core import to_json

from ai_assistant.gateway import Chunk, Reasoning, Text, ToolCall, ToolCallDelta, ToolCallStart

from .paths import Paths


@dataclass(frozen=True)
class Parsed:
	"""A request of a dialect in the terms of this app."""

	fields: dict[str, Any]
	"""The arguments of `chat_completion`: `messages` as in the OpenAI chat API (an assistant's may have a
	`continuation`), `model` as the client names it (`MODEL`, `PROVIDER/MODEL` or an alias), `temperature`, `max_tokens`,
	`reasoning_effort`, `tools`, `tool_choice`, `request_id`, `task_id`. The site chooses the value of a field
	that is left out. `max_tokens` above the site's limit is lowered to it."""
	stream: bool
	background: bool = False
	"""A worker answers it, and the stream follows its journal."""
	store: bool = False
	"""A hang-up does not cancel it."""
	options: dict[str, Any] = field(default_factory=dict)
	"""What the writer needs to know, such as `include_usage`."""
	dropped: tuple[str, ...] = ()
	"""The names of the fields of the body that the site ignores."""
	paths: Paths = field(default_factory=Paths)
	"""Where the client sent the `fields`, for errors."""


COMMENT = ": ping\n\n"


class StreamWriter(Protocol):
	"""Writes one stream. Each method returns the text of whole Server-Sent Events, "" for none.

	`begin` is called once, then `write` and `ping` in any order, then `end` once. A stream of which the client hangs up
	gets no `end`. The writers of the dialects extend this class.
	"""

	_calls: dict[str, Any]
	"""What a writer knows of the calls that have begun, by their ids."""

	def begin(self) -> str: ...

	def write(self, chunk: Chunk) -> str:
		"""Takes Reasoning, Text, ToolCallStart, ToolCallDelta or ToolCall. Chunks of other types give "".

		The ToolCall follows the pieces of the same call, or comes alone where it was not streamed.
		"""
		if isinstance(chunk, Text):
			return self._say("text", chunk.text)
		if isinstance(chunk, Reasoning):
			return self._say("reasoning", chunk.text)
		if isinstance(chunk, ToolCallStart):
			return self._begin_call(chunk.id, chunk.name)
		if isinstance(chunk, ToolCallDelta):
			return self._add_arguments(chunk.id, chunk.text)
		if isinstance(chunk, ToolCall):
			return self._whole_call(chunk)
		return ""

	def ping(self) -> str:
		"""Keeps the connection in use while the provider is silent; by default a comment."""
		return COMMENT

	def end(self, answer: dict[str, Any]) -> str:
		"""Ends the stream. `answer` is the contract's answer object.

		It has `status`, `finish_reason` and `usage`, and an `error` for every `status` but `completed`: a request
		that was cancelled has the code `cancelled`.
		"""
		...

	def _say(self, kind: str, text: str) -> str:
		"""Writes a piece of the reasoning or of the text. `kind` is `reasoning` or `text`."""
		...

	def _begin_call(self, call_id: str, name: str) -> str: ...

	def _add_arguments(self, call_id: str, piece: str) -> str: ...

	def _end_call(self, call_id: str) -> str: ...

	def _whole_call(self, call: ToolCall) -> str:
		"""Ends a call. Its pieces were written before, or nothing."""
		written = ""
		if call.id not in self._calls:
			written = self._begin_call(call.id, call.name) + self._add_arguments(call.id, call.arguments)
		return written + self._end_call(call.id)


class Dialect(Protocol):
	"""What the module of a dialect has."""

	def parse(self, body: dict[str, Any], headers: Mapping[str, str]) -> Parsed:
		"""Raises ChatError `invalid_request` for a body that is refused. Names in `headers` are case-insensitive."""
		...

	def whole(self, answer: dict[str, Any], parsed: Parsed, created: int) -> dict[str, Any]:
		"""Builds the body of a request that was not streamed.

		Its only `error` is that of an answer which the provider filtered (`is_cut`). `created` is a UNIX time in seconds.
		"""
		...

	def error(self, error: dict[str, Any]) -> tuple[int, dict[str, Any]]:
		"""Returns the HTTP status and the body for the contract's `error` object, of a code in `chat.errors.STANDARD_STATUS`."""
		...

	def Writer(self, parsed: Parsed, request_id: str, model: str, created: int) -> StreamWriter:
		"""Makes a writer. `model` is the name that the client sent, or else that of the model that answers."""
		...


VS_CODE = re.compile(r"GitHubCopilot|VSCode|Visual Studio Code|code-oss", re.IGNORECASE)


def is_vs_code(headers: Mapping[str, str]) -> bool:
	"""Whether the client is VS Code's native Chat, which shows few errors with their sentence.

	It shows the sentence only for the status 403. It shows a 400 as JSON, a 402 as "Error on conversation request", because it
	renews GitHub's token first, and a 5xx as "Server error". An error in a stream becomes "Response
	contained no choices" and hides the text before it, unless a `finish_reason` follows. Seen with Code 1.139.1.
	"""
	return bool(VS_CODE.search(headers.get("User-Agent", "")))


def is_cut(answer: dict[str, Any]) -> bool:
	"""Whether an answer with an `error` is one that the provider filtered after it had begun."""
	has_begun = any(answer.get(name) for name in ("reasoning", "response", "tool_calls"))
	return has_begun and answer["error"]["code"] == "content_filtered"


def event(data: Mapping[str, Any], name: str | None = None) -> str:
	"""Returns one Server-Sent Event with an object as its data."""
	text = to_json(data).decode()
	return f"event: {name}\ndata: {text}\n\n" if name else f"data: {text}\n\n"
