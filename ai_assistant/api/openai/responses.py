"""OpenAI's Responses API: the dialect of Codex, of OpenAI's SDKs and of Open Responses.

The wire is the one of OpenAI's public API reference: an answer is a list of items (reasoning, message, function_call), and
a stream is a list of events that build these items. The reasoning is shown as a summary. What a provider wants back on
the next turn (the answer's `continuation`) is the `encrypted_content` of a reasoning item. A provider gives it at the end:
in a stream the item that carries it follows the others, and has no text of its own.
"""

import json
from collections.abc import Mapping, Sequence
from typing import Any

from frappe import _

from ai_assistant.chat.errors import invalid
from ai_assistant.chat.validators import flag
from ai_assistant.gateway.surrogates import join_surrogates

from ..conversation import task_label
from ..dialect import Parsed
from ..fields import effort_of, object_in, unread
from ..paths import Paths, Source
from .errors import error
from .response_input import conversation_of
from .response_object import REPEATED, whole
from .response_stream import Writer
from .response_tools import tools_of, with_additional_tools

__all__ = ["Writer", "error", "parse", "whole"]

# Fields of `chat_completion` that have the same name and form here.
SAME = ("model", "parallel_tool_calls", "service_tier", "temperature", "top_p")
# Other fields that are read, or that change nothing here.
READ = (
	*SAME,
	*("background", "generate", "include", "input", "instructions", "max_output_tokens", "metadata"),
	*("previous_response_id", "prompt_cache_key", "reasoning", "safety_identifier", "store", "stream"),
	*("stream_options", "text", "tool_choice", "tools", "type", "user"),
)
# Values of other fields that ask for what the site does anyway.
NEUTRAL: dict[str, Any] = {
	"context_management": [],
	"frequency_penalty": 0,
	"presence_penalty": 0,
	"top_logprobs": 0,
	"truncation": "disabled",
}

# The characters of the fields that the response repeats, and that are stored with it. Tools alone may have 200,000.
MAX_REPEATED = 500_000

# The names of this API for fields of the chat API, and for the ends of their paths.
NAMES = {
	"max_tokens": "max_output_tokens",
	"messages": "input",
	"reasoning_effort": "reasoning.effort",
	"request_id": "metadata.request_id",
	"response_format.json_schema": "text.format",
	"task_id": "metadata.task_id",
	"verbosity": "text.verbosity",
}
ENDINGS = {
	".file.file_data": ".file_data",
	".function.name": ".name",
	".id": ".call_id",
	".image_url.url": ".image_url",
	".tool_call_id": ".call_id",
}


def parse(body: dict[str, Any], headers: Mapping[str, str], history: Sequence[dict[str, Any]] = ()) -> Parsed:
	"""Reads a request to create a response.

	Args:
		history: the messages that end with the response that `previous_response_id` names, without its instructions.

	Raises:
		ChatError: `invalid_request`, with the field and what it accepts.
	"""
	body, paths_of_tools = with_additional_tools(body)
	for name, advice in (
		("prompt", "send instructions and input"),
		("conversation", "send all of the input"),
	):
		if body.get(name) is not None:
			raise invalid(_("{0} is not kept on this site; {1}."), name, advice)
	reasoning, text, metadata = (object_in(body, name) for name in ("reasoning", "text", "metadata"))
	input_items = body.get("input")
	items = [] if input_items is None and history else input_items
	messages, sources = conversation_of(items, history).converted()
	instructions = body.get("instructions")
	if instructions is not None and not isinstance(instructions, str):
		raise invalid(_("{0} accepts a string."), "instructions")
	if instructions:
		messages.insert(0, {"role": "system", "content": instructions})
		sources.insert(0, Source("instructions"))
	tools, tool_paths, choice, dropped = tools_of(body, paths_of_tools)
	fields = {
		"messages": messages,
		**{name: body.get(name) for name in SAME},
		"max_tokens": body.get("max_output_tokens"),
		"reasoning_effort": effort_of(reasoning.get("effort")),
		"tools": tools or None,
		"tool_choice": choice,
		"response_format": _response_format(text.get("format")),
		"verbosity": text.get("verbosity"),
		"request_id": metadata.get("request_id"),
		"task_id": metadata.get("task_id") or task_label(body.get("prompt_cache_key")),
	}
	return Parsed(
		fields={name: value for name, value in fields.items() if value is not None},
		stream=flag(body.get("stream"), "stream"),
		background=flag(body.get("background"), "background"),
		store=flag(body.get("store"), "store"),
		options={"repeated": _repeated(body)},
		dropped=(*dropped, *unread(body, READ, NEUTRAL)),
		paths=Paths(NAMES, ENDINGS, sources, tool_paths),
	)


def _repeated(body: dict[str, Any]) -> dict[str, Any]:
	"""Returns the fields that the response repeats, without lone surrogates, which UTF-8 cannot encode."""
	repeated = {name: body[name] for name in REPEATED if body.get(name) is not None}
	try:
		text = json.dumps(repeated, ensure_ascii=False)
	except RecursionError:
		raise invalid(_("The body accepts objects and lists in each other to a depth of {0}."), 32) from None
	# The limits of messages apply to the instructions too.
	if len(text) - len(json.dumps(repeated.get("instructions"), ensure_ascii=False)) > MAX_REPEATED:
		raise invalid(
			_("The fields beside input and instructions accept at most {0} characters in all."), MAX_REPEATED
		)
	clean = join_surrogates(text)
	return repeated if clean is text else json.loads(clean)


def _response_format(text_format: Any) -> dict[str, Any] | None:
	"""Returns the `text.format` of a request as the chat API's `response_format`, which has a schema one level below."""
	kind = text_format.get("type") if isinstance(text_format, dict) else None
	if text_format is None or kind == "text":
		return None
	if kind == "json_object":
		return {"type": kind}
	if kind != "json_schema":
		raise invalid(_("{0} accepts one of: {1}."), "text.format.type", "text, json_object, json_schema")
	return {"type": kind, kind: {name: value for name, value in text_format.items() if name != "type"}}
