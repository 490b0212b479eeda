"""The adapter for every provider whose API is OpenAI's chat completions."""

import re
from contextlib import aclosing
from hashlib import sha256
from typing import Any
from uuid import uuid4

from .. import caching, continuation, http, models, strict_json
from ..chunks import Ask, Provider
from ..failures import failure, finish_reason
from ..sse import ProtocolError, flat, string
from ..tool_calls import OwnIds, sendable, tool_piece
from .chat_apis import APIS, OPENAI, stream_headers_of, url_of
from .options import for_chat
from .partial import PartialAnswer, Pieces, Stream
from .usages import counts_in, usage_in, usage_of_chat

# OpenAI's models that reason: they count max_tokens by another name, and take one temperature only.
REASONS = re.compile(r"(ft:)?(o\d|gpt-5(?!-chat))")
# Models that refuse to combine reasoning and tools here. In the Responses API they can.
NO_REASONING_WITH_TOOLS = re.compile(r"(ft:)?gpt-5\.([4-9]|\d\d)")
# The keys of `extra_content` under which Gemini's signature of a call can be.
SIGNERS = ("google", "vertex")


@http.without_secrets
async def answer(provider: Provider, ask: Ask, names: dict[str, str]) -> Stream:
	"""Yields the provider's answer in pieces as they arrive.

	Raises ProviderError, or ProtocolError. Closing the generator closes the connection.
	"""
	listed = models.entry(provider.api, ask.model)
	sent, dropped = parameters(provider.api, ask, listed)
	url, headers, body = _request(provider, ask, sent)
	finish: str | None = None
	usage: dict[str, Any] | None = None
	service_tier: str | None = None
	done = False
	partial = PartialAnswer(ask.uses_tools)
	async with http.request(url, headers, body, names) as response:
		async with aclosing(http.stream(response, lambda: partial.has_calls)) as source:
			try:
				async for chunks in source:
					for chunk in chunks:
						if chunk is None:
							done = True
							continue
						partial.begun = True
						_check(chunk, names)
						usage = usage_in(chunk) or usage
						service_tier = chunk.get("service_tier") or service_tier
						if "citations" in chunk or "search_results" in chunk:
							_cite_results(partial, chunk)
						# If a server does not stream, its one object is the complete answer.
						done = done or chunk.get("object") == "chat.completion"
						for choice in chunk.get("choices") or _nothing(chunk):
							if choice.get("index"):
								# Part of a second answer, which is not read.
								continue
							_check(choice, names)
							usage = counts_in(choice) or usage
							if partial.keeps:
								_keep(partial.continuation, provider.api, choice)
							for piece in _pieces(partial, choice):
								yield piece
							finish = choice.get("finish_reason") or finish
			except Exception as error:
				# If the provider has reported the end, a broken connection afterwards does not matter.
				if not (finish and http.broke_off(error)):
					raise
	partial.require_end(finish or done, names)
	reason = finish_reason(finish, names)
	tokens = usage_of_chat(usage, provider, ask.model, service_tier)
	yield partial.completion(provider, ask, reason, tokens, dropped)


def parameters(api: str, ask: Ask, listed: models.Entry) -> tuple[dict[str, Any], tuple[str, ...]]:
	"""Returns the parameters by the API's names, and the fields that the model does not accept."""
	reasons = api in OPENAI and REASONS.match(ask.model)
	refuses = api in OPENAI and ask.tools and NO_REASONING_WITH_TOOLS.match(ask.model)
	effort, temperature = effort_and_temperature(api, ask, listed, bool(refuses))
	sent: dict[str, Any] = {"max_completion_tokens" if reasons else "max_tokens": ask.max_tokens}
	if api == "deepseek" and effort:
		sent["thinking"] = {"type": "enabled"}
		temperature = None
	else:
		sent["reasoning_effort"] = effort
	if api == "moonshot" and listed.get("supports_reasoning"):
		# Its thinking models accept only their default temperature.
		temperature = None
	# Moonshot's scale ends at 1, ours at 2.
	sent["temperature"] = min(temperature, 1.0) if api == "moonshot" and temperature else temperature
	if ask.tools:
		sent["tools"], sent["tool_choice"] = ask.tools, ask.tool_choice
	more, left_out = for_chat(api, ask, bool(reasons))
	sent |= more
	dropped = (*changed(ask, reasoning_effort=effort, temperature=temperature), *left_out)
	return {name: value for name, value in sent.items() if value is not None}, dropped


