"""The adapter for OpenAI's Responses API, the only one that streams its models' reasoning (as summaries).

litellm can also bridge it to chat completions; that way an answer cut at max_tokens looks like a broken stream
(litellm 1.97 drops `response.incomplete`), so its events are read here as they are.
"""

import json
from collections.abc import AsyncGenerator, Callable, Iterator
from copy import deepcopy
from dataclasses import replace
from typing import Any

from . import continuation, door
from .chunks import Ask, Completion, Provider, Reasoning, Text
from .errors import ProviderError, failure, finish_reason
from .lines import Junk, string
from .tool_calls import OwnIds, ToolPiece, sendable

API = "openai"
REASONING_ITEM = {"reasoning": ("id", "encrypted_content")}
SUMMARY = {"summary_text": ("text",)}
REASONING = {"response.reasoning_summary_text.delta", "response.reasoning_text.delta"}
TEXT = {"response.output_text.delta", "response.refusal.delta"}
CALL = "response.function_call_arguments.delta"
ENDS = {"response.completed", "response.incomplete"}
ERRORS = {"error", "response.failed"}
# What is shown of an output; its other items are calls of the provider's own tools, and what they gave.
SHOWN = {"message", "reasoning", "function_call"}
UNSHOWN = {"image_generation_call": "only_images", "mcp_approval_request": "only_approvals"}


