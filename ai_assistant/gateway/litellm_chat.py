"""The adapter for every provider that litellm speaks chat completions with."""

from collections.abc import AsyncGenerator, Callable
from typing import Any

from . import door
from .chunks import Ask, Completion, Provider, Reasoning, Text
from .errors import ProviderError

# litellm's names for ends that are ours by another name.
FINISH_REASONS = {"function_call": "tool_calls", "max_tokens": "length", "eos": "stop"}


async def answer(provider: Provider, ask: Ask) -> AsyncGenerator[Reasoning | Text | Completion, None]:
	"""The provider's answer, in the pieces it comes in, or in one piece where `ask.stream` is false.

	Raises ProviderError. Closing the generator closes the provider's connection.
	"""
	litellm = await door.litellm()
	stream: Any = None
	try:
		parameters, dropped = door.parameters(litellm, provider.api, ask)
		stream = await litellm.acompletion(
			**{
				**door.connection(provider),
				**parameters,
				"model": ask.model,
				"custom_llm_provider": provider.api,
				"messages": ask.messages,
				"stream": ask.stream,
				"drop_params": True,
				**({"stream_options": {"include_usage": True}} if ask.stream else {}),
			}
		)
		finish, usage = None, None
		if ask.stream:
			finished, spoke = await _watched(stream), False
			async for chunk in stream:
				if chunk.choices:
					choice = chunk.choices[0]
					delta = choice.delta
					if reasoning := _reasoning(delta):
						spoke = True
						yield Reasoning(reasoning)
					if delta.content:
						spoke = True
						yield Text(delta.content)
					finish = choice.finish_reason or finish
				usage = getattr(chunk, "usage", None) or usage
			if not finished():
				raise ProviderError("unfinished" if spoke else "no_answer", provider=provider.name)
		else:
			message = stream.choices[0].message
			if reasoning := _reasoning(message):
				yield Reasoning(reasoning)
			if message.content:
				yield Text(message.content)
			finish, usage = stream.choices[0].finish_reason, stream.usage
		yield Completion(
			finish_reason=FINISH_REASONS.get(finish or "stop", finish or "stop"),
			provider=provider.name,
			model=ask.model,
			usage=door.usage(litellm, provider.api, ask.model, usage),
			dropped=dropped,
		)
	except Exception as error:
		raise door.provider_error(error, provider, ask.model) from None
	finally:
		if ask.stream and stream is not None:
			await stream.aclose()


def _reasoning(delta: Any) -> str | None:
	"""The reasoning in a delta, from one field alone: litellm repeats it in others (`thinking_blocks`)."""
	return getattr(delta, "reasoning_content", None) or getattr(delta, "reasoning", None)


async def _watched(stream: Any) -> Callable[[], bool]:
	"""A function that says, after the stream, whether the provider itself ended it.

	litellm says "stop" where a provider just closed the connection. What it really heard is in
	`received_finish_reason`, or for Anthropic in `intermittent_finish_reason`; for Gemini it is in neither
	(every chunk counts as a "stop"), so there the raw chunks are looked at on their way into litellm's parser.
	Ollama's are too: that parser deletes `<think>` and `</think>` wherever they stand in an answer.
	"""
	provider = stream.custom_llm_provider
	if provider in ("gemini", "vertex_ai", "vertex_ai_beta", "ollama_chat"):
		parser = await stream.fetch_stream() or stream.completion_stream
		if hasattr(parser, "chunk_parser"):
			parse, ended = parser.chunk_parser, []

			def look(chunk: dict[str, Any]) -> Any:
				if any(candidate.get("finishReason") for candidate in chunk.get("candidates") or []):
					ended.append(True)
				return parse(chunk)

			def spare(chunk: dict[str, Any]) -> Any:
				message = chunk.get("message") or {}
				parsed = parse({**chunk, "message": {**message, "content": ""}} if message else chunk)
				parsed.choices[0].delta.content = message.get("content")
				return parsed

			parser.chunk_parser = spare if provider == "ollama_chat" else look
			if provider != "ollama_chat":
				return lambda: bool(ended)
	return lambda: bool(stream.received_finish_reason or stream.intermittent_finish_reason)
