"""The adapter for OpenAI's Responses API, and for servers that speak it (Azure, xAI, OpenRouter, LM Studio, vLLM).

The wire is the one of OpenAI's public API reference: server-sent events whose `type` names what they carry, an answer in
numbered items (reasoning, message, function_call), and at the end a response with its status and its count of tokens.
Events and items of an unknown type are ignored; so are the calls of tools that the provider runs itself.
"""

from collections.abc import AsyncGenerator, Iterable, Iterator
from contextlib import aclosing
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote, urlsplit

from .. import caching, compaction, freeform, http, models, strict_json
from ..chunks import Ask, Detached, Provider, Reasoning
from ..failures import failure, finish_reason
from ..sse import string
from ..tool_calls import ToolPiece
from . import chat_apis, openai_chat, responses_input
from .options import for_responses
from .partial import PartialAnswer, Pieces, Stream
from .usages import usage_of_response

BASE = "https://api.openai.com/v1"
# The API refuses a lower limit.
MIN_OUTPUT_TOKENS = 16
# The events of the reasoning, each with the field that has the number of the part.
REASONING = {
	"response.reasoning_summary_text.delta": "summary_index",
	"response.reasoning_text.delta": "content_index",
}
TEXT = ("response.output_text.delta", "response.refusal.delta")
ARGUMENTS = "response.function_call_arguments.delta"
INPUT = "response.custom_tool_call_input.delta"
ANNOTATION = "response.output_text.annotation.added"
# The items of an output that are shown. The others are calls of the provider's own tools, and their results.
SHOWN = ("message", "reasoning", "function_call", compaction.FIELD)
CALLS = ("function_call", "custom_tool_call")
# An approval request comes first, because the other items wait for it.
UNSHOWN = {"mcp_approval_request": "only_approvals", "image_generation_call": "only_images"}
ENDS = ("response.completed", "response.incomplete", "response.failed")


@http.without_secrets
async def answer(provider: Provider, ask: Ask, names: dict[str, str]) -> Stream:
	"""Yields the provider's answer in pieces as they arrive. It is always streamed.

	Args:
		provider: `api_base` is the address before `/responses`; None means OpenAI's.
		ask: the question; it is not changed.

	Returns: a generator that ends with one Completion. Closing it closes the connection.

	Raises ProviderError, or ProtocolError if the response is not an answer of this API.
	"""
	listed = models.entry(provider.api, ask.model)
	sent, dropped = parameters(provider, ask, listed)
	response = _Response(ask.uses_tools or ask.compact, names=names, custom=freeform.names_of(ask.tools))
	detaches = sent.get("background") and not ask.attach_to
	async with aclosing(_events(provider, ask, sent, names, response)) as source:
		async for events in source:
			for event in events:
				if detaches and event.get("type") == "response.created":
					identity = string(event["response"]["id"])
					yield Detached(identity, provider.name, ask.model, provider.key_label)
				for piece in response.pieces(event):
					yield piece
	response.require_end(response.end, names)
	finish = finish_reason(_reason(response.end), names)
	usage = usage_of_response(response.end, response.thought_bytes, provider, ask.model)
	response.unshown = _unshown(response.end.get("output") or ())
	yield response.completion(provider, ask, finish, usage, dropped)


def _events(
	provider: Provider, ask: Ask, sent: dict[str, Any], names: dict[str, str], response: "_Response"
) -> AsyncGenerator[list[dict[str, Any]], None]:
	"""Yields the events of the answer, those of one read together. If the server refuses a reasoning summary or compaction, it is asked again without.

	OpenAI refuses summaries to organizations that are not verified.
	"""
	if ask.attach_to:
		url, headers, _body = request(provider, {})
		# 0 is the number of the event that creates the response.
		url = f"{url}/{quote(ask.attach_to.id, safe='')}?stream=true&starting_after=0"
		return http.objects(
			lambda: (url, headers, None),
			names,
			ended=lambda: response.end,
			calls=lambda: response.has_calls,
		)

	def remove_part() -> bool:
		reasoning = sent.get("reasoning", {})
		removed = bool(reasoning.pop("summary", None))
		if removed and not reasoning:
			del sent["reasoning"]
		return removed or bool(sent.pop("context_management", None))

	return http.objects(
		lambda: request(provider, sent),
		names,
		ended=lambda: response.end,
		calls=lambda: response.has_calls,
		remove=remove_part,
	)