async def answer(
	provider: Provider, ask: Ask
) -> AsyncGenerator[Reasoning | Text | ToolPiece | Completion, None]:
	"""As `litellm_chat.answer`."""
	litellm = await door.litellm()
	names = {"provider": provider.name, "model": ask.model}
	# As in `litellm_chat.answer`: litellm writes into it.
	provider, ask = deepcopy((provider, ask))
	own = OwnIds()
	stream: Any = None
	try:
		parameters, dropped = door.parameters(litellm, API, ask)
		if "tools" in dropped:
			raise ProviderError("no_tools", **names)
		sent = _parameters(parameters)
		if ask.uses_tools and litellm.supports_reasoning(model=ask.model, custom_llm_provider=API):
			# What is not kept there goes on only if it is brought back; a model that does not reason refuses this.
			sent["include"] = ["reasoning.encrypted_content"]
		stream = await litellm.aresponses(
			**{
				**door.connection(provider),
				**sent,
				"model": f"{API}/{ask.model}",
				"input": [
					item
					for message, fields in continuation.of_messages(provider, ask)
					for item in _items(own.of(sendable(message)), fields)
				],
				"stream": ask.stream,
				"drop_params": True,
				# OpenAI keeps answers for 30 days otherwise; what is kept is this site's business.
				"store": False,
			}
		)
		response, begun, thought = (None if ask.stream else stream), False, False
		kept = continuation.Kept()
		written: set[int] = set()
		if ask.stream:
			stream._process_chunk = _strictly(stream, names, stream._process_chunk)
			# On a task of its own, whose exceptions asyncio prints: what is no response fails there a second time.
			stream._handle_logging_completed_response = lambda: None
			async for event in stream:
				# For failures that are told otherwise: to join it costs the square of its length.
				stream._generated_content = ""
				kind = str(getattr(event.type, "value", event.type))
				begun = True
				if kind in REASONING and event.delta:
					thought = True
					yield Reasoning(string(event.delta))
				elif kind in TEXT and event.delta:
					yield Text(string(event.delta))
				elif kind == "response.reasoning_summary_part.added" and thought:
					yield Reasoning("\n\n")
				elif kind == "response.output_item.added":
					if call := _call(event.output_index, _plain(event.item)):
						yield replace(call, arguments="")
				elif kind == CALL and event.delta:
					written.add(event.output_index)
					yield ToolPiece(event.output_index, None, None, string(event.delta))
				elif kind == "response.output_item.done":
					item = _plain(event.item)
					_keep(kept, item)
					call = _call(event.output_index, item)
					if call and event.output_index not in written:
						yield call
				elif kind in ENDS:
					response = event.response
		else:
			if stream.error:
				raise failure(names, body=_plain(stream.error))
			output = [_plain(item) for item in stream.output]
			for item in output:
				_keep(kept, item)
			for piece in _pieces(output):
				yield piece
		if response is None:
			raise ProviderError("unfinished" if begun else "no_answer", **names)
		yield Completion(
			finish_reason=finish_reason(_reason(response), names),
			provider=provider.name,
			model=ask.model,
			usage=door.usage(litellm, provider, API, ask.model, response.usage),
			dropped=dropped,
			continuation=kept.encoded(provider, ask.model),
			unshown=_unshown(map(_plain, response.output or ())),
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
	if tools := chat.get("tools"):
		sent["tools"] = [_tool(tool) for tool in tools]
		choice = chat.get("tool_choice")
		if isinstance(choice, dict) and "function" in choice:
			choice = {"type": "function", **choice["function"]}
		sent["tool_choice"] = choice
	return {name: value for name, value in sent.items() if value is not None}


def _tool(tool: dict[str, Any]) -> dict[str, Any]:
	"""A function is flat there, and strict where it does not say: then most schemas would be refused."""
	return {"type": "function", "strict": False, **tool["function"]}


def _items(message: dict[str, Any], fields: dict[str, Any]) -> Iterator[dict[str, Any]]:
	"""A chat message as input items: a call is one of its own, and so is its answer."""
	if message["role"] == "tool":
		output = _content("user", message["content"])
		yield {"type": "function_call_output", "call_id": message["tool_call_id"], "output": output}
		return
	yield from _reasoning(fields)
	if message.get("content") or not message.get("tool_calls"):
		yield {"role": message["role"], "content": _content(message["role"], message["content"])}
	for call in message.get("tool_calls") or ():
		yield {"type": "function_call", "call_id": call["id"], **_named(call["function"])}


def _named(function: dict[str, Any]) -> dict[str, Any]:
	return {"name": function["name"], "arguments": function["arguments"]}


def _content(role: str, content: Any) -> Any:
	"""The parts of a content have other names there."""
	return [_part(role, part) for part in content] if isinstance(content, list) else content


def _part(role: str, part: dict[str, Any]) -> dict[str, Any]:
	if part["type"] == "image_url":
		image = part["image_url"]
		return {"type": "input_image", "image_url": image["url"], "detail": image.get("detail") or "auto"}
	return {"type": "output_text" if role == "assistant" else "input_text", "text": part["text"]}


def _reasoning(fields: dict[str, Any]) -> Iterator[dict[str, Any]]:
	items = fields.get("items")
	for item in items if isinstance(items, list) else ():
		for plain in continuation.known([item], REASONING_ITEM):
			yield {**plain, "summary": continuation.known(item.get("summary"), SUMMARY)}


def _plain(item: Any) -> dict[str, Any]:
	"""An item of the output, which litellm gives as an object of one class or another."""
	plain = item.model_dump() if hasattr(item, "model_dump") else item
	if not isinstance(plain, dict):
		raise Junk()
	return plain


def _keep(kept: continuation.Kept, item: dict[str, Any]) -> None:
	if item.get("type") == "reasoning" and item.get("encrypted_content"):
		kept.add("items", item)


def _call(index: int, item: dict[str, Any]) -> ToolPiece | None:
	if item.get("type") != "function_call":
		return None
	return ToolPiece(
		index, string(item["call_id"]), string(item["name"]), string(item.get("arguments") or "")
	)


def _strictly(stream: Any, names: dict[str, str], process: Callable[[str], Any]) -> Callable[[str], Any]:
	"""litellm passes over an event that is no JSON: the answer would have a hole, and look whole.

	And of an error it tells less than the provider has said.
	"""

	def process_strictly(data: str) -> Any:
		event = process(data)
		if event is None and data and not stream.finished:
			raise Junk()
		if event is not None and event.type in ERRORS:
			said = json.loads(data)
			raise failure(names, body=(said.get("response") or said).get("error") or said)
		return event

	return process_strictly


def _pieces(output: list[dict[str, Any]]) -> Iterator[Reasoning | Text | ToolPiece]:
	summaries: list[str] = []
	texts: list[str] = []
	calls: list[ToolPiece] = []
	for index, item in enumerate(output):
		if item["type"] == "reasoning":
			summaries += [part["text"] for part in item["summary"] or []]
		elif item["type"] == "message":
			texts += [part.get("text") or part.get("refusal") or "" for part in item["content"]]
		elif call := _call(index, item):
			calls.append(call)
	if reasoning := "\n\n".join(summaries):
		yield Reasoning(reasoning)
	if text := "".join(texts):
		yield Text(text)
	yield from calls


def _unshown(output: Iterator[dict[str, Any]]) -> str | None:
	"""What an output holds that is not shown, as the kind of failure of an answer that holds nothing else."""
	kinds = {UNSHOWN.get(item["type"], "only_unknown_calls") for item in output if item["type"] not in SHOWN}
	# An approval is what the others wait for.
	return next((kind for kind in (*reversed(UNSHOWN.values()), "only_unknown_calls") if kind in kinds), None)


def _reason(response: Any) -> str | None:
	"""The end that a response tells: of one that is not whole its reason, else what has become of it."""
	details = getattr(response, "incomplete_details", None)
	reason = getattr(details, "reason", None)
	return reason or ("stopped" if response.status == "cancelled" else None)
