"""The adapter for Google's Gemini API (AI Studio and Vertex AI): `models/MODEL:streamGenerateContent?alt=sse`.

The wire is the one of Google's public API reference, version v1beta: each server-sent event is a GenerateContentResponse
whose candidate holds the next parts of the answer (text, thoughts, calls of functions), a `finishReason` in the last one,
and a count of tokens so far. Parts of an unknown kind are ignored.
"""

import json
import re
from collections.abc import Iterator
from contextlib import aclosing
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote, urlsplit
from uuid import uuid4

from .. import attachments, continuation, http, models, strict_json
from ..attachments import Parts, parts_of
from ..chunks import Ask, Provider
from ..efforts import BUDGETS, GEMINI_BUDGETS
from ..errors import ProviderError
from ..failures import failure, finish_reason
from ..sse import ProtocolError, string
from ..tool_calls import ToolPiece, sendable
from .gemini_calls import StreamedCall
from .options import for_gemini
from .partial import PartialAnswer, Pieces, Stream
from .turns import turns_of
from .usages import usage_of_gemini

BASE = "https://generativelanguage.googleapis.com"
API_VERSION = "/v1beta"
# Vertex AI with an API key. With an access token the address names a project and a location before `publishers`.
VERTEX, VERTEX_PATH = "aiplatform.googleapis.com", "/v1/publishers/google"
# What Google's access tokens begin with.
ACCESS_TOKEN = "ya29."
# Each response has at least one of these fields.
RESPONSE_FIELDS = {"candidates", "promptFeedback", "usageMetadata", "responseId", "modelVersion"}
THINKS_ALWAYS = re.compile(r"gemini-2\.5-pro")
# The most characters of a text in which the positions of citations are looked up.
MAX_CITED_CHARS = 1_000_000
MODES = {"auto": "AUTO", "none": "NONE", "required": "ANY"}
# Google's own placeholder for the signature of a call that another model made. Gemini 3 refuses a call without a
# signature.
NO_SIGNATURE = "skip_thought_signature_validator"


@http.without_secrets
async def answer(provider: Provider, ask: Ask, names: dict[str, str]) -> Stream:
	"""Yields the provider's answer in pieces as they arrive. It is always streamed.

	Args:
		provider: the provider to ask. Its `api_base` is the address before `/models/…`; None for Google's.
		ask: the question; it is not changed.

	Returns: a generator that ends with one Completion. Closing it closes the connection.

	Raises ProviderError, or ProtocolError if the response does not follow this API.
	"""
	if not all(url.startswith("data:") for url in ask.images):
		raise ProviderError("no_image_links", **names)
	listed = models.entry(provider.api, ask.model)
	sent, dropped = parameters(provider, ask, listed)
	partial = _Answer(ask.uses_tools, searches=http.runs_tools(provider))
	source = http.objects(
		lambda: request(provider, ask.model, sent),
		names,
		ended=lambda: partial.finish,
		calls=lambda: partial.has_calls,
	)
	async with aclosing(source):
		async for responses in source:
			for response in responses:
				if response.get("error") is not None:
					raise failure(names, body=response["error"])
				for piece in partial.pieces(response):
					yield piece
	if partial.blocked:
		raise ProviderError("filtered", **names)
	partial.require_end(partial.finish, names)
	partial.cite_grounding()
	finish = finish_reason(partial.finish, names)
	usage = usage_of_gemini(partial.usage, provider, ask.model)
	yield partial.completion(provider, ask, finish, usage, dropped)


