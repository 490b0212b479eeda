"""Writes the stream of one response of OpenAI's Responses API: the events that build its items."""

from collections.abc import Callable
from typing import Any

from ai_assistant.chat.written import Written
from ai_assistant.gateway import Chunk, Reasoning, Text, ToolCall, ToolCallDelta, ToolCallStart
from ai_assistant.gateway.freeform import InputReader

from ..dialect import COMMENT, Parsed, event
from .response_object import (
	call_item,
	call_kind,
	item_id,
	message_item,
	outcome,
	part,
	reasoning_item,
	resource,
	tools_of,
)

CALLS = ("function_call", "custom_tool_call")
# By the type of an item: the events of its only part, the events of the text, and the field with the number of the part.
PARTS = {
	"reasoning": ("response.reasoning_summary_part", "response.reasoning_summary_text", "summary_index"),
	"message": ("response.content_part", "response.output_text", "content_index"),
}


class Writer:
	"""The stream of one response. Its methods are those of `ai_assistant.api.dialect.StreamWriter`.

	A message or reasoning ends with the first chunk of another type. Calls that a model writes at the same time
	stay open together.
	"""

	def __init__(self, parsed: Parsed, request_id: str, model: str, created: int) -> None:
		self._request_id, self._created = request_id, created
		self._background = parsed.background
		self._resource = resource(parsed, request_id, model, created)
		self._tools = tools_of(parsed)
		self._sequence_number = 0
		# The number of the last event that the client has.
		self._after = parsed.options.get("starting_after", -1)
		self._written = Written()
		self._output: list[dict[str, Any]] = []
		# The type of the last item of the output while its text is being written, and the text.
		self._open: str | None = None
		self._pieces: list[str] = []
		# The calls whose arguments are being written: the index of the item, and the arguments. The input of some is text.
		self._calls: dict[str, tuple[int, list[str]]] = {}
		self._inputs: dict[str, InputReader] = {}

	def begin(self) -> str:
		unknown = {"completed_at": None, "incomplete_details": None, "error": None, "usage": None}
		status = "queued" if self._background else "in_progress"
		response = {**self._resource, **unknown, "status": status, "output": []}
		text = self._event("response.created", response=response)
		if self._background:
			text += self._event("response.queued", response=response)
		return text + self._event("response.in_progress", response={**response, "status": "in_progress"})

	def write(self, chunk: Chunk) -> str:
		self._written.add(chunk)
		if isinstance(chunk, Text):
			return self._text("message", chunk.text)
		if isinstance(chunk, Reasoning):
			return self._text("reasoning", chunk.text)
		if isinstance(chunk, ToolCallStart):
			return self._begin_call(chunk.id, chunk.name)
		if isinstance(chunk, ToolCallDelta):
			return self._arguments(chunk.id, chunk.text)
		if isinstance(chunk, ToolCall):
			return self._whole_call(chunk)
		return ""

	def ping(self) -> str:
		return COMMENT

	def end(self, answer: dict[str, Any]) -> str:
		if answer["status"] in ("queued", "running"):
			# The request continues in a worker. This stream has reached the time limit of a web request.
			error = answer["error"]
			return self._event("error", code=error["code"], message=error["message"], param=None)
		text = "".join(self.write(chunk) for chunk in self._written.missing(answer))
		ended = outcome(answer, self._created)
		status = "completed" if ended["status"] == "completed" else "incomplete"
		sealed = answer.get("continuation")
		text += self._close(status, sealed)
		if sealed and not any("encrypted_content" in item for item in self._output):
			text += self._reasoning_of(sealed)
		for call_id in list(self._calls):
			text += self._end_call(call_id, status)
		response = {**self._resource, **ended, "output": self._output}
		if (answer.get("error") or {}).get("code") == "worker_lost" and not self._background:
			# The direct stream may have had more events than the journal. Its client gets the last event
			# nevertheless.
			self._sequence_number = max(self._sequence_number, self._after + 1)
		# There is no event for a response that was cancelled.
		kind = "incomplete" if ended["status"] == "cancelled" else ended["status"]
		return text + self._event(f"response.{kind}", response=response)

	def _event(self, kind: str, **fields: Any) -> str:
		number = self._sequence_number
		self._sequence_number += 1
		return (
			event({"type": kind, "sequence_number": number, **fields}, kind) if number > self._after else ""
		)

	def _append(self, kind: str, make: Callable[[str], dict[str, Any]]) -> str:
		"""Begins an item, which `make` builds from its id."""
		# The calls of both types are numbered as one, as in the stored answer.
		of_kind = CALLS if kind in CALLS else (kind,)
		n = sum(item["type"] in of_kind for item in self._output)
		self._output.append(make(item_id(kind, self._request_id, n)))
		return self._event_of_item("added", len(self._output) - 1)

	def _event_of_item(self, name: str, index: int) -> str:
		return self._event(f"response.output_item.{name}", output_index=index, item=self._output[index])

	def _event_of_part(self, name: str, **fields: Any) -> str:
		"""Returns an event of the only part of the item that is being written."""
		index = len(self._output) - 1
		_part, _text, numbered = PARTS[self._open or "message"]
		return self._event(
			name, item_id=self._output[index]["id"], output_index=index, **{numbered: 0}, **fields
		)

	def _text(self, kind: str, delta: str) -> str:
		before = "" if self._open == kind else self._close("completed") + self._begin(kind)
		self._pieces.append(delta)
		return before + self._event_of_part(f"{PARTS[kind][1]}.delta", delta=delta, **self._logprobs())

	def _begin(self, kind: str) -> str:
		added = self._append(
			kind,
			lambda identity: (
				reasoning_item(identity, "")
				if kind == "reasoning"
				else message_item(identity, None, "in_progress")
			),
		)
		self._open, self._pieces = kind, []
		return added + self._event_of_part(f"{PARTS[kind][0]}.added", part=part(kind, ""))

	def _close(self, status: str, sealed: str | None = None) -> str:
		"""Ends the reasoning or message that is being written, if there is one."""
		if self._open is None:
			return ""
		kind, text, index = self._open, "".join(self._pieces), len(self._output) - 1
		identity = self._output[index]["id"]
		self._output[index] = (
			reasoning_item(identity, text, sealed)
			if kind == "reasoning"
			else message_item(identity, text, status)
		)
		of_part, of_text, _numbered = PARTS[kind]
		written = self._event_of_part(f"{of_text}.done", text=text, **self._logprobs())
		written += self._event_of_part(f"{of_part}.done", part=part(kind, text))
		self._open = None
		return written + self._event_of_item("done", index)

	def _logprobs(self) -> dict[str, Any]:
		return {"logprobs": []} if self._open == "message" else {}

	def _reasoning_of(self, sealed: str) -> str:
		"""Returns an item without text, with the data that a provider sent after its reasoning."""
		added = self._append("reasoning", lambda identity: reasoning_item(identity, "", sealed))
		return added + self._event_of_item("done", len(self._output) - 1)

	def _begin_call(self, call_id: str, name: str) -> str:
		closed = self._close("completed")
		kind = call_kind(name, self._tools)
		if kind == "custom_tool_call":
			self._inputs[call_id] = InputReader()
		added = self._append(
			kind, lambda identity: call_item(identity, call_id, name, "", "in_progress", self._tools)
		)
		self._calls[call_id] = (len(self._output) - 1, [])
		return closed + added

	def _arguments(self, call_id: str, delta: str) -> str:
		index, pieces = self._calls[call_id]
		pieces.append(delta)
		if call_id in self._inputs:
			return self._input(index, self._inputs[call_id].feed(delta))
		return self._event(
			"response.function_call_arguments.delta",
			item_id=self._output[index]["id"],
			output_index=index,
			delta=delta,
		)

	def _input(self, index: int, delta: str) -> str:
		"""Returns an event with a piece of the input of a custom tool, "" for none."""
		if not delta:
			return ""
		item_id = self._output[index]["id"]
		return self._event(
			"response.custom_tool_call_input.delta", item_id=item_id, output_index=index, delta=delta
		)

	def _whole_call(self, call: ToolCall) -> str:
		"""Ends a call. Its pieces were written before, or nothing."""
		text = ""
		if call.id not in self._calls:
			text = self._begin_call(call.id, call.name) + self._arguments(call.id, call.arguments)
		return text + self._end_call(call.id, "completed")

	def _end_call(self, call_id: str, status: str) -> str:
		index, pieces = self._calls.pop(call_id)
		item, arguments = self._output[index], "".join(pieces)
		if reader := self._inputs.pop(call_id, None):
			text, rest = reader.rest(arguments)
			written = self._input(index, rest)
			self._output[index] = {**item, "input": text, "status": status}
			at = {"item_id": item["id"], "output_index": index}
			done = self._event("response.custom_tool_call_input.done", **at, input=text)
			return written + done + self._event_of_item("done", index)
		self._output[index] = {**item, "arguments": arguments, "status": status}
		named = {"item_id": item["id"], "output_index": index, "name": item["name"]}
		done = self._event("response.function_call_arguments.done", **named, arguments=arguments)
		return done + self._event_of_item("done", index)