def effort_and_temperature(
	api: str, ask: Ask, listed: models.Entry, refuses: bool
) -> tuple[str | None, float | None]:
	"""Returns what of the question's `reasoning_effort` and `temperature` the model accepts.

	Args:
		refuses: whether the model refuses to reason for this question.
	"""
	temperature, effort = ask.temperature, ask.reasoning_effort
	reasons = api in OPENAI and REASONS.match(ask.model)
	if effort and not (_takes_effort(api, effort, listed) and (reasons or api not in OPENAI)):
		effort = None
	if refuses:
		# Sent explicitly, because some of these models reason by default.
		effort = "none"
	if reasons and not (effort in (None, "none") and listed.get("supports_none_reasoning_effort")):
		# It accepts only its default of 1. Search models accept no temperature.
		temperature = temperature if temperature == 1 and "search" not in ask.model else None
	return effort, temperature


def changed(ask: Ask, **accepted: Any) -> list[str]:
	"""Returns the names of those fields of the question that have another value than the one that is sent."""
	return [name for name, value in accepted.items() if getattr(ask, name) not in (None, value)]


def _takes_effort(api: str, effort: str, listed: models.Entry) -> bool:
	if not APIS[api].takes_effort or not listed.get("supports_reasoning"):
		return False
	# Few models accept `none`, and nearly all accept the others.
	return bool(listed.get(f"supports_{effort}_reasoning_effort", effort != "none"))


def _request(provider: Provider, ask: Ask, sent: dict[str, Any]) -> tuple[str, dict[str, str], bytes]:
	"""Returns the URL, the headers and the body. Raises ProviderError `misconfigured`."""
	api, extra, own = APIS[provider.api], provider.extra, OwnIds()
	messages = [
		_message(provider.api, message, fields, own)
		for message, fields in continuation.of_messages(provider, ask)
	]
	fields_sent = {**sent, "model": _model(provider.api, ask.model), "messages": messages, "stream": True}
	if provider.api in OPENAI and (key := caching.key_of(provider, ask)):
		fields_sent["prompt_cache_key"] = key
	body = http.with_extra(provider, fields_sent)
	if api.usage_is_asked_for and "stream_options" not in {**extra, **(extra.get("extra_body") or {})}:
		body["stream_options"] = {"include_usage": True}
	return url_of(provider), http.headers(provider, stream_headers_of(provider)), strict_json.dumps(body)


def _model(api: str, model: str) -> str:
	if api == "fireworks_ai" and not model.startswith("accounts/") and "#" not in model:
		return f"accounts/fireworks/{'routers' if model.endswith('-fast') else 'models'}/{model}"
	return model


def _message(api: str, message: dict[str, Any], fields: dict[str, Any], own: OwnIds) -> dict[str, Any]:
	"""Returns a message in the form of the API. A message of the model also has its continuation."""
	message = sendable(message if APIS[api].takes_parts else _flattened(message))
	if calls := message.get("tool_calls"):
		message = {**message, "tool_calls": _signed(calls, fields)}
		reasoning = fields.get("reasoning_content")
		if isinstance(reasoning, str):
			message["reasoning_content"] = reasoning
		elif api in ("deepseek", "moonshot"):
			# A thinking model refuses an earlier call without reasoning. A space is enough.
			message["reasoning_content"] = " "
	if api == "openrouter" and (details := continuation.details(fields)):
		message = {**message, "reasoning_details": details}
	message = own.of(message)
	return _for_mistral(message) if api == "mistral" else message


def _signed(calls: list[dict[str, Any]], fields: dict[str, Any]) -> list[dict[str, Any]]:
	"""Returns the calls with Google's signatures, which Gemini requires."""
	for vendor in SIGNERS:
		signed = {
			identity: {"extra_content": {vendor: {"thought_signature": signature}}}
			for identity, signature in continuation.pairs(fields.get(f"{vendor}_signatures"))
		}
		calls = [{**call, **signed.get(call["id"], {})} for call in calls]
	return calls


def _flattened(message: dict[str, Any]) -> dict[str, Any]:
	content = message.get("content")
	if isinstance(content, list) and all(part["type"] == "text" for part in content):
		content = "".join(part["text"] for part in content)
	return {**message, "content": content}


def _for_mistral(message: dict[str, Any]) -> dict[str, Any]:
	"""Returns a message in Mistral's form: documents have a type of their own, audio is a string, and the ids of calls are
	nine letters and digits.
	"""
	content = message.get("content")
	if isinstance(content, list):
		message = {**message, "content": [_mistral_part(part) for part in content]}

	def short(identity: str) -> str:
		is_short = len(identity) == 9 and identity.isascii() and identity.isalnum()
		return identity if is_short else sha256(identity.encode()).hexdigest()[:9]

	if calls := message.get("tool_calls"):
		return {**message, "tool_calls": [{**call, "id": short(call["id"])} for call in calls]}
	if "tool_call_id" in message:
		return {**message, "tool_call_id": short(message["tool_call_id"])}
	return message


