"""OpenAI's endpoints for responses that the site has stored: read, cancel, delete, list the input, and compact.

A response is a request of this app: its id is `resp_` and the request's id. What a client sent is kept with the request
where the site keeps content, unless the client says `store: false`.

`/responses/compact` shortens a conversation. The model writes a summary, which comes back as an item of type
`compaction`. The next request sends this item in the place of the conversation.
"""

import re
import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import frappe
from frappe import _
from werkzeug.wrappers import Response

from ai_assistant import store
from ai_assistant.chat import journal, ownership, queue
from ai_assistant.chat.answer import answer_of, current_answer
from ai_assistant.chat.errors import ChatError, invalid
from ai_assistant.chat.messages import messages_of
from ai_assistant.chat.request import ChatRequest
from ai_assistant.chat.validators import flag, whole_number
from ai_assistant.config import access
from ai_assistant.config.settings import Settings
from ai_assistant.gateway.field_types import MOST
from ai_assistant.log import escaped

from .. import requests
from ..dialect import Parsed
from . import responses
from .input_items import items_of, page_of
from .response_object import ID_PREFIX, ITEM_PREFIXES, call_of, compaction, message_item, reasoning_item
from .response_tools import CalledTool, called_tools, names_of

ITEM_ID = re.compile(rf"({'|'.join(ITEM_PREFIXES.values())})_(.+)_([0-9]{{1,9}})", re.DOTALL)
# The question for the summary of a conversation.
COMPACTION = (
	"Summarise the conversation so far for somebody who goes on with it and sees nothing else of it: what was asked, what"
	" was decided and found out, what was done, and what is left to do. Write only the summary."
)
# How long a cancelled request may take to end.
END_S = 3.0
# The most responses whose items an input may name. Each response is looked up in the database.
MAX_REFERRED = 500

Known = dict[str, tuple[store.Row, Mapping[str, CalledTool]]]
"""The responses that were looked up, with their tools, by their ids."""


def create() -> Response:
	"""Creates a response. One in the background that is not streamed is answered at once, with the status `queued`.

	Raises:
		ChatError: For what is refused before the request is accepted.
	"""
	started = time.monotonic()
	sent = requests.body()
	parsed = read(sent)
	settings = access.load_permitted()
	request = requests.validated(parsed, settings)
	stores = flag(sent.get("store", True), "store") and settings.retention.keep_content
	model = requests.model_shown(parsed, request, settings) if parsed.stream else parsed.fields.get("model")
	if sent.get("generate") is False:
		return requests.send(responses, parsed, request.request_id, model or "", _unasked(request))
	kept = {**_sent(parsed, settings, stores), "model": model}
	if not parsed.background:
		kept["created"] = created = int(time.time())
		request = replace(request, sent=kept, keeps_chunks=parsed.stream)
		chunks = requests.chunks_of(request, parsed, settings, started)
		return requests.send(responses, parsed, request.request_id, model or "", chunks, created)
	request = replace(request, sent=kept)
	if ownership.find_same(request) is None:
		try:
			queue.put(request, settings, started)
		except ChatError as refused:
			ownership.accepted_meanwhile(request, refused)
	row = ownership.find(request.request_id)
	return _stream(row, kept, parsed) if parsed.stream else _whole(row, kept)


def _unasked(request: ChatRequest) -> requests.Chunks:
	"""Answers a request that asks no provider and is not stored: a client of WebSocket mode prepares a turn with it."""
	yield from ()
	ids = {"request_id": request.request_id, "task_id": request.task_id}
	return answer_of({**ids, "status": "completed", "finish_reason": "stop"})


def read(sent: dict[str, Any]) -> Parsed:
	"""Reads the body of a request, with what it refers to: an earlier response, and items of responses. Raises ChatError."""
	history, task_id = _continued(sent.get("previous_response_id"))
	resolved = {**sent, "input": _resolved(sent.get("input"))}
	parsed = responses.parse(resolved, frappe.local.request.headers, history)
	if not parsed.fields["messages"]:
		raise invalid(_("{0} accepts a string or a list of items."), "input")
	if task_id and not (sent.get("metadata") or {}).get("task_id"):
		parsed.fields["task_id"] = task_id
	return parsed