@dataclass
class _Answer(PartialAnswer):
	"""An answer as far as it has arrived."""

	# Whether the provider searches. The text is then kept, because the API gives the positions of citations in bytes.
	searches: bool = False
	finish: str | None = None
	blocked: bool = False
	calls: int = 0
	usage: dict[str, Any] = field(default_factory=dict)
	words: list[str] = field(default_factory=list)
	grounding: dict[str, Any] = field(default_factory=dict)
	# The call whose arguments arrive in parts.
	open_call: StreamedCall | None = None

	def pieces(self, response: dict[str, Any]) -> Pieces:
		"""Yields the pieces in a response. Raises ProtocolError."""
		if not response.keys() & RESPONSE_FIELDS:
			raise ProtocolError()
		self.begun = True
		self.usage = response.get("usageMetadata") or self.usage
		self.blocked = self.blocked or bool((response.get("promptFeedback") or {}).get("blockReason"))
		for candidate in response.get("candidates") or ():
			if candidate.get("index"):
				# Part of a second answer, which is not read.
				continue
			for part in (candidate.get("content") or {}).get("parts") or ():
				yield from self._piece(part)
			self.grounding = candidate.get("groundingMetadata") or self.grounding
			self.finish = candidate.get("finishReason") or self.finish
			if self.finish and self.open_call:
				# The last part of a call is missing in some streams.
				yield from self._call({}, None)

	def _piece(self, part: dict[str, Any]) -> Pieces:
		signature = part.get("thoughtSignature")
		if "functionCall" in part:
			yield from self._call(part["functionCall"], signature)
			return
		if signature and self.keeps:
			self.continuation.add("thought_signatures", signature)
		if isinstance(drawn := part.get("inlineData"), dict) and not part.get("thought"):
			self.image(drawn.get("mimeType"), drawn.get("data"))
		if "text" in part and (text := string(part["text"])):
			if part.get("thought"):
				yield self.reasoning(text)
				return
			if self.searches and self.length <= MAX_CITED_CHARS:
				self.words.append(text)
			yield self.text(text)

	def _call(self, call: dict[str, Any], signature: Any) -> Iterator[ToolPiece]:
		"""Yields a call when its last part has come, which is the part without `willContinue`."""
		self.has_calls = True
		if self.open_call is None:
			identity = string(call.get("id") or f"call_{uuid4().hex}")
			self.open_call = StreamedCall(
				identity, string(call.get("name") or ""), dict(call.get("args") or {})
			)
			if signature and self.keeps:
				self.continuation.add("signatures", [identity, signature])
		begun = self.open_call
		begun.add(call.get("partialArgs") or ())
		if call.get("willContinue"):
			return
		self.open_call = None
		self.calls += 1
		arguments = json.dumps(begun.arguments, ensure_ascii=False)
		yield ToolPiece(self.calls - 1, begun.id, begun.name, arguments)

	def cite_grounding(self) -> None:
		"""Keeps the sources of the search that the answer rests on."""
		pages = self.grounding.get("groundingChunks") or ()
		text, cited = "".join(self.words).encode(errors="replace"), set()
		for support in self.grounding.get("groundingSupports") or ():
			segment = support.get("segment") or {}
			ends = [segment.get("startIndex") or 0, segment.get("endIndex")]
			known = all(isinstance(end, int) and 0 <= end <= len(text) for end in ends)
			start, end = (len(text[:end].decode(errors="replace")) if known else None for end in ends)
			for index in support.get("groundingChunkIndices") or ():
				if isinstance(index, int) and 0 <= index < len(pages):
					cited.add(index)
					self.cite(*_page(pages[index]), start, end)
		for index, page in enumerate(pages):
			if index not in cited:
				self.cite(*_page(page))


def _page(chunk: dict[str, Any]) -> tuple[Any, Any]:
	"""Returns the address and the title of a page, a map or a document that was found."""
	found = (chunk.get(kind) for kind in ("web", "retrievedContext", "maps"))
	page = next((page for page in found if isinstance(page, dict)), {})
	return page.get("uri"), page.get("title")


def parameters(provider: Provider, ask: Ask, listed: models.Entry) -> tuple[dict[str, Any], tuple[str, ...]]:
	"""Returns the body of the request, and the names of the Ask's fields that the model does not accept."""
	system, contents = turns_of(_messages(provider, ask), "parts")
	thinking = _thinking(ask, listed)
	more, left_out = for_gemini(ask)
	config = {
		"temperature": ask.temperature,
		"maxOutputTokens": ask.max_tokens,
		"thinkingConfig": thinking,
		**more,
	}
	sent: dict[str, Any] = {"contents": contents}
	if system:
		sent["systemInstruction"] = {"parts": system}
	if generation_config := {name: value for name, value in config.items() if value is not None}:
		sent["generationConfig"] = generation_config
	sent |= _tools(ask)
	return sent, (*(("reasoning_effort",) if ask.reasoning_effort and not thinking else ()), *left_out)


def _thinking(ask: Ask, listed: models.Entry) -> dict[str, Any] | None:
	"""Returns the `thinkingConfig`; None if the model does not take the effort of the question.

	A thinking model thinks by default. It shows its thoughts if `includeThoughts` is set.
	"""
	effort = ask.reasoning_effort
	if not listed.get("supports_reasoning"):
		return None
	if effort is None:
		return {"includeThoughts": True}
	if effort == "none":
		can_stop = GEMINI_BUDGETS.match(ask.model) and not THINKS_ALWAYS.match(ask.model)
		return {"thinkingBudget": 0} if can_stop else None
	if GEMINI_BUDGETS.match(ask.model):
		return {"includeThoughts": True, "thinkingBudget": BUDGETS[effort]}
	return {"includeThoughts": True, "thinkingLevel": effort}