def _mistral_part(part: dict[str, Any]) -> dict[str, Any]:
	if part["type"] == "file":
		file = part["file"]
		return {"type": "document_url", "document_url": file["file_data"], "document_name": file["filename"]}
	if part["type"] == "input_audio":
		return {**part, "input_audio": part["input_audio"]["data"]}
	return part


def _keep(builder: continuation.Builder, api: str, choice: Any) -> None:
	"""Records the parts of a choice that the API requires in the next turn.

	They are recognised by their fields, because the model behind an address is unknown.
	"""
	message = choice.get("delta") or choice.get("message") or {}
	if api == "openrouter":
		# The details of the provider behind OpenRouter, which include its reasoning.
		builder.add("reasoning_details", *(message.get("reasoning_details") or ()))
	elif reasoning := message.get("reasoning_content"):
		builder.add("reasoning_content", string(reasoning))
	for call in message.get("tool_calls") or ():
		for vendor in SIGNERS:
			signed = (call.get("extra_content") or {}).get(vendor) or {}
			if signature := signed.get("thought_signature"):
				# The signature is found again by the id of the call.
				call["id"] = call.get("id") or f"call_{uuid4().hex}"
				builder.add(f"{vendor}_signatures", [call["id"], signature])


def _nothing(chunk: dict[str, Any]) -> tuple[()]:
	"""Accepts an object without choices if it is a chunk of a stream. Raises ProtocolError for others."""
	if "choices" in chunk or "usage" in chunk or str(chunk.get("object")).endswith(".chunk"):
		return ()
	raise ProtocolError()


def _pieces(partial: PartialAnswer, choice: Any) -> Pieces:
	"""Yields the reasoning, text and calls of a choice, which has a delta or a whole message.

	The field of the reasoning depends on the provider. Some providers repeat it in a second field.
	"""
	message = choice.get("delta") or choice.get("message")
	if not message:
		return
	content = parts = message.get("content")
	reasoning = message.get("reasoning_content") or message.get("reasoning")
	if isinstance(parts, list):
		thought, content = flat(parts)
		reasoning = reasoning or thought
	if not reasoning and (details := message.get("reasoning_details")):
		reasoning = "".join(part.get("text") or part.get("summary") or "" for part in details)
	if reasoning:
		yield partial.reasoning(reasoning)
	start = partial.length
	if content := content or message.get("refusal"):
		yield partial.text(content)
	if annotations := message.get("annotations"):
		# In a stream the positions count from the start of the whole text.
		_cite(partial, annotations, 0 if "delta" in choice else start)
	for picture in message.get("images") or ():
		address = picture.get("image_url")
		partial.image(None, address.get("url") if isinstance(address, dict) else address)
	for call in message.get("tool_calls") or ():
		partial.has_calls = True
		yield tool_piece(call)
	if isinstance(parts, list) and any("image" in part["type"] for part in parts):
		partial.unshown = partial.unshown or "only_images"
	elif message.get("function_call"):
		partial.unshown = partial.unshown or "only_unknown_calls"


def _cite(partial: PartialAnswer, annotations: Any, start: int) -> None:
	"""Records the pages that a text cites, with their positions in it."""
	for annotation in annotations if isinstance(annotations, list) else ():
		if isinstance(annotation, dict) and isinstance(cited := annotation.get("url_citation"), dict):
			# OpenRouter sends 0 for both positions if it does not know them.
			is_known = cited.get("start_index") != 0 or cited.get("end_index") != 0
			partial.cite_at(cited, start if is_known else None)


def _cite_results(partial: PartialAnswer, chunk: dict[str, Any]) -> None:
	"""Records Perplexity's search results, which each chunk repeats. Numbers in the text refer to them."""
	results = chunk.get("search_results")
	pages = [result for result in results if isinstance(result, dict)] if isinstance(results, list) else []
	for result in pages:
		partial.cite(result.get("url"), result.get("title"))
	if not pages:
		for url in continuation.strings(chunk.get("citations")):
			partial.cite(url)


def _check(value: dict[str, Any], names: dict[str, str]) -> None:
	"""Raises ProviderError if the object contains an error."""
	if value.get("error") is not None:
		raise failure(names, body=value["error"])
