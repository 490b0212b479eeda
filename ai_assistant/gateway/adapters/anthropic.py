"""The adapter for Anthropic's Messages API, and for servers that speak it (DeepSeek, Moonshot, Z.ai, MiniMax).

The wire is the one of Anthropic's public API reference, version 2023-06-01: server-sent events whose `type` names what
they carry, an answer in numbered blocks (text, thinking, redacted_thinking, tool_use), and a count of tokens in the first
event (prompt) and in the last but one (answer). Events and blocks of an unknown type are ignored, as the reference asks.
"""

import re
from collections.abc import Iterator
from contextlib import aclosing
from hashlib import sha256
from typing import Any

from .. import attachments, compaction, continuation, http, models, strict_json
from ..attachments import Parts, parts_of
from ..caching import MARKER
from ..chunks import Ask, Provider
from ..efforts import BUDGETS
from ..failures import failure, finish_reason
from ..tool_calls import OwnIds
from . import anthropic_cache
from .anthropic_stream import THINKING, Message
from .options import for_anthropic
from .partial import Stream
from .turns import turns_of
from .usages import usage_of_messages

BASE = "https://api.anthropic.com"
VERSION = "2023-06-01"
# The API wants a limit with each request; this is one that every model takes.
DEFAULT_MAX_TOKENS = 4096
# A message that the provider pauses for a tool of its own is continued at most this many times.
MAX_PAUSES = 8
CALL_ID = re.compile(r"[A-Za-z0-9_-]{1,64}")
# Models that think unless they are told not to: Sonnet 5, Opus 5 and later. They show it only if `display` asks for it.
THINKS_UNASKED = re.compile(r"claude-[a-z]+-([5-9]|\d\d)(?!\d)")
# The context edit that compacts a conversation, the header that permits this edit, and its smallest trigger.
COMPACTION, COMPACTION_BETA, MIN_TRIGGER_TOKENS = "compact_20260112", "compact-2026-01-12", 50_000
NO_ARGUMENTS = {"type": "object", "properties": {}}


@http.without_secrets
async def answer(provider: Provider, ask: Ask, names: dict[str, str]) -> Stream:
	"""Yields the provider's answer in pieces as they arrive. It is always streamed.

	Args:
		provider: the provider to ask. Its `api_base` is the address before `/v1/messages`.
		ask: the question; it is not changed.

	Returns: a generator that ends with one Completion. Closing it closes the connection.

	Raises ProviderError, or ProtocolError if the response does not follow this API.
	"""
	listed = models.entry(provider.api, ask.model)
	sent, dropped = parameters(provider, ask, listed)
	message = Message(ask.uses_tools or ask.compact, pauses=http.runs_tools(provider))
	for _ in range(1 + MAX_PAUSES):
		# Models before Claude 4.6 do not compact.
		source = http.objects(
			lambda: request(provider, sent),
			names,
			ended=lambda: message.stop_reason,
			calls=lambda: message.has_calls,
			remove=lambda: bool(sent.pop("context_management", None)),
		)
		async with aclosing(source):
			async for events in source:
				for event in events:
					if event.get("type") == "error" or "error" in event:
						raise failure(names, body=event)
					for piece in message.pieces(event):
						yield piece
		message.require_end(message.stop_reason or message.stopped, names)
		if not (blocks := message.paused()):
			break
		_go_on(sent["messages"], blocks)
	else:
		message.stop_reason = "pause_turn"
	finish = finish_reason(message.stop_reason, names, message.refusal())
	counts = (*message.earlier, message.usage)
	usage = usage_of_messages(counts, message.thought_bytes, provider, ask.model)
	yield message.completion(provider, ask, finish, usage, dropped)


def _go_on(messages: list[dict[str, Any]], blocks: list[dict[str, Any]]) -> None:
	"""Appends what the model has answered so far to the messages, so that the model continues there."""
	if messages[-1]["role"] == "assistant":
		messages[-1]["content"] += blocks
	else:
		messages.append({"role": "assistant", "content": blocks})