def _tools(ask: Ask) -> dict[str, Any]:
	if not ask.tools:
		return {}
	declared = []
	for tool in ask.tools:
		function = tool["function"]
		described = {"description": function["description"]} if function.get("description") else {}
		# The schema as it came: in the API's own form of schemas each reference would have to be written out.
		schema = {"parametersJsonSchema": function["parameters"]} if function.get("parameters") else {}
		declared.append({"name": function["name"], **described, **schema})
	sent: dict[str, Any] = {"tools": [{"functionDeclarations": declared}]}
	choice = ask.tool_choice
	if isinstance(choice, dict):
		calling = {"mode": "ANY", "allowedFunctionNames": [choice["function"]["name"]]}
		sent["toolConfig"] = {"functionCallingConfig": calling}
	elif choice:
		sent["toolConfig"] = {"functionCallingConfig": {"mode": MODES[choice]}}
	return sent


def _messages(provider: Provider, ask: Ask) -> Iterator[tuple[str, Parts]]:
	"""Yields the role and the parts of each message."""
	# The API identifies the result of a call by the name of its function.
	called: dict[str, str] = {}
	signs = not GEMINI_BUDGETS.match(ask.model)
	for message_of_ask, fields in continuation.of_messages(provider, ask):
		message = sendable(message_of_ask)
		if message["role"] == "system":
			yield "system", _parts(message.get("content"))
		elif message["role"] == "tool":
			yield "user", [_function_response(called.get(message["tool_call_id"], ""), message)]
		elif message["role"] == "assistant":
			calls = message.get("tool_calls") or []
			called |= {call["id"]: call["function"]["name"] for call in calls}
			parts = _signed(_parts(message.get("content")), fields)
			yield "model", [*parts, *_function_calls(calls, fields, signs)]
		else:
			yield "user", _parts(message.get("content"))


def _parts(content: Any) -> Parts:
	return [
		{"text": part["text"]} if part["type"] == "text" else _inline(part)
		for part in parts_of(content)
		if part["type"] != "text" or part["text"]
	]


def _inline(part: dict[str, Any]) -> dict[str, Any]:
	kind, data = attachments.data_of(part)
	return {"inlineData": {"mimeType": kind, "data": data}}


def _signed(parts: Parts, fields: continuation.Fields) -> Parts:
	"""Returns the parts of an answer, the last of them with the signature of the answer."""
	signatures = continuation.strings(fields.get("thought_signatures"))
	if not signatures or not parts:
		return parts
	return [*parts[:-1], {**parts[-1], "thoughtSignature": signatures[-1]}]


def _function_calls(
	calls: list[dict[str, Any]], fields: continuation.Fields, signs: bool
) -> Iterator[dict[str, Any]]:
	signatures = dict(continuation.pairs(fields.get("signatures")))
	for n, call in enumerate(calls):
		function = call["function"]
		part = {"functionCall": {"name": function["name"], "args": json.loads(function["arguments"])}}
		signature = signatures.get(call["id"]) or (NO_SIGNATURE if signs and n == 0 else None)
		yield {**part, "thoughtSignature": signature} if signature else part


def _function_response(name: str, message: dict[str, Any]) -> dict[str, Any]:
	text = "".join(part.get("text", "") for part in parts_of(message.get("content")))
	response = strict_json.object_of(text)
	if response is None:
		# The API takes an object.
		response = {"content": text}
	return {"functionResponse": {"name": name, "response": response}}


def is_vertex(url: str) -> bool:
	"""Whether an address is Vertex AI's, of one region or of all."""
	return (urlsplit(url).hostname or "").endswith(VERTEX)


def request(provider: Provider, model: str, sent: dict[str, Any]) -> tuple[str, dict[str, str], bytes]:
	"""Returns the URL, the headers and the body. Raises ProviderError `misconfigured`."""
	base = http.base_url(provider, BASE)
	if urlsplit(base).path in ("", "/"):
		base += VERTEX_PATH if is_vertex(base) else API_VERSION
	key, headers = provider.api_key, {"accept": "text/event-stream"}
	headers |= {"authorization": f"Bearer {key}"} if key.startswith(ACCESS_TOKEN) else {"x-goog-api-key": key}
	url = f"{base}/models/{quote(model.removeprefix('models/'))}:streamGenerateContent?alt=sse"
	return url, http.headers(provider, headers), strict_json.dumps(http.with_extra(provider, sent))
