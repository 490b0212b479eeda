"""The adapter for Ollama's own API: `/api/chat`, on a machine of the site's or at ollama.com.

The wire is the one of Ollama's public API reference: a JSON object a line, each with the next piece of one message (its
content, its thinking, its calls whole), the last with the reason why it ends and a count of tokens.
"""

import json
from collections.abc import AsyncGenerator, Iterator
from contextlib import aclosing
from dataclasses import dataclass, field, replace
from typing import Any

from .. import continuation, http, models
from ..chunks import Ask, Completion, Provider, Reasoning, Text
from ..efforts import OLLAMA_EFFORTS
from ..errors import ProviderError
from ..failures import failure, finish_reason
from ..sse import string
from ..tool_calls import OwnIds, ToolPiece, sendable, tool_piece
from ..usage import Usage, estimated_tokens, tokens
from .options import for_ollama
from .partial import PartialAnswer

BASE = "http://localhost:11434"
# Of what a site adds: whatever else it names is one of the model's options.
FIELDS = frozenset(
	"format keep_alive logprobs messages model options shift stream think tools top_logprobs truncate".split()
)


@http.without_secrets
async def answer(
	provider: Provider, ask: Ask, names: dict[str, str]
) -> AsyncGenerator[Reasoning | Text | ToolPiece | Completion, None]:
	"""The provider's answer in the pieces in which it comes, always streamed.

	Args:
		provider: whom to ask; `api_base` is the address before `/api/chat`, this machine's where it is None.
		ask: the question; it is not changed.

	Returns: a generator that ends with one Completion. Closing it closes the connection.

	Raises ProviderError, or ProtocolError for what is no answer of this API.
	"""
	if not all(url.startswith("data:") for url in ask.images):
		raise ProviderError("no_image_links", **names)
	sent, dropped = parameters(provider, ask)
	said = _Message(ask.uses_tools)
	async with aclosing(_lines(provider, sent, names, said)) as lines:
		async for line in lines:
			if line.get("error") is not None:
				raise failure(names, body=line["error"])
			for piece in said.pieces(line):
				yield piece
	if not said.done:
		raise ProviderError("unfinished" if said.begun else "no_answer", **names)
	if ask.reasoning_effort and "think" not in sent:
		dropped = tuple(sorted({*dropped, "reasoning_effort"}))
	yield Completion(
		finish_reason=finish_reason(said.done.get("done_reason"), names),
		provider=provider.name,
		model=ask.model,
		usage=_usage(said, provider, ask.model),
		dropped=dropped,
		continuation=said.kept.encoded(provider, ask.model),
	)


async def _lines(
	provider: Provider, sent: dict[str, Any], names: dict[str, str], said: "_Message"
) -> AsyncGenerator[dict[str, Any], None]:
	"""The lines of the answer. Where the server refuses, it is asked again without `think`, which is left out of `sent`.

	Which model can think only the server knows; it refuses to have one think that cannot.
	"""
	while True:
		try:
			lines = http.objects(*_request(provider, sent), names, ended=lambda: said.done)
			async with aclosing(lines):
				async for line in lines:
					yield line
			return
		except ProviderError as error:
			if error.values.get("status") != "400" or not sent.pop("think", False):
				raise


@dataclass
class _Message(PartialAnswer):
	"""An answer as far as its lines have arrived."""

	# The last line.
	done: dict[str, Any] = field(default_factory=dict)
	calls: int = 0

	def pieces(self, line: dict[str, Any]) -> Iterator[Reasoning | Text | ToolPiece]:
		"""What a line says. Raises ProtocolError."""
		self.begun = True
		if line.get("done"):
			self.done = line
		message = line.get("message") if line.get("done") else line["message"]
		if not message:
			return
		if thinking := message.get("thinking"):
			if self.keeps:
				self.kept.add("reasoning_content", string(thinking))
			yield self.reasoning(thinking)
		if content := message.get("content"):
			yield self.text(content)
		for call in message.get("tool_calls") or ():
			# Each is whole; some versions number all of them 0.
			self.calls += 1
			yield replace(tool_piece(call), index=self.calls - 1)


def parameters(provider: Provider, ask: Ask) -> tuple[dict[str, Any], tuple[str, ...]]:
	"""The body of the request, and the names of ours that the API does not take: there is no tool_choice."""
	own, called = OwnIds(), dict[str, str]()
	options = {"temperature": ask.temperature, "num_predict": ask.max_tokens}
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
	more, left_out = for_ollama(ask)
	sent["options"] |= more.pop("options")
	dropped = ("tool_choice",) if "tools" in sent and ask.tool_choice else ()
	return {**sent, **more}, (*dropped, *left_out)


def _message(message: dict[str, Any], fields: continuation.Fields, called: dict[str, str]) -> dict[str, Any]:
	"""A message as the API takes it; `called` are the names of the functions by the ids of their calls so far."""
	content = message.get("content") or []
	parts: list[dict[str, Any]] = [{"type": "text", "text": content}] if isinstance(content, str) else content
	said: dict[str, Any] = {
		"role": message["role"],
		"content": "".join(part["text"] for part in parts if part["type"] == "text"),
	}
	images = [part["image_url"]["url"] for part in parts if part["type"] == "image_url"]
	if images:
		said["images"] = [url.partition(";base64,")[2] for url in images]
	if calls := message.get("tool_calls"):
		called |= {call["id"]: call["function"]["name"] for call in calls}
		said["tool_calls"] = [_tool_call(call) for call in calls]
		if isinstance(thinking := fields.get("reasoning_content"), str):
			said["thinking"] = thinking
	if message["role"] == "tool":
		identity = message["tool_call_id"]
		said |= {"tool_call_id": identity, "tool_name": called.get(identity, "")}
	return said


def _tool_call(call: dict[str, Any]) -> dict[str, Any]:
	function = call["function"]
	named = {"name": function["name"], "arguments": json.loads(function["arguments"])}
	return {"id": call["id"], "function": named}


def _request(provider: Provider, sent: dict[str, Any]) -> tuple[str, dict[str, str], bytes]:
	"""The URL, the headers and the body. Raises ProviderError `misconfigured`."""
	base = http.base_url(provider, BASE).removesuffix("/chat").removesuffix("/api")
	headers = {"authorization": f"Bearer {provider.api_key}", "accept": "application/x-ndjson"}
	added = http.with_extra(provider, {})
	options = {name: value for name, value in added.items() if name not in FIELDS}
	body = {name: value for name, value in added.items() if name in FIELDS} | sent
	body["options"] = options | (added.get("options") or {}) | sent["options"]
	return f"{base}/api/chat", http.headers(provider, headers), json.dumps(body).encode()


def _usage(said: _Message, provider: Provider, model: str) -> Usage | None:
	"""The tokens as they are counted; those of the thinking are not counted apart."""
	if "prompt_eval_count" not in said.done and "eval_count" not in said.done:
		return None
	prompt, completion = (tokens(said.done.get(name)) for name in ("prompt_eval_count", "eval_count"))
	reasoning = min(completion, estimated_tokens(said.thought_bytes))
	return models.priced(Usage(prompt, completion, reasoning, tokens(prompt + completion)), provider, model)