def parameters(provider: Provider, ask: Ask, listed: models.Entry) -> tuple[dict[str, Any], tuple[str, ...]]:
	"""Returns the body of the request, and the names of the Ask's fields that the model does not accept.

	Anthropic refuses a temperature beside thinking, a budget that is not below `max_tokens`, thinking where a call is
	forced, and any temperature for its models since Opus 4.7 (`supports_sampling_params` of litellm's list is false).
	"""
	system, messages = turns_of(_messages(provider, ask), "content")
	sent: dict[str, Any] = {
		"model": ask.model,
		"max_tokens": ask.max_tokens or listed.get("max_output_tokens") or DEFAULT_MAX_TOKENS,
		"messages": messages,
		"stream": True,
	}
	if system:
		sent["system"] = system
	thinking = _thinking(ask, listed, messages, sent["max_tokens"])
	sent |= thinking
	thinks = bool(thinking) and thinking["thinking"]["type"] != "disabled"
	if not thinks:
		# The API accepts earlier thinking only in a request that lets the model think.
		for message in messages:
			if message["role"] == "assistant":
				message["content"] = [part for part in message["content"] if part["type"] not in THINKING]
	dropped = ["reasoning_effort"] if ask.reasoning_effort and not thinking else []
	if ask.temperature is not None:
		if thinks or listed.get("supports_sampling_params") is False:
			dropped.append("temperature")
		else:
			# The API's scale ends at 1, ours at 2.
			sent["temperature"] = min(ask.temperature, 1.0)
	if compaction.is_done_by(provider, ask):
		sent["context_management"] = {"edits": [_compaction(provider, ask)]}
	sent |= _tools(ask)
	more, left_out = for_anthropic(ask, listed, thinks)
	if "tool_choice" in more:
		sent.setdefault("tool_choice", {"type": "auto"})
	for name in ("output_config", "tool_choice"):
		if name in more:
			more[name] = {**sent.get(name, {}), **more[name]}
	sent |= more
	anthropic_cache.mark(sent, provider.prompt_cache, listed)
	return sent, tuple(sorted((*dropped, *left_out)))


def _compaction(provider: Provider, ask: Ask) -> dict[str, Any]:
	"""Returns the edit that compacts a conversation. Without a trigger the API does so at 150,000 tokens."""
	tokens = compaction.trigger_tokens(provider, ask.model)
	if tokens is None:
		return {"type": COMPACTION}
	value = max(MIN_TRIGGER_TOKENS, tokens)
	return {"type": COMPACTION, "trigger": {"type": "input_tokens", "value": value}}


def _thinking(
	ask: Ask, listed: models.Entry, messages: list[dict[str, Any]], max_tokens: int
) -> dict[str, Any]:
	"""Returns the fields that ask the model to think and to show its thoughts; none for a model that does not think.

	Models since Opus 4.7 show no thoughts unless `display` asks for them, and take no budget. Sonnet 5 and later think
	unless they are told not to.
	"""
	effort = ask.reasoning_effort
	adaptive = listed.get("supports_adaptive_thinking")
	if effort == "none" and adaptive:
		return {"thinking": {"type": "disabled"}}
	if not effort and THINKS_UNASKED.match(ask.model) and not ask.forces_a_call:
		return {"thinking": {"type": "adaptive", "display": "summarized"}}
	if not effort or effort == "none" or not listed.get("supports_reasoning") or ask.forces_a_call:
		return {}
	if adaptive:
		return {
			"thinking": {"type": "adaptive", "display": "summarized"},
			"output_config": {"effort": effort},
		}
	budget = BUDGETS[effort]
	if budget >= max_tokens or _lacks_its_thinking(messages):
		return {}
	return {"thinking": {"type": "enabled", "budget_tokens": budget}}


def _lacks_its_thinking(messages: list[dict[str, Any]]) -> bool:
	"""Whether the messages contain the last calls and their results, but not the thinking before these calls."""
	if len(messages) < 2 or messages[-1]["content"][0]["type"] != "tool_result":
		return False
	return not any(part["type"] in THINKING for part in messages[-2]["content"])


def _tools(ask: Ask) -> dict[str, Any]:
	if not ask.uses_tools:
		return {}
	if not ask.tools:
		# The API requires a definition of each tool whose calls are in the conversation.
		calls = [call for message in ask.messages for call in message.get("tool_calls") or ()]
		named = dict.fromkeys(call["function"]["name"] for call in calls)
		tools = [{"name": name, "input_schema": NO_ARGUMENTS} for name in named]
		return {"tools": tools, "tool_choice": {"type": "none"}} if tools else {}
	# The API holds each value of the arguments back until it is valid, unless a tool asks for fine-grained streaming.
	eager = {"eager_input_streaming": True} if ask.stream_tool_calls else {}
	sent: dict[str, Any] = {"tools": [{**_tool(tool), **eager} for tool in ask.tools]}
	choice = ask.tool_choice
	if isinstance(choice, dict):
		sent["tool_choice"] = {"type": "tool", "name": choice["function"]["name"]}
	elif choice:
		sent["tool_choice"] = {"type": {"required": "any"}.get(choice, choice)}
	return sent