def retrieve(response_id: str) -> Response:
	"""Returns a stored response in any status; with `stream=true` its events, or only those after `starting_after`."""
	row, sent = _find(response_id)
	query = frappe.local.request.args
	if not flag(query.get("stream"), "stream"):
		return _whole(row, sent)
	parsed = _parsed(row, sent, stream=True)
	after = whole_number(query.get("starting_after"), "starting_after", 0, 2**31)
	if after is not None:
		if not journal.keeps_chunks(row):
			message = _("The events of {0} are not kept on this site; read it without {1}.")
			raise ChatError("not_kept", message.format(response_id, "starting_after"))
		parsed.options["starting_after"] = after
	return _stream(row, sent, parsed)


def list_input(response_id: str) -> Response:
	"""Returns the items of a response's input, and of the responses that it continues, as pages.

	Raises:
		ChatError: `not_kept` if the site has not stored the input.
	"""
	row, sent = _find(response_id)
	if sent.get("messages") is None:
		raise _not_kept(response_id)
	items = items_of(sent["messages"], row["request_id"], _tools(sent))
	return requests.json_response(page_of(items, frappe.local.request.args))


def cancel(response_id: str) -> Response:
	"""Stops a response that has not ended, and answers with it."""
	row, _kept = _find(response_id)
	if row["status"] in store.UNENDED:
		queue.cancel([row])
		for _chunk in journal.follow(row, END_S):
			pass
	return _whole(*_find(response_id))


def delete(response_id: str) -> Response:
	"""Deletes what was asked and answered. What it cost stays in the site's figures.

	Raises:
		ChatError: `conflict` if the response has not ended.
	"""
	row, _kept = _find(response_id)
	if row["status"] in store.UNENDED:
		raise ChatError("conflict", _("{0} has not ended; cancel it first.").format(response_id))
	with store.transaction() as current:
		current.erase(row["name"])
	return requests.json_response({"id": response_id, "object": "response", "deleted": True})


def compact() -> Response:
	"""Answers with a conversation as one item. Raises ChatError."""
	started = time.monotonic()
	sent = requests.body()
	if not isinstance(sent.get("model"), str):
		raise invalid(_("{0} accepts the name of a model."), "model")
	parsed = read({**sent, "tools": None, "tool_choice": None, "stream": False})
	parsed.fields["messages"].append({"role": "user", "content": COMPACTION})
	settings = access.load_permitted()
	request = requests.validated(parsed, settings)
	answer = requests.last(requests.chunks_of(request, parsed, settings, started))
	headers = {"X-Request-Id": request.request_id}
	if answer.get("error"):
		return requests.refusal(responses, answer["error"], headers)
	return requests.json_response(compaction(answer, int(time.time())), headers)


def _find(response_id: str) -> tuple[store.Row, dict[str, Any]]:
	"""Returns the row of the user's own response, and what is kept of its request. Raises ChatError `not_found`."""
	unknown = ChatError("not_found", _("There is no response {0}.").format(escaped(response_id)))
	if not response_id.startswith(ID_PREFIX):
		raise unknown
	try:
		row = ownership.find(response_id.removeprefix(ID_PREFIX))
	except ChatError:
		raise unknown from None
	sent = store.current().sent(row["name"])
	if sent == {}:
		raise unknown
	return row, sent or {}


def _stream(row: store.Row, sent: dict[str, Any], parsed: Parsed) -> Response:
	model = sent.get("model") or row["model"] or ""
	followed, created = requests.follow(row, access.load_permitted()), _created(row, sent)
	return requests.send(responses, parsed, row["request_id"], model, followed, created, at_once=True)


def _created(row: store.Row, sent: dict[str, Any]) -> float:
	"""Returns when a response was created, in UNIX seconds. A direct stream began before the row was stored."""
	return float(sent["created"] if "created" in sent else row["created"])


def _whole(row: store.Row, sent: dict[str, Any]) -> Response:
	answer, parsed = current_answer(row), _parsed(row, sent, stream=False)
	body = responses.whole(answer, parsed, int(_created(row, sent)))
	return requests.json_response(body, {"X-Request-Id": row["request_id"]})


