"""The adapter for Anthropic's Messages API, and for servers that speak it (DeepSeek, Moonshot, Z.ai, MiniMax).

The wire is the one of Anthropic's public API reference, version 2023-06-01: server-sent events whose `type` names what
they carry, an answer in numbered blocks (text, thinking, redacted_thinking, tool_use), and a count of tokens in the first
event (prompt) and in the last but one (answer). Events and blocks of an unknown type are ignored, as the reference asks.
"""

import json
import re
from collections.abc import AsyncGenerator, Iterator
from contextlib import aclosing
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Any

from .. import continuation, http, models
from ..chunks import Ask, Completion, Provider, Reasoning, Text
from ..efforts import BUDGETS
from ..errors import ProviderError
from ..failures import failure, finish_reason
from ..sse import string
from ..tool_calls import OwnIds, ToolPiece
from ..usage import Usage, estimated_tokens, tokens

BASE = "https://api.anthropic.com"
VERSION = "2023-06-01"
# The API wants a limit with each request; this is one that every model takes.
DEFAULT_MAX_TOKENS = 4096
THINKING = {"thinking": ("thinking", "signature"), "redacted_thinking": ("data",)}
CALL_ID = re.compile(r"[A-Za-z0-9_-]{1,64}")
# Models that think unless they are told not to: Sonnet 5, Opus 5 and later. They show it only if `display` asks for it.
THINKS_UNASKED = re.compile(r"claude-[a-z]+-([5-9]|\d\d)(?!\d)")
NO_ARGUMENTS = {"type": "object", "properties": {}}


@http.without_secrets
async def answer(
	provider: Provider, ask: Ask, names: dict[str, str]
) -> AsyncGenerator[Reasoning | Text | ToolPiece | Completion, None]:
	"""The provider's answer in the pieces in which it comes, always streamed.

	Args:
		provider: whom to ask; `api_base` is the address before `/v1/messages`.
		ask: the question; it is not changed.

	Returns: a generator that ends with one Completion. Closing it closes the connection.

	Raises ProviderError, or ProtocolError for what is no answer of this API.
	"""
	listed = models.entry(provider.api, ask.model)
	sent, dropped = parameters(provider, ask, listed)
	message = _Message(ask.uses_tools)
	events = http.objects(*_request(provider, sent), names, ended=lambda: message.stop_reason)
	async with aclosing(events):
		async for event in events:
			if event.get("type") == "error" or "error" in event:
				raise failure(names, body=event)
			for piece in message.pieces(event):
				yield piece
	if message.stop_reason is None and not message.stopped:
		raise ProviderError("unfinished" if message.begun else "no_answer", **names)
	yield Completion(
		finish_reason=finish_reason(message.stop_reason, names),
		provider=provider.name,
		model=ask.model,
		usage=_usage(message, provider, ask.model),
		dropped=dropped,
		continuation=message.kept.encoded(provider, ask.model),
	)


@dataclass
class _Message:
	"""An answer as far as its events have come."""

	keeps: bool
	stop_reason: str | None = None
	stopped: bool = False
	begun: bool = False
	thought_bytes: int = 0
	usage: dict[str, Any] = field(default_factory=dict)
	kept: continuation.Kept = field(default_factory=continuation.Kept)
	# The blocks that are open, by their index: what will be given back of them, once they are whole.
	blocks: dict[int, dict[str, Any]] = field(default_factory=dict)
	# The indexes of the client's calls; the provider's own send their arguments in the same way.
	calls: set[int] = field(default_factory=set)

	def pieces(self, event: dict[str, Any]) -> Iterator[Reasoning | Text | ToolPiece]:
		"""What an event says. Raises ProtocolError."""
		self.begun = True
		kind = string(event.get("type"))
		if kind == "message_start":
			self._count((event.get("message") or {}).get("usage"))
		elif kind == "content_block_start":
			yield from self._begin(event.get("index"), event["content_block"])
		elif kind == "content_block_delta":
			yield from self._add(event.get("index"), event["delta"])
		elif kind == "content_block_stop":
			self._end(event.get("index"))
		elif kind == "message_delta":
			self.stop_reason = (event.get("delta") or {}).get("stop_reason") or self.stop_reason
			self._count(event.get("usage"))
		elif kind == "message_stop":
			self.stopped = True

	def _count(self, usage: Any) -> None:
		# The last event repeats some counts of the first, and may correct them; null says nothing.
		self.usage |= {name: value for name, value in (usage or {}).items() if value is not None}

	def _begin(self, index: Any, block: dict[str, Any]) -> Iterator[Reasoning | Text | ToolPiece]:
		kind = block.get("type")
		if kind == "text" and block.get("text"):
			yield Text(string(block["text"]))
		elif kind in THINKING:
			self.blocks[index] = {"type": kind, **{name: block.get(name) or "" for name in THINKING[kind]}}
			if block.get("thinking"):
				yield self._thought(string(block["thinking"]))
		elif kind == "tool_use":
			given = block.get("input")
			# Some servers give the arguments whole, and no deltas.
			arguments = json.dumps(given, ensure_ascii=False) if given else ""
			self.calls.add(index)
			yield ToolPiece(index, string(block.get("id") or ""), string(block.get("name") or ""), arguments)

	def _add(self, index: Any, delta: dict[str, Any]) -> Iterator[Reasoning | Text | ToolPiece]:
		kind, block = delta.get("type"), self.blocks.get(index)
		if kind == "text_delta" and delta.get("text"):
			yield Text(string(delta["text"]))
		elif kind == "thinking_delta" and delta.get("thinking"):
			thought = string(delta["thinking"])
			if block is not None and self.keeps and len(block["thinking"]) <= continuation.MAX_CHARS:
				block["thinking"] += thought
			yield self._thought(thought)
		elif kind == "signature_delta" and block is not None:
			block["signature"] = block.get("signature", "") + string(delta.get("signature") or "")
		elif kind == "input_json_delta" and index in self.calls and delta.get("partial_json"):
			yield ToolPiece(index, None, None, string(delta["partial_json"]))

	def _end(self, index: Any) -> None:
		block = self.blocks.pop(index, None)
		if block and self.keeps and (block.get("signature") or block.get("data")):
			self.kept.add("thinking_blocks", block)

	def _thought(self, text: str) -> Reasoning:
		self.thought_bytes += len(text.encode(errors="replace"))
		return Reasoning(text)