def _tool(tool: dict[str, Any]) -> dict[str, Any]:
	function = tool["function"]
	described = {"description": function["description"]} if function.get("description") else {}
	schema = {"type": "object", **(function.get("parameters") or NO_ARGUMENTS)}
	return {"name": function["name"], **described, "input_schema": schema, **_marker(tool)}


def _messages(provider: Provider, ask: Ask) -> Iterator[tuple[str, Parts]]:
	"""Yields the role and the blocks of each message."""
	own = OwnIds()
	for message_of_ask, fields in continuation.of_messages(provider, ask):
		message = own.of(message_of_ask)
		parts = _parts(message.get("content"))
		if message["role"] == "system":
			yield "system", parts
		elif message["role"] == "tool":
			yield "user", [_tool_result(message, parts)]
		elif message["role"] == "assistant":
			compacted = fields.get(compaction.FIELD) if ask.compact else None
			parts = [
				*continuation.known(compacted, compaction.BLOCKS),
				*continuation.known(fields.get("thinking_blocks"), THINKING),
				*parts,
				*(_tool_use(call) for call in message.get("tool_calls") or ()),
			]
			yield "assistant", parts
		else:
			yield "user", parts


def _parts(content: Any) -> Parts:
	"""Returns a content as blocks, without empty texts, which the API refuses."""
	return [
		{**_block(part), **_marker(part)}
		for part in parts_of(content)
		if part["type"] != "text" or part["text"].strip()
	]


def _block(part: dict[str, Any]) -> dict[str, Any]:
	if part["type"] not in ("image_url", "file"):
		return {"type": "text", "text": part["text"]}
	if part["type"] == "image_url" and not (url := part["image_url"]["url"]).startswith("data:"):
		return {"type": "image", "source": {"type": "url", "url": url}}
	kind, data = attachments.data_of(part)
	source = {"type": "base64", "media_type": kind, "data": data}
	if part["type"] == "file":
		return {"type": "document", "source": source, "title": part["file"]["filename"]}
	return {"type": "image", "source": source}


def _tool_use(call: dict[str, Any]) -> dict[str, Any]:
	function = call["function"]
	written = function.get("arguments") or "{}"
	arguments = strict_json.object_of(written)
	if arguments is None:
		# The model wrote no JSON object. It gets its text back unchanged.
		arguments = {"arguments": written}
	return {"type": "tool_use", "id": _call_id(call["id"]), "name": function["name"], "input": arguments}


def _tool_result(message: dict[str, Any], content: Parts) -> dict[str, Any]:
	result = {"type": "tool_result", "tool_use_id": _call_id(message["tool_call_id"])}
	for part in content:
		# The API takes a marker on the result, not within it.
		result |= {MARKER: part.pop(MARKER)} if MARKER in part else {}
	return {**result, "content": content} if content else result


def _marker(part: dict[str, Any]) -> dict[str, Any]:
	"""Returns the client's own cache marker of a content part or a tool, if there is one."""
	return {MARKER: part[MARKER]} if MARKER in part else {}


def _call_id(call_id: str) -> str:
	"""Returns an id in the form that the API accepts. An id of another provider may have other characters."""
	return call_id if CALL_ID.fullmatch(call_id) else f"toolu_{sha256(call_id.encode()).hexdigest()[:24]}"


def request(provider: Provider, sent: dict[str, Any]) -> tuple[str, dict[str, str], bytes]:
	"""Returns the URL, the headers and the body. Raises ProviderError `misconfigured`."""
	base = http.base_url(provider, BASE)
	headers = {"x-api-key": provider.api_key, "anthropic-version": VERSION, "accept": "text/event-stream"}
	url = base if base.endswith("/messages") else f"{base.removesuffix('/v1')}/v1/messages"
	headers = http.headers(provider, headers)
	if "context_management" in sent:
		configured = headers.get("anthropic-beta")
		headers["anthropic-beta"] = f"{configured},{COMPACTION_BETA}" if configured else COMPACTION_BETA
	return url, headers, strict_json.dumps(http.with_extra(provider, sent))
