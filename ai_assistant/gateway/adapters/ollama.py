"""The adapter for Ollama's own API, `/api/chat`, on your own machine or at ollama.com.

The wire is the one of Ollama's public API reference: a JSON object a line, each with the next piece of one message (its
content, its thinking, its calls whole), the last with the reason why it ends and a count of tokens.
"""

import json
from contextlib import aclosing
from dataclasses import dataclass, field, replace
from typing import Any

from .. import attachments, continuation, http, strict_json
from ..attachments import parts_of
from ..chunks import Ask, Provider
from ..efforts import OLLAMA_EFFORTS
from ..errors import ProviderError
from ..failures import failure, finish_reason
from ..sse import string
from ..tool_calls import OwnIds, sendable, tool_piece
from .options import for_ollama
from .partial import PartialAnswer, Pieces, Stream
from .usages import usage_of_ollama

BASE = "http://localhost:11434"
# The fields of a provider's `extra` that belong to the request. All others are options of the model.
FIELDS = frozenset(
	"format keep_alive logprobs messages model options shift stream think tools top_logprobs truncate".split()
)


@http.without_secrets
async def answer(provider: Provider, ask: Ask, names: dict[str, str]) -> Stream:
	"""Yields the provider's answer in pieces as they arrive. It is always streamed.

	Args:
		provider: `api_base` is the address before `/api/chat`; None means this machine.
		ask: the question; it is not changed.

	Returns: a generator that ends with one Completion. Closing it closes the connection.

	Raises ProviderError, or ProtocolError if the response is not an answer of this API.
	"""
	if not all(url.startswith("data:") for url in ask.images):
		raise ProviderError("no_image_links", **names)
	sent, dropped = parameters(provider, ask)
	message = _Message(ask.uses_tools)
	source = http.objects(
		lambda: _request(provider, sent),
		names,
		ended=lambda: message.done,
		calls=lambda: message.has_calls,
		# Only the server knows which models can think. It refuses `think` for the others.
		remove=lambda: bool(sent.pop("think", False)),
	)
	async with aclosing(source):
		async for lines in source:
			for line in lines:
				if line.get("error") is not None:
					raise failure(names, body=line["error"])
				for piece in message.pieces(line):
					yield piece
	message.require_end(message.done, names)
	if ask.reasoning_effort and "think" not in sent:
		dropped = tuple(sorted({*dropped, "reasoning_effort"}))
	finish = finish_reason(message.done.get("done_reason"), names)
	usage = usage_of_ollama(message.done, message.thought_bytes, provider, ask.model)
	yield message.completion(provider, ask, finish, usage, dropped)


@dataclass
class _Message(PartialAnswer):
	"""The part of an answer that has arrived."""

	# The last line.
	done: dict[str, Any] = field(default_factory=dict)
	calls: int = 0

	def pieces(self, line: dict[str, Any]) -> Pieces:
		"""Yields the pieces in a line. Raises ProtocolError."""
		self.begun = True
		if line.get("done"):
			self.done = line
		message = line.get("message") if line.get("done") else line["message"]
		if not message:
			return
		if thinking := message.get("thinking"):
			if self.keeps:
				self.continuation.add("reasoning_content", string(thinking))
			yield self.reasoning(thinking)
		if content := message.get("content"):
			yield self.text(content)
		for call in message.get("tool_calls") or ():
			# Each call is complete. Some versions number all of them 0.
			self.calls += 1
			self.has_calls = True
			yield replace(tool_piece(call), index=self.calls - 1)


def parameters(provider: Provider, ask: Ask) -> tuple[dict[str, Any], tuple[str, ...]]:
	"""Returns the body of the request, and the fields that the API does not accept. It has no tool_choice."""
	own, called = OwnIds(), dict[str, str]()
	more, left_out = for_ollama(ask)
	options = {"temperature": ask.temperature, "num_predict": ask.max_tokens, **more.pop("options")}
	sent: dict[str, Any] = {
		"model": ask.model,
		"messages": [
			_message(own.of(sendable(message)), fields, called)
			for message, fields in continuation.of_messages(provider, ask)
		],
		"options": {name: value for name, value in options.items() if value is not None},
		"stream": True,
	}
	effort = ask.reasoning_effort
	if OLLAMA_EFFORTS.match(ask.model):
		# It cannot stop thinking.
		if effort and effort != "none":
			sent["think"] = effort
	elif effort:
		sent["think"] = effort != "none"
	if ask.tools and ask.tool_choice != "none":
		sent["tools"] = ask.tools
	dropped = ("tool_choice",) if "tools" in sent and ask.tool_choice else ()
	return {**sent, **more}, (*dropped, *left_out)


def _message(message: dict[str, Any], fields: continuation.Fields, called: dict[str, str]) -> dict[str, Any]:
	"""Returns a message in the form of the API. `called` has the names of functions by the ids of calls."""
	parts = parts_of(message.get("content"))
	result: dict[str, Any] = {
		"role": message["role"],
		"content": "".join(part["text"] for part in parts if part["type"] == "text"),
	}
	if images := [attachments.data_of(part)[1] for part in parts if part["type"] == "image_url"]:
		result["images"] = images
	if calls := message.get("tool_calls"):
		called |= {call["id"]: call["function"]["name"] for call in calls}
		result["tool_calls"] = [_tool_call(call) for call in calls]
		if isinstance(thinking := fields.get("reasoning_content"), str):
			result["thinking"] = thinking
	if message["role"] == "tool":
		identity = message["tool_call_id"]
		result |= {"tool_call_id": identity, "tool_name": called.get(identity, "")}
	return result


def _tool_call(call: dict[str, Any]) -> dict[str, Any]:
	function = call["function"]
	named = {"name": function["name"], "arguments": json.loads(function["arguments"])}
	return {"id": call["id"], "function": named}


def _request(provider: Provider, sent: dict[str, Any]) -> tuple[str, dict[str, str], bytes]:
	"""Returns the URL, the headers and the body. Raises ProviderError `misconfigured`."""
	base = http.base_url(provider, BASE).removesuffix("/chat").removesuffix("/api")
	headers = {"authorization": f"Bearer {provider.api_key}", "accept": "application/x-ndjson"}
	added = http.with_extra(provider, {})
	options = {name: value for name, value in added.items() if name not in FIELDS}
	body = {name: value for name, value in added.items() if name in FIELDS} | sent
	body["options"] = options | (added.get("options") or {}) | sent["options"]
	return f"{base}/api/chat", http.headers(provider, headers), strict_json.dumps(body)