@dataclass
class _Response(PartialAnswer):
	"""An answer as far as its events have arrived."""

	# The provider and the model, for the sentences of errors.
	names: dict[str, str] = field(kw_only=True)
	# The last event's response.
	end: dict[str, Any] = field(default_factory=dict)
	spoke: bool = False
	# Where the text of a part begins, by the numbers of its message and of the part.
	starts: dict[tuple[Any, Any], int] = field(default_factory=dict)
	# The part of the reasoning that is being written.
	part: tuple[Any, ...] | None = None
	# The ids of the client's calls by the index of their items, and of those whose arguments have come.
	calls: dict[Any, str] = field(default_factory=dict)
	written: set[str] = field(default_factory=set)
	# The names of the client's tools whose input is text, and the ids of their calls that are being written.
	custom: frozenset[str] = frozenset()
	open: set[str] = field(default_factory=set)
	# The ids of the images that have arrived.
	drawn: set[Any] = field(default_factory=set)

	def pieces(self, event: dict[str, Any]) -> Pieces:
		"""Returns the pieces in an event. Raises ProviderError for an event that reports a failure, and ProtocolError."""
		self.begun = True
		kind, index = event.get("type"), event.get("output_index")
		# Nearly all events are text.
		if kind in TEXT:
			self.starts.setdefault((index, event.get("content_index")), self.length)
			if text := event["delta"]:
				self.spoke = True
				return (self.text(text),)
		elif kind in REASONING:
			return self._thought((index, kind, event.get(REASONING[kind])), event["delta"])
		elif kind == ANNOTATION:
			self._cite(event.get("annotation"), self.starts.get((index, event.get("content_index"))))
		elif kind == "response.output_item.added":
			return self._begin(index, event["item"])
		elif kind == ARGUMENTS:
			if index in self.calls and event["delta"]:
				self.written.add(self.calls[index])
				return (ToolPiece(index, None, None, string(event["delta"])),)
		elif kind == INPUT:
			if index in self.calls and event["delta"]:
				begin = "" if self.calls[index] in self.open else freeform.BEGIN
				self.open.add(self.calls[index])
				return (ToolPiece(index, None, None, begin + freeform.escaped(string(event["delta"]))),)
		elif kind == "response.output_item.done":
			return self._end(index, event["item"])
		elif kind in ENDS:
			return self._whole(event["response"])
		elif kind == "error" or ("type" not in event and event.get("error") is not None):
			# The reference has the fields of an error beside its type; OpenAI sends them one level deeper.
			raise failure(self.names, body=event.get("error") or event)
		elif event.get("object") == "response":
			# The whole response of a server that does not stream.
			return self._whole(event)
		else:
			string(kind)
		return ()

	def _begin(self, index: Any, item: dict[str, Any]) -> Iterator[Reasoning | ToolPiece]:
		if item.get("type") == compaction.FIELD:
			# It shows that the provider is at work.
			yield self.reasoning("")
		elif self._is_call(item):
			self.spoke = self.has_calls = True
			self.calls[index] = string(item["call_id"])
			yield ToolPiece(index, self.calls[index], string(item["name"]), "")

	def _end(self, index: Any, item: dict[str, Any]) -> Iterator[ToolPiece]:
		kind = item.get("type")
		if kind == "reasoning" and self.keeps and item.get("encrypted_content"):
			self.continuation.add("items", item)
		elif kind == compaction.FIELD and self.keeps and compaction.FIELD not in self.continuation:
			self.continuation.add(compaction.FIELD, item)
		elif kind == "image_generation_call" and item.get("result") and item.get("id") not in self.drawn:
			self.drawn.add(item.get("id"))
			self.image(f"image/{item.get('output_format') or 'png'}", item["result"])
		elif self._is_call(item) and (identity := string(item["call_id"])) not in self.written:
			# Some servers give the arguments whole, and no deltas.
			self.spoke = self.has_calls = True
			self.written.add(identity)
			index = next((begun for begun, known in self.calls.items() if known == identity), index)
			if identity in self.open:
				yield ToolPiece(index, None, None, freeform.END)
				return
			arguments = string(item.get("arguments") or "")
			if kind == "custom_tool_call":
				arguments = freeform.arguments_of(string(item.get("input") or ""))
			yield ToolPiece(index, identity, string(item["name"]), arguments)

	def _is_call(self, item: dict[str, Any]) -> bool:
		"""Whether an item is a call of a tool of the client."""
		kind = item.get("type")
		return kind == "function_call" or (kind == "custom_tool_call" and item.get("name") in self.custom)

	def _whole(self, response: dict[str, Any]) -> Pieces:
		"""Yields what the last event has and no earlier event had: nothing, or the whole answer if there were no earlier events.

		Raises ProviderError at the end of a response that failed.
		"""
		self.end, spoke = response, self.spoke
		for index, item in enumerate(response.get("output") or ()):
			kind = item.get("type")
			if kind == "reasoning" and not spoke:
				for n, part in enumerate(item.get("summary") or item.get("content") or ()):
					yield from self._thought((index, n), part["text"])
			elif kind == "message" and not spoke:
				for part in item["content"]:
					start = self.length
					if text := part.get("text") or part.get("refusal"):
						self.spoke = True
						yield self.text(text)
					for annotation in part.get("annotations") or ():
						self._cite(annotation, start)
			if kind in CALLS or not spoke:
				yield from self._end(index, item)
		if response.get("error") is not None or response.get("status") == "failed":
			raise failure(self.names, body=response.get("error"))

	def _thought(self, part: tuple[Any, ...], text: Any) -> Iterator[Reasoning]:
		"""Yields a piece of a part of the reasoning; the parts are paragraphs."""
		if text:
			begins, self.part = self.part not in (None, part), part
			self.spoke = True
			thought = self.reasoning(text)
			yield Reasoning(f"\n\n{text}") if begins else thought

	def _cite(self, annotation: Any, start: int | None) -> None:
		"""Keeps the source that an annotation names, by its place in a text that begins at `start`."""
		if isinstance(annotation, dict) and annotation.get("type") == "url_citation":
			self.cite_at(annotation, start)