def _sent(parsed: Parsed, settings: Settings, stores: bool) -> dict[str, Any]:
	"""Returns what is stored of a request besides its answer. Its content is stored only if `stores` is true."""
	sent: dict[str, Any] = {"background": parsed.background}
	repeated = parsed.options["repeated"]
	if stores:
		own = parsed.fields["messages"]
		if repeated.get("instructions"):
			# Instructions are those of one response, and not of those that follow it.
			own = own[1:]
		# Their characters have been counted already, against the limit of the model that is asked.
		messages = messages_of(own, settings.limits.max_messages, MOST)
		return {**sent, "messages": messages, "repeated": repeated}
	# A stream that is sent again has the same items if the names of the tools are known.
	return {**sent, "repeated": {"tools": names_of(repeated.get("tools"))}}


def _parsed(row: store.Row, sent: dict[str, Any], stream: bool) -> Parsed:
	"""Returns the request of a stored response, of which `sent` is kept."""
	return Parsed(
		fields={"model": sent.get("model") or row["model"] or ""},
		stream=stream,
		background=sent.get("background", False),
		options={"repeated": sent.get("repeated") or {}},
	)


def _tools(sent: dict[str, Any]) -> Mapping[str, CalledTool]:
	return called_tools((sent.get("repeated") or {}).get("tools"))


def _continued(response_id: Any) -> tuple[list[dict[str, Any]], str | None]:
	"""Returns the messages up to a response and with it, and its task; nothing if the id is None. Raises ChatError."""
	if response_id is None:
		return [], None
	if not isinstance(response_id, str):
		raise invalid(_("{0} accepts the id of a response."), "previous_response_id")
	row, sent = _find(response_id)
	if row["status"] in store.UNENDED:
		raise invalid(
			_("{0} accepts a response that has ended; {1} has not."), "previous_response_id", response_id
		)
	if (messages := sent.get("messages")) is None:
		raise _not_kept(response_id)
	answer = current_answer(row)
	message = {"role": "assistant", "content": answer["response"]}
	if calls := answer.get("tool_calls"):
		message["tool_calls"] = calls
	if answer.get("continuation"):
		message["continuation"] = answer["continuation"]
	return [*messages, message], row["task_id"]


def _not_kept(response_id: str) -> ChatError:
	message = _("The content of {0} is not kept on this site; send all of the input.")
	return ChatError("not_kept", message.format(response_id))


def _resolved(input_items: Any) -> Any:
	"""Returns an input with the stored items in the place of the references to them. Raises ChatError."""
	if not isinstance(input_items, list):
		return input_items
	known: Known = {}
	return [
		resolved for n, item in enumerate(input_items) for resolved in _items(item, f"input[{n}].id", known)
	]


def _items(item: Any, where: str, known: Known) -> Sequence[Any]:
	"""Returns the items for which an item stands. Each response is looked up once, and put into `known`."""
	if not isinstance(item, dict) or not (item.get("type") == "item_reference" or item.keys() == {"id"}):
		return [item]
	identity = str(item.get("id"))
	match = ITEM_ID.fullmatch(identity)
	if not match:
		raise invalid(_("{0} accepts the id of an item of a stored response."), where)
	kind, request_id, number = match[1], match[2], int(match[3])
	response_id = f"{ID_PREFIX}{request_id}"
	if response_id not in known:
		if len(known) >= MAX_REFERRED:
			raise invalid(_("{0} accepts items of at most {1} responses."), "input", MAX_REFERRED)
		row, sent = _find(response_id)
		known[response_id] = row, _tools(sent)
	row, tools = known[response_id]
	if row["response"] is None:
		raise _not_kept(response_id)
	if kind == ITEM_PREFIXES["reasoning"]:
		return [reasoning_item(identity, "", row["continuation"])] if row["continuation"] else []
	if kind == ITEM_PREFIXES["message"]:
		# A stream may have split the text into several items. The first stands for the whole text.
		return [message_item(identity, row["response"], "completed")] if number == 0 else []
	calls = row["tool_calls"] or []
	if number >= len(calls):
		raise invalid(_("{0} accepts the id of an item of a stored response."), where)
	return [call_of(request_id, number, calls[number], tools)]
