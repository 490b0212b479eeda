"""The adapter for every provider that litellm speaks chat completions with."""

from collections.abc import AsyncGenerator, Iterator
from typing import Any

from . import door
from .chunks import Ask, Completion, Provider, Reasoning, Text
from .errors import ProviderError
from .feed import Feed
from .lines import string

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
			feed, spoke = await Feed.of(litellm, stream), False
			async for chunk in stream:
				if chunk.choices:
					for piece in _said(chunk.choices[0].delta):
						spoke = True
						yield piece
					finish = chunk.choices[0].finish_reason or finish
				usage = getattr(chunk, "usage", None) or usage
			if not feed.ended:
				raise ProviderError("unfinished" if spoke else "no_answer", provider=provider.name)
		else:
			for piece in _said(stream.choices[0].message):
				yield piece
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


def _said(message: Any) -> Iterator[Reasoning | Text]:
	"""What a delta says, or a whole message.

	The reasoning is taken from one field alone: litellm repeats it in others (`thinking_blocks`).
	"""
	if reasoning := getattr(message, "reasoning_content", None) or getattr(message, "reasoning", None):
		yield Reasoning(string(reasoning))
	if message.content:
		yield Text(string(message.content))