def parameters(provider: Provider, ask: Ask, listed: models.Entry) -> tuple[dict[str, Any], tuple[str, ...]]:
	"""The body of the request, and the names of ours that the model does not take.

	Anthropic refuses a temperature beside thinking, a budget that is not below `max_tokens`, thinking where a call is
	forced, and any temperature for its models since Opus 4.7 (`supports_sampling_params` of litellm's list is false).
	"""
	system, messages = _conversation(provider, ask)
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
		# It takes its thoughts back only while it may think.
		for message in messages:
			message["content"] = [part for part in message["content"] if part["type"] not in THINKING]
	dropped = ["reasoning_effort"] if ask.reasoning_effort and not thinking else []
	if ask.temperature is not None:
		if thinks or listed.get("supports_sampling_params") is False:
			dropped.append("temperature")
		else:
			# The API's scale ends at 1, ours at 2.
			sent["temperature"] = min(ask.temperature, 1.0)
	sent |= _tools(ask)
	return sent, tuple(sorted(dropped))


def _thinking(
	ask: Ask, listed: models.Entry, messages: list[dict[str, Any]], max_tokens: int
) -> dict[str, Any]:
	"""The fields that ask the model to think and to show its thoughts; none for a model that does not think.

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
	"""Whether the calls that are being answered stand there without the thinking that led to them."""
	if len(messages) < 2 or messages[-1]["content"][0]["type"] != "tool_result":
		return False
	return not any(part["type"] in THINKING for part in messages[-2]["content"])


def _tools(ask: Ask) -> dict[str, Any]:
	if not ask.uses_tools:
		return {}
	if not ask.tools:
		# The API wants the tools named whose calls are in the conversation.
		calls = [call for message in ask.messages for call in message.get("tool_calls") or ()]
		named = dict.fromkeys(call["function"]["name"] for call in calls)
		tools = [{"name": name, "input_schema": NO_ARGUMENTS} for name in named]
		return {"tools": tools, "tool_choice": {"type": "none"}} if tools else {}
	tools = []
	for tool in ask.tools:
		function = tool["function"]
		described = {"description": function["description"]} if function.get("description") else {}
		schema = function.get("parameters") or NO_ARGUMENTS
		tools.append({"name": function["name"], **described, "input_schema": {"type": "object", **schema}})
	sent: dict[str, Any] = {"tools": tools}
	choice = ask.tool_choice
	if isinstance(choice, dict):
		sent["tool_choice"] = {"type": "tool", "name": choice["function"]["name"]}
	elif choice:
		sent["tool_choice"] = {"type": {"required": "any"}.get(choice, choice)}
	return sent


def _conversation(provider: Provider, ask: Ask) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
	"""The system's blocks, and the turns: those of one role that follow each other are one."""
	system: list[dict[str, Any]] = []
	turns: list[dict[str, Any]] = []
	own = OwnIds()
	for given, fields in continuation.of_messages(provider, ask):
		message = own.of(given)
		if message["role"] == "system":
			system += _parts(message.get("content"))
			continue
		role = "assistant" if message["role"] == "assistant" else "user"
		if message["role"] == "tool":
			parts = [_tool_result(message)]
		elif role == "assistant":
			parts = [
				*continuation.known(fields.get("thinking_blocks"), THINKING),
				*_parts(message.get("content")),
				*(_tool_use(call) for call in message.get("tool_calls") or ()),
			]
		else:
			parts = _parts(message.get("content"))
		if turns and turns[-1]["role"] == role:
			turns[-1]["content"] += parts
		elif parts:
			turns.append({"role": role, "content": parts})
	return system, turns


