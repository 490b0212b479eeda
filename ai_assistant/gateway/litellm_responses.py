"""The adapter for OpenAI's Responses API, the only one that streams its models' reasoning (as summaries).

litellm can also bridge it to chat completions; that way an answer cut at max_tokens looks like a broken stream
(litellm 1.97 drops `response.incomplete`), so its events are read here as they are.
"""

from collections.abc import AsyncGenerator, Callable
from typing import Any

from . import door
from .chunks import Ask, Completion, Provider, Reasoning, Text
from .errors import ProviderError
from .lines import Junk, string

API = "openai"
REASONING = {"response.reasoning_summary_text.delta", "response.reasoning_text.delta"}
TEXT = {"response.output_text.delta", "response.refusal.delta"}
ENDS = {"response.completed", "response.incomplete"}


async def answer(provider: Provider, ask: Ask) -> AsyncGenerator[Reasoning | Text | Completion, None]:
	"""As `litellm_chat.answer`."""
	litellm = await door.litellm()
	stream: Any = None
	try:
		parameters, dropped = door.parameters(litellm, API, ask)
		stream = await litellm.aresponses(
			**{
				**door.connection(provider),
				**_parameters(parameters),
				"model": f"{API}/{ask.model}",
				"input": [_item(message) for message in ask.messages],
				"stream": ask.stream,
				"drop_params": True,
				# OpenAI keeps answers for 30 days otherwise; what is kept is this site's business.
				"store": False,
			}
		)
		response, spoke, thought = (None if ask.stream else stream), False, False
		if ask.stream:
			stream._process_chunk = _strictly(stream, stream._process_chunk)
			async for event in stream:
				kind = str(getattr(event.type, "value", event.type))
				spoke = spoke or kind in REASONING or kind in TEXT
				if kind in REASONING and event.delta:
					thought = True
					yield Reasoning(string(event.delta))
				elif kind in TEXT and event.delta:
					yield Text(string(event.delta))
				elif kind == "response.reasoning_summary_part.added" and thought:
					yield Reasoning("\n\n")
				elif kind in ENDS:
					response = event.response
		else:
			for piece in _pieces(stream):
				yield piece
		if response is None:
			raise ProviderError("unfinished" if spoke else "no_answer", provider=provider.name)
		yield Completion(
			finish_reason=_finish_reason(response),
			provider=provider.name,
			model=ask.model,
			usage=door.usage(litellm, API, ask.model, response.usage),
			dropped=dropped,
		)
	except Exception as error:
		raise door.provider_error(error, provider, ask.model) from None
	finally:
		if ask.stream and stream is not None:
			# The stream itself has no way to be closed.
			await stream.response.aclose()


def _parameters(chat: dict[str, Any]) -> dict[str, Any]:
	sent = {"temperature": chat.get("temperature"), "max_output_tokens": chat.get("max_tokens")}
	if effort := chat.get("reasoning_effort"):
		sent["reasoning"] = {"effort": effort, "summary": "auto"}
	return {name: value for name, value in sent.items() if value is not None}


def _item(message: dict[str, Any]) -> dict[str, Any]:
	"""A chat message as an input item: the parts of its content have other names there."""
	content = message["content"]
	if isinstance(content, list):
		kind = "output_text" if message["role"] == "assistant" else "input_text"
		content = [{"type": kind, "text": part["text"]} for part in content]
	return {"role": message["role"], "content": content}


def _strictly(stream: Any, process: Callable[[str], Any]) -> Callable[[str], Any]:
	"""litellm passes over an event that is no JSON: the answer would have a hole, and look whole.

	And it looks for an error's message one level below where OpenAI documents it.
	"""

	def process_strictly(data: str) -> Any:
		event = process(data)
		if event is None and data and not stream.finished:
			raise Junk()
		if event is not None and event.type == "error" and getattr(event, "error", None) is None:
			event.error = {"code": event.code, "message": event.message}
		return event

	return process_strictly


def _pieces(response: Any) -> list[Reasoning | Text]:
	summaries: list[str] = []
	texts: list[str] = []
	for item in response.output:
		if item.type == "reasoning":
			summaries += [part.text for part in item.summary or []]
		elif item.type == "message":
			texts += [
				getattr(part, "text", None) or getattr(part, "refusal", None) or "" for part in item.content
			]
	reasoning, text = "\n\n".join(summaries), "".join(texts)
	return [Reasoning(reasoning)] * bool(reasoning) + [Text(text)] * bool(text)


def _finish_reason(response: Any) -> str:
	details = getattr(response, "incomplete_details", None)
	reason = getattr(details, "reason", None) or "stop"
	return {"max_output_tokens": "length"}.get(reason, str(reason))
