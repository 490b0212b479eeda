"""Writes the stream of one response of OpenAI's Responses API: the events that build its items."""

from typing import Any

from ai_assistant.chat.written import Written
from ai_assistant.gateway.freeform import InputReader

from ..dialect import Parsed, StreamWriter, event
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

# The events of a call, by the type of its item.
CALLS = {
	"function_call": "response.function_call_arguments",
	"custom_tool_call": "response.custom_tool_call_input",
}
# For reasoning and text: the events of the only part of its item, the events of the text, the field with the number of the
# part, and other fields of the text.
PARTS: dict[str, tuple[str, str, str, dict[str, Any]]] = {
	"reasoning": ("response.reasoning_summary_part", "response.reasoning_summary_text", "summary_index", {}),
	"text": ("response.content_part", "response.output_text", "content_index", {"logprobs": []}),
}


class Writer(StreamWriter):
	"""The stream of one response.

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
		# `text` or `reasoning` while the last item of the output is one that is being written, where it is, and its text.
		self._open: str | None = None
		self._at: dict[str, Any] = {}
		self._pieces: list[str] = []
		# The calls whose arguments are being written: the name of the events, where the item is, the arguments, and the reader
		# of an input that is text.
		self._calls: dict[str, tuple[str, dict[str, Any], list[str], InputReader | None]] = {}

	def begin(self) -> str:
		unknown = {"completed_at": None, "incomplete_details": None, "error": None, "usage": None}
		status = "queued" if self._background else "in_progress"
		response = {**self._resource, **unknown, "status": status, "output": []}
		text = self._event("response.created", response=response)
		if self._background:
			text += self._event("response.queued", response=response)
		return text + self._event("response.in_progress", response={**response, "status": "in_progress"})

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
			# The provider sent it after its reasoning. The item has no text.
			item = reasoning_item(self._next_id("reasoning"), "", sealed)
			text += self._append(item) + self._done(len(self._output) - 1, item)
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
		if number <= self._after:
			return ""
		return event({"type": kind, "sequence_number": number, **fields}, kind)

	def _next_id(self, kind: str) -> str:
		# The calls of both types are numbered as one, as in the stored answer.
		of_kind = CALLS if kind in CALLS else (kind,)
		return item_id(kind, self._request_id, sum(item["type"] in of_kind for item in self._output))

	def _append(self, item: dict[str, Any]) -> str:
		self._output.append(item)
		return self._event("response.output_item.added", output_index=len(self._output) - 1, item=item)

	def _done(self, index: int, item: dict[str, Any]) -> str:
		"""Puts the whole item into the place of the one that has been written."""
		self._output[index] = item
		return self._event("response.output_item.done", output_index=index, item=item)

	def _say(self, kind: str, text: str) -> str:
		self._written.lengths[kind] += len(text)
		before = "" if self._open == kind else self._close("completed") + self._begin(kind)
		self._pieces.append(text)
		_part, of_text, _numbered, more = PARTS[kind]
		return before + self._event(f"{of_text}.delta", **self._at, delta=text, **more)

	def _begin(self, kind: str) -> str:
		of_part, _text, numbered, _more = PARTS[kind]
		self._open, self._pieces = kind, []
		identity = self._next_id("message" if kind == "text" else kind)
		self._at = {"item_id": identity, "output_index": len(self._output), numbered: 0}
		added = self._append(_item(kind, identity, None, "in_progress"))
		return added + self._event(f"{of_part}.added", **self._at, part=part(kind, ""))

	def _close(self, status: str, sealed: str | None = None) -> str:
		"""Ends the reasoning or message that is being written, if there is one."""
		if self._open is None:
			return ""
		kind, text, self._open = self._open, "".join(self._pieces), None
		of_part, of_text, _numbered, more = PARTS[kind]
		written = self._event(f"{of_text}.done", **self._at, text=text, **more)
		written += self._event(f"{of_part}.done", **self._at, part=part(kind, text))
		item = _item(kind, self._at["item_id"], text, status, sealed)
		return written + self._done(self._at["output_index"], item)

	def _begin_call(self, call_id: str, name: str) -> str:
		self._written.calls.add(call_id)
		closed = self._close("completed")
		kind = call_kind(name, self._tools)
		identity, reader = self._next_id(kind), InputReader() if kind == "custom_tool_call" else None
		at = {"item_id": identity, "output_index": len(self._output)}
		self._calls[call_id] = CALLS[kind], at, [], reader
		return closed + self._append(call_item(identity, call_id, name, "", "in_progress", self._tools))

	def _add_arguments(self, call_id: str, piece: str) -> str:
		events, at, pieces, reader = self._calls[call_id]
		pieces.append(piece)
		if reader:
			piece = reader.feed(piece)
			if not piece:
				return ""
		return self._event(f"{events}.delta", **at, delta=piece)

	def _end_call(self, call_id: str, status: str = "completed") -> str:
		events, at, pieces, reader = self._calls.pop(call_id)
		index, arguments = at["output_index"], "".join(pieces)
		item = self._output[index]
		if reader:
			text, rest = reader.rest(arguments)
			written = self._event(f"{events}.delta", **at, delta=rest) if rest else ""
			written += self._event(f"{events}.done", **at, input=text)
			return written + self._done(index, {**item, "input": text, "status": status})
		done = self._event(f"{events}.done", **at, name=item["name"], arguments=arguments)
		return done + self._done(index, {**item, "arguments": arguments, "status": status})


def _item(
	kind: str, identity: str, text: str | None, status: str, sealed: str | None = None
) -> dict[str, Any]:
	if kind == "reasoning":
		return reasoning_item(identity, text or "", sealed)
	return message_item(identity, text, status)
