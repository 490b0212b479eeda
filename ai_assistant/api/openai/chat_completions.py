"""OpenAI's Chat Completions API.

https://platform.openai.com/docs/api-reference/chat. Reasoning is sent as `reasoning_content` and as `reasoning`, the two
names that clients of other providers read.
"""

import json
from collections.abc import Mapping
from typing import Any

from frappe import _

from ai_assistant.api.dialect import Parsed, StreamWriter, event, is_cut, is_vs_code
from ai_assistant.api.fields import effort_of, list_in, object_in, schema_of, unread
from ai_assistant.api.paths import Paths
from ai_assistant.chat import options
from ai_assistant.chat.errors import invalid
from ai_assistant.chat.tools import CHOICES
from ai_assistant.chat.validators import one_of

from .errors import error, error_object

__all__ = ["Writer", "error", "parse", "whole"]

# Fields of `chat_completion` that have the same name and form here. The API's `metadata` has no limits of this app.
SAME = ("model", "temperature", *(name for name in options.FIELDS if name != "metadata"))
# Other fields that are read, or that change nothing here.
READ = {
	*SAME,
	*("max_completion_tokens", "max_tokens", "messages", "metadata", "n", "prompt_cache_key", "reasoning"),
	*("reasoning_effort", "safety_identifier", "store", "stream", "stream_options", "tool_choice", "tools"),
	"user",
}
# Fields of `chat_completion` that are in `metadata` here.
IN_METADATA = ("request_id", "task_id", "mode")
# Values that ask for what the site does anyway.
NEUTRAL: dict[str, Any] = {"logit_bias": {}, "logprobs": False, "modalities": ["text"], "top_logprobs": 0}
DONE = "data: [DONE]\n\n"


def parse(body: dict[str, Any], headers: Mapping[str, str]) -> Parsed:
	"""Reads the body of `POST /chat/completions`. Raises ChatError `invalid_request`."""
	if body.get("n") not in (None, 1):
		raise invalid(_("n accepts 1."))
	metadata = object_in(body, "metadata")
	offered = list_in(body, "tools")
	functions = {n: tool for n, tool in enumerate(offered) if _is_function(tool)}
	choice, allowed = _choice(body.get("tool_choice"))
	kept = [n for n, tool in functions.items() if allowed is None or _name(tool) in allowed]
	tools = [_tool(functions[n]) for n in kept]
	if allowed is not None and tools and choice is not None:
		choice = one_of(choice, "tool_choice.allowed_tools.mode", CHOICES)
	messages = [_message(message) for message in list_in(body, "messages")]
	names = {name: f"metadata.{name}" for name in IN_METADATA}
	names |= {f"tools[{n}]": f"tools[{sent}]" for n, sent in enumerate(kept)}
	most, effort = body.get("max_completion_tokens"), body.get("reasoning_effort")
	if most is None:
		most = body.get("max_tokens")
	else:
		names["max_tokens"] = "max_completion_tokens"
	if effort is None:
		# OpenRouter's form is an object.
		effort = object_in(body, "reasoning").get("effort")
		names["reasoning_effort"] = "reasoning.effort"
	fields = {
		"messages": messages,
		"max_tokens": most,
		"reasoning_effort": effort_of(effort),
		"tools": tools or None,
		"tool_choice": choice if tools else None,
		**{name: body.get(name) for name in SAME},
		**{name: metadata.get(name) for name in IN_METADATA},
	}
	dropped = unread(body, READ, NEUTRAL)
	if len(functions) < len(offered):
		dropped.append("tools")
	for_writer = {
		"include_usage": bool(object_in(body, "stream_options").get("include_usage")),
		"hides_errors": is_vs_code(headers),
	}
	stream = body.get("stream") or False
	if not isinstance(stream, bool):
		raise invalid(_("stream accepts true or false."))
	return Parsed(fields, stream, options=for_writer, dropped=tuple(dropped), paths=Paths(names))


def whole(answer: dict[str, Any], parsed: Parsed, created: int) -> dict[str, Any]:
	"""Builds the body of an answer that was not streamed."""
	message: dict[str, Any] = {"role": "assistant", "content": answer["response"] or None, "refusal": None}
	if reasoning := answer["reasoning"]:
		message.update(reasoning_content=reasoning, reasoning=reasoning)
	if calls := answer.get("tool_calls"):
		message["tool_calls"] = [
			{"id": call["id"], "type": "function", "function": call["function"]} for call in calls
		]
	elif message["content"] is None:
		message["content"] = ""
	choice = {"index": 0, "message": message, "logprobs": None, "finish_reason": _finish_reason(answer)}
	return {
		"id": f"chatcmpl-{answer['request_id']}",
		"object": "chat.completion",
		"created": created,
		"model": answer["model"] or parsed.fields["model"],
		"choices": [choice],
		"usage": usage_of(answer),
	}


def usage_of(answer: dict[str, Any]) -> dict[str, Any]:
	"""Returns the `usage` of an answer, with the cached tokens under OpenAI's names and under Anthropic's."""
	used = answer.get("usage") or {}
	cached = used.get("cached_tokens") or 0
	return {
		"prompt_tokens": used.get("prompt_tokens", 0),
		"completion_tokens": used.get("completion_tokens", 0),
		"total_tokens": used.get("total_tokens", 0),
		"prompt_tokens_details": {"cached_tokens": cached},
		"completion_tokens_details": {"reasoning_tokens": used.get("reasoning_tokens", 0)},
		"cache_read_input_tokens": cached,
		"cache_creation_input_tokens": used.get("cache_write_tokens") or 0,
	}


