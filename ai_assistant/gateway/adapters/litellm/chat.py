"""The adapter for every provider that litellm speaks chat completions with."""

import asyncio
from copy import deepcopy
from dataclasses import replace
from typing import Any

from ... import continuation
from ...chunks import Ask, Provider
from ...errors import ProviderError
from ...failures import finish_reason
from ...schemas import Inliner, TooLarge
from ...sse import string
from ...tool_calls import OwnIds, sendable, tool_piece
from ..anthropic_stream import THINKING
from ..partial import PartialAnswer, Pieces, Stream
from . import client, failures
from .stream import GEMINI, Feed

# For these APIs litellm sends only the text of a message.
TAKES_NO_IMAGES = ("deepseek", "docker_model_runner", "heroku", "nlp_cloud", "replicate")
# These APIs accept only the bytes of an image. litellm would download a link, or send the link as bytes.
TAKES_NO_LINKS = (*GEMINI, "bedrock", "ollama", "ollama_chat", "sagemaker", "watsonx")
# For these APIs litellm replaces each reference in a tool by a copy, without a limit.
TAKES_NO_REFERENCES = (*GEMINI, "bedrock")
# For most other APIs it does so only for references to definitions with these older names.
OLD_DEFINITIONS = {"definitions", "components"}
# litellm hides Gemini's signature of a call in the call's id.
SIGNATURE = "__thought__"
# Models of these APIs continue their reasoning if they get it back. OpenAI's own API sends none, compatible
# ones do.
TAKES_REASONING = (
	"dashscope",
	"deepseek",
	"moonshot",
	"ollama_chat",
	"openai",
	"volcengine",
	"xiaomi_mimo",
	"zai",
)


async def answer(provider: Provider, ask: Ask) -> Stream:
	"""Asks the provider through litellm, and yields its answer in pieces as they arrive.

	Raises ProviderError. Closing the generator closes the provider's connection.
	"""
	litellm = await asyncio.to_thread(client.load)
	# litellm changes its arguments, and the next provider gets the same objects.
	provider, ask = deepcopy((provider, ask))
	stream: Any = None
	try:
		names = {"provider": provider.name, "model": ask.model}
		if provider.api in TAKES_NO_IMAGES and ask.images:
			raise ProviderError("no_images", **names)
		if provider.api in TAKES_NO_LINKS and not all(url.startswith("data:") for url in ask.images):
			raise ProviderError("no_image_links", **names)
		own = OwnIds()
		messages = [
			own.of(_message(message, fields)) for message, fields in continuation.of_messages(provider, ask)
		]
		if ask.tools:
			try:
				ask = replace(ask, tools=_tools(provider.api, ask.tools))
			except TooLarge:
				raise ProviderError("large_tools", **names) from None
		parameters, dropped = client.parameters(litellm, provider.api, ask, messages)
		if "tools" in dropped:
			raise ProviderError("no_tools", **names)
		if not ({"reasoning_effort", "thinking"} & (set(parameters) | set(provider.extra))):
			# Claude accepts earlier thinking only in a request that lets it think.
			for message in messages:
				message.pop("thinking_blocks", None)
		partial = PartialAnswer(keeps=True)

		def heard(message: Any) -> None:
			_keep(partial.continuation, provider.api, message)
			partial.unshown = partial.unshown or _unshown(message)

		stream = await litellm.acompletion(
			**{
				**provider.extra,
				"api_key": provider.api_key,
				"api_base": provider.api_base,
				# The gateway itself has deadlines and fallback. litellm would ask a provider that hangs again, and
				# the gateway would not know.
				"max_retries": 0,
				"timeout": 3600,
				**parameters,
				"model": ask.model,
				"custom_llm_provider": provider.api,
				"messages": messages,
				"stream": True,
				"drop_params": True,
				# null removes the field, for servers that refuse unknown fields.
				"stream_options": provider.extra.get("stream_options", {"include_usage": True}),
			}
		)
		finish, usage = None, None
		feed = Feed(litellm, stream, await stream.fetch_stream(), names, heard)
		stream.chunks, stream.messages = _Counts(litellm), None
		async for chunk in stream:
			# litellm joins all text here, which takes quadratic time, for rules that the app does not use.
			stream.response_uptil_now = ""
			# A second answer is not read.
			if chunk.choices and not chunk.choices[0].index:
				for piece in _pieces(partial, chunk.choices[0].delta):
					yield piece
				finish = chunk.choices[0].finish_reason or finish
			usage = getattr(chunk, "usage", None) or usage
		if not stream.chunks:
			# The provider has not counted the tokens.
			usage = None
		partial.begun = feed.begun
		partial.require_end(feed.ended, names)
		reason = finish_reason(finish, names)
		tokens = client.usage(litellm, provider, ask.model, usage, partial.thought_bytes)
		yield partial.completion(provider, ask, reason, tokens, dropped)
	except Exception as error:
		raise failures.provider_error(error, provider, ask.model) from None
	finally:
		if stream is not None:
			await stream.aclose()