def _parts(content: Any) -> list[dict[str, Any]]:
	"""Content as blocks; the API refuses a text that is empty."""
	if isinstance(content, str):
		content = [{"type": "text", "text": content}]
	return [
		_image(part["image_url"]["url"])
		if part["type"] == "image_url"
		else {"type": "text", "text": part["text"]}
		for part in content or ()
		if part["type"] == "image_url" or part["text"].strip()
	]


def _image(url: str) -> dict[str, Any]:
	if not url.startswith("data:"):
		return {"type": "image", "source": {"type": "url", "url": url}}
	kind, _, data = url.removeprefix("data:").partition(";base64,")
	return {"type": "image", "source": {"type": "base64", "media_type": kind, "data": data}}


def _tool_use(call: dict[str, Any]) -> dict[str, Any]:
	function = call["function"]
	written = function.get("arguments") or "{}"
	try:
		given = json.loads(written)
	except ValueError:
		given = None
	# What is no object was the model's mistake; it sees it as it was.
	arguments = given if isinstance(given, dict) else {"arguments": written}
	return {"type": "tool_use", "id": _call_id(call["id"]), "name": function["name"], "input": arguments}


def _tool_result(message: dict[str, Any]) -> dict[str, Any]:
	result = {"type": "tool_result", "tool_use_id": _call_id(message["tool_call_id"])}
	content = _parts(message.get("content"))
	return {**result, "content": content} if content else result


def _call_id(given: str) -> str:
	"""An id as the API takes it; another provider's may have other characters."""
	return given if CALL_ID.fullmatch(given) else f"toolu_{sha256(given.encode()).hexdigest()[:24]}"


def _request(provider: Provider, sent: dict[str, Any]) -> tuple[str, dict[str, str], bytes]:
	"""The URL, the headers and the body. Raises ProviderError `misconfigured`."""
	base = http.base_url(provider, BASE)
	headers = {"x-api-key": provider.api_key, "anthropic-version": VERSION, "accept": "text/event-stream"}
	url = base if base.endswith("/messages") else f"{base.removesuffix('/v1')}/v1/messages"
	return url, http.headers(provider, headers), json.dumps(http.with_extra(provider, sent)).encode()


def _usage(message: _Message, provider: Provider, model: str) -> Usage | None:
	"""The tokens of an answer. The API counts those read from its cache and written to it apart from the others."""
	counts = message.usage
	if not counts:
		return None
	cached = tokens(counts.get("cache_read_input_tokens"))
	by_age = counts.get("cache_creation")
	five_minutes, hour = (
		tokens(by_age.get(f"ephemeral_{age}_input_tokens")) if isinstance(by_age, dict) else 0
		for age in ("5m", "1h")
	)
	written = max(tokens(counts.get("cache_creation_input_tokens")), tokens(five_minutes + hour))
	prompt = tokens(tokens(counts.get("input_tokens")) + cached + written)
	completion = tokens(counts.get("output_tokens"))
	for compaction in _compactions(counts):
		prompt = tokens(prompt + tokens(compaction.get("input_tokens")))
		completion = tokens(completion + tokens(compaction.get("output_tokens")))
	details = counts.get("output_tokens_details")
	thought = details.get("thinking_tokens") if isinstance(details, dict) else None
	if thought is None:
		thought = estimated_tokens(message.thought_bytes)
	usage = Usage(
		prompt_tokens=prompt,
		completion_tokens=completion,
		reasoning_tokens=min(completion, tokens(thought)),
		total_tokens=tokens(prompt + completion),
		cached_tokens=cached,
		cache_write_tokens=written,
	)
	return models.priced(usage, provider, model, hour, counts.get("service_tier"))


def _compactions(counts: dict[str, Any]) -> list[dict[str, Any]]:
	"""The counts of the summaries that the API made of the conversation, which its totals leave out."""
	rounds = counts.get("iterations")
	return [
		each
		for each in (rounds if isinstance(rounds, list) else ())
		if isinstance(each, dict) and each.get("type") == "compaction"
	]