class Writer(StreamWriter):
	"""Writes the chunks of one answer."""

	def __init__(self, parsed: Parsed, request_id: str, model: str, created: int) -> None:
		self._options = parsed.options
		self._chunk: dict[str, Any] = {
			"id": f"chatcmpl-{request_id}",
			"object": "chat.completion.chunk",
			"created": created,
			"model": model,
		}
		if self._options["include_usage"]:
			self._chunk["usage"] = None
		# The indexes of the calls by their ids.
		self._calls: dict[str, int] = {}

	def begin(self) -> str:
		return self._delta({"role": "assistant", "content": ""})

	def end(self, answer: dict[str, Any]) -> str:
		failure = answer.get("error")
		if failure and (self._options["hides_errors"] or not is_cut(answer)):
			error_event = event({"error": error_object(failure)})
			if not self._options["hides_errors"]:
				return error_event + DONE
			sentence = self._delta({"content": f"\n\n{failure['message']}"})
			# The finish_reason `length` says that the answer is not whole. Without a finish_reason the client shows neither the text
			# nor the sentence.
			return sentence + error_event + self._delta({}, "length") + DONE
		ends = self._delta({}, _finish_reason(answer))
		if self._options["include_usage"]:
			ends += event({**self._chunk, "choices": [], "usage": usage_of(answer)})
		return ends + DONE

	def _say(self, kind: str, text: str) -> str:
		if kind == "text":
			return self._delta({"content": text})
		return self._delta({"reasoning_content": text, "reasoning": text})

	def _begin_call(self, call_id: str, name: str) -> str:
		index = self._calls[call_id] = len(self._calls)
		function = {"name": name, "arguments": ""}
		call = {"index": index, "id": call_id, "type": "function", "function": function}
		return self._delta({"tool_calls": [call]})

	def _add_arguments(self, call_id: str, piece: str) -> str:
		call = {"index": self._calls[call_id], "function": {"arguments": piece}}
		return self._delta({"tool_calls": [call]})

	def _end_call(self, call_id: str) -> str:
		return ""

	def _delta(self, delta: dict[str, Any], finish_reason: str | None = None) -> str:
		choice = {"index": 0, "delta": delta, "logprobs": None, "finish_reason": finish_reason}
		return event({**self._chunk, "choices": [choice]})


def _finish_reason(answer: dict[str, Any]) -> str:
	"""Returns why an answer ended. Only an answer that its provider filtered has an error here."""
	return "content_filter" if answer.get("error") else answer["finish_reason"]


def _is_function(tool: Any) -> bool:
	"""Returns whether a tool is a function of the client. Tools of OpenAI, such as web_search, have other types."""
	return not isinstance(tool, dict) or not isinstance(tool.get("type"), str) or tool["type"] == "function"


def _tool(tool: Any) -> Any:
	"""Returns the tool in the form of `chat.tools`, in which `parameters` has `"type": "object"`."""
	if (function := _function_in(tool)) is None:
		return tool
	return {**tool, "function": {**function, "parameters": schema_of(function.get("parameters"))}}


def _choice(choice: Any) -> tuple[Any, list[Any] | None]:
	"""Returns the tool_choice in the form of `chat.tools`, and the names of the tools that it allows, None for all."""
	if choice == "any":
		return "required", None
	if isinstance(choice, dict) and choice.get("type") == "allowed_tools":
		allowed = object_in(choice, "allowed_tools")
		return allowed.get("mode"), [_name(tool) for tool in list_in(allowed, "tools")]
	return choice, None


def _name(tool: Any) -> Any:
	return (_function_in(tool) or {}).get("name")


def _function_in(item: Any) -> dict[str, Any] | None:
	"""Returns the `function` of a tool or of a call, None if it has none."""
	function = item.get("function") if isinstance(item, dict) else None
	return function if isinstance(function, dict) else None


def _message(message: Any) -> Any:
	"""Returns the message in the form of `chat.messages`, which refuses what is wrong and names it."""
	if not isinstance(message, dict):
		return message
	content, calls = message.get("content"), message.get("tool_calls")
	if isinstance(content, list):
		content = [_part(part) for part in content]
	if isinstance(calls, list):
		calls = [_call(call) for call in calls]
	return {**message, "content": "" if content in (None, []) else content, "tool_calls": calls or None}


def _part(part: Any) -> Any:
	if not isinstance(part, dict):
		return part
	kind = part.get("type")
	if kind in ("input_text", "output_text"):
		return {"type": "text", "text": part.get("text")}
	if kind == "refusal":
		return {"type": "text", "text": part.get("refusal")}
	image = part.get("image_url")
	if kind == "image_url" and isinstance(image, str):
		return {"type": "image_url", "image_url": {"url": image}}
	return part


def _call(call: Any) -> Any:
	"""Returns a tool call with its arguments as JSON. Some clients send an object, and an empty string for no arguments."""
	if (function := _function_in(call)) is None:
		return call
	arguments = function.get("arguments")
	if isinstance(arguments, dict):
		arguments = json.dumps(arguments, ensure_ascii=False)
	elif arguments is None or arguments == "":
		arguments = "{}"
	return {**call, "type": "function", "function": {**function, "arguments": arguments}}