class _Counts(list[Any]):
	"""Keeps only the chunks of a stream that count tokens, without their text.

	litellm would keep all chunks, up to 100,000, and estimate the tokens of their text at the end. It would
	do so on the loop, where a megabyte takes seconds.
	"""

	def __init__(self, litellm: Any) -> None:
		super().__init__()
		self._silence = [litellm.types.utils.StreamingChoices()]

	def append(self, chunk: Any) -> None:
		if getattr(chunk, "usage", None):
			# The chunk is a copy by litellm, but its contents are not.
			chunk.choices = self._silence
			# If there are several counts, the first has the prompt's tokens and the last the answer's.
			self[:] = [*self[:1], chunk]


def _pieces(partial: PartialAnswer, message: Any) -> Pieces:
	"""Yields the reasoning, text and calls of a delta or a whole message.

	The reasoning is read from one field, because litellm repeats it in others (`thinking_blocks`).
	"""
	if reasoning := getattr(message, "reasoning_content", None) or getattr(message, "reasoning", None):
		yield partial.reasoning(reasoning)
	if message.content:
		yield partial.text(message.content)
	for call in getattr(message, "tool_calls", None) or ():
		piece = tool_piece(call.model_dump() if hasattr(call, "model_dump") else call)
		yield replace(piece, id=_short(piece.id))


def _unshown(message: Any) -> str | None:
	"""Returns which content of a message is not shown, as the error of an answer that has no other content."""
	if getattr(message, "images", None):
		return "only_images"
	return "only_unknown_calls" if getattr(message, "function_call", None) else None


def _message(message: dict[str, Any], fields: dict[str, Any]) -> dict[str, Any]:
	"""Returns a message in the form of litellm. A message of the model also has its continuation."""
	message = sendable(message)
	if blocks := continuation.known(fields.get("thinking_blocks"), THINKING):
		message["thinking_blocks"] = blocks
	if message.get("tool_calls") and isinstance(reasoning := fields.get("reasoning_content"), str):
		message["reasoning_content"] = reasoning
	if details := continuation.details(fields):
		message["reasoning_details"] = details
	if signed := continuation.strings(fields.get("thought_signatures")):
		message["provider_specific_fields"] = {"thought_signatures": signed[-1:]}
	signed_calls = {
		identity: {"provider_specific_fields": {"thought_signature": signature}}
		for identity, signature in continuation.pairs(fields.get("signatures"))
	}
	if signed_calls:
		calls = message.get("tool_calls") or ()
		message["tool_calls"] = [{**call, **signed_calls.get(call["id"], {})} for call in calls]
	return message


def _tools(api: str, tools: list[dict[str, Any]]) -> list[dict[str, Any]]:
	"""Returns the tools without the references that litellm would replace by copies. Raises TooLarge."""
	inliner = Inliner()

	def sent(function: dict[str, Any]) -> dict[str, Any]:
		schema = function.get("parameters")
		if not schema or (api not in TAKES_NO_REFERENCES and not OLD_DEFINITIONS & set(schema)):
			return function
		return {**function, "parameters": inliner.inlined(schema)}

	return [{**tool, "function": sent(tool["function"])} for tool in tools]


def _keep(builder: continuation.Builder, api: str, message: Any) -> None:
	"""Records the parts of a delta or a whole message that the provider requires in the next turn."""
	if api in TAKES_REASONING and (reasoning := getattr(message, "reasoning_content", None)):
		builder.add("reasoning_content", string(reasoning))
	if api == "openrouter":
		builder.add("reasoning_details", *(_field(message, "reasoning_details") or ()))
	if api in GEMINI:
		calls = getattr(message, "tool_calls", None) or ()
		for call in calls:
			if signature := _field(call, "thought_signature"):
				builder.add("signatures", [_short(call.get("id")), signature])
		if not calls:
			builder.add("thought_signatures", *(_field(message, "thought_signatures") or ()))
		return
	for block in getattr(message, "thinking_blocks", None) or ():
		# Only the last piece of a block has a signature. It also has the whole thought.
		if block.get("signature") or block.get("data"):
			builder.add("thinking_blocks", dict(block))


def _field(of: Any, name: str) -> Any:
	"""Returns a field that only the provider has. litellm puts it beside its own fields or below them."""
	return getattr(of, name, None) or (getattr(of, "provider_specific_fields", None) or {}).get(name)


def _short(identity: str | None) -> str | None:
	return identity and identity.partition(SIGNATURE)[0]