def parameters(provider: Provider, ask: Ask, listed: models.Entry) -> tuple[dict[str, Any], tuple[str, ...]]:
	"""Returns the body of the request, and the fields that the model does not accept."""
	effort, temperature = openai_chat.effort_and_temperature("openai", ask, listed, refuses=False)
	sent: dict[str, Any] = {
		"model": ask.model,
		"input": list(responses_input.items(provider, ask)),
		"stream": True,
		# By default OpenAI keeps answers for 30 days. The site itself decides what is kept.
		"store": False,
	}
	if "background" in provider.extra:
		# An answer that can be read again has to be stored. The others are not.
		detached = ask.detached and bool(provider.extra["background"])
		sent |= {"background": True, "store": True} if detached else {"background": None}
	if temperature is not None:
		sent["temperature"] = temperature
	if ask.max_tokens is not None:
		sent["max_output_tokens"] = max(ask.max_tokens, MIN_OUTPUT_TOKENS)
	if effort == "none":
		sent["reasoning"] = {"effort": "none"}
	elif listed.get("supports_reasoning"):
		sent["reasoning"] = {"effort": effort, "summary": "auto"} if effort else {"summary": "auto"}
	if ask.uses_tools and listed.get("supports_reasoning"):
		# OpenAI does not keep the reasoning, so the site sends it back. Other models refuse this field.
		sent["include"] = ["reasoning.encrypted_content"]
	more, left_out = for_responses(ask, bool(openai_chat.REASONS.match(ask.model)))
	sent |= {**responses_input.tools(ask), **more}
	if compaction.is_done_by(provider, ask):
		tokens = compaction.trigger_tokens(provider, ask.model)
		threshold = {"compact_threshold": tokens} if tokens else {}
		sent["context_management"] = [{"type": "compaction", **threshold}]
	if key := caching.key_of(provider, ask):
		sent["prompt_cache_key"] = key
	dropped = openai_chat.changed(ask, reasoning_effort=effort, temperature=temperature)
	return sent, (*dropped, *left_out)


def request(provider: Provider, sent: dict[str, Any]) -> tuple[str, dict[str, str], bytes]:
	"""Returns the URL, the headers and the body. Raises ProviderError `misconfigured`."""
	base = http.base_url(provider, BASE)
	headers = chat_apis.stream_headers_of(provider)
	host = urlsplit(base)
	if (host.hostname or "").endswith(".azure.com"):
		headers["api-key"] = provider.api_key
		base += "/openai/v1" if host.path == "" else ""
	url = base if base.endswith("/responses") else f"{base}/responses"
	return url, http.headers(provider, headers), strict_json.dumps(http.with_extra(provider, sent))


def _reason(response: dict[str, Any]) -> str | None:
	"""Returns the finish reason: `stopped` after a cancel, `content_filter` or `length` if incomplete, else None."""
	if (status := response.get("status")) != "incomplete":
		return "stopped" if status == "cancelled" else None
	filtered = (response.get("incomplete_details") or {}).get("reason") == "content_filter"
	return "content_filter" if filtered else "length"


def _unshown(output: Iterable[dict[str, Any]]) -> str | None:
	"""Returns the kind of error of content that is not shown, for an answer without other content; else None."""
	kinds = {item.get("type") for item in output} - {*SHOWN}
	known = (failing for kind, failing in UNSHOWN.items() if kind in kinds)
	return next(known, "only_unknown_calls" if kinds else None)


def cancel_detached(provider: Provider, identity: str) -> tuple[str, dict[str, str], bytes]:
	"""Returns the URL, the headers and the body of a request that stops a detached answer. Raises ProviderError."""
	url, headers, _body = request(provider, {})
	return f"{url}/{quote(identity, safe='')}/cancel", headers, b"{}"
