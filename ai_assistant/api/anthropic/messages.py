"""Anthropic's Messages API: the dialect of Claude Code and of Anthropic's SDKs.

The wire is the one of Anthropic's public API reference, version 2023-06-01: an answer is a list of blocks (thinking, text,
tool_use), and a stream begins, fills and ends one block after the other. What a provider wants back on the next turn (the
answer's `continuation`) is the `signature` of a thinking block. A provider gives it at the end: in a stream it is the
`data` of a last block, `redacted_thinking`, because the thinking has ended by then.
"""

import re
from collections.abc import Mapping
from typing import Any

from frappe import _

from ai_assistant.chat.errors import ChatError, invalid
from ai_assistant.chat.options import MAX_STOPS
from ai_assistant.chat.validators import flag
from ai_assistant.gateway.efforts import BUDGETS

from ..conversation import task_label
from ..dialect import Parsed
from ..fields import object_in, unread
from ..paths import Paths
from .errors import error
from .message_input import conversation_of, tools_of, with_marker
from .message_object import end_of, input_of, message_of, usage_of
from .message_stream import Writer

__all__ = ["Writer", "error", "parse", "whole"]

SESSION = re.compile(r"""session(?:_id": ?"|_)([0-9a-f-]{8,})""")
# Fields of `chat_completion` that have the same name and form here.
SAME = ("model", "service_tier", "temperature", "top_p")
# Other fields that are read, or that change nothing here.
READ = (
	*SAME,
	*("cache_control", "max_tokens", "messages", "metadata", "output_config", "output_format"),
	*("stop_sequences", "stream", "system", "thinking", "thread", "tool_choice", "tools"),
)
# Values of other fields that ask for what the site does anyway.
NEUTRAL: dict[str, Any] = {"mcp_servers": [], "speed": "standard"}
# The names of this API for fields of the chat API, and for the ends of their paths.
NAMES = {
	"reasoning_effort": "output_config.effort",
	"request_id": "metadata.request_id",
	"response_format.json_schema": "output_config.format",
	"stop": "stop_sequences",
	"task_id": "metadata.task_id",
}
ENDINGS = {
	".file.file_data": ".source",
	".function.name": ".name",
	".image_url": ".source",
	".image_url.url": ".source",
	".parameters": ".input_schema",
	".tool_call_id": ".tool_use_id",
}


def parse(body: dict[str, Any], headers: Mapping[str, str]) -> Parsed:
	"""Reads a request to create a message.

	Raises:
		ChatError: `invalid_request`, with the field and what it accepts; `threads_unsupported`.
	"""
	if body.get("thread") is not None:
		raise ChatError("threads_unsupported", _("thread is not supported on this site; send all messages."))
	tools, tool_paths, choice, dropped = tools_of(body)
	metadata, config, thinking = (object_in(body, name) for name in ("metadata", "output_config", "thinking"))
	is_serial = tools and (body.get("tool_choice") or {}).get("disable_parallel_tool_use")
	warms_cache = _warms_cache(body, config, choice)
	stops = body.get("stop_sequences")
	messages, sources = conversation_of(body).converted()
	fields = {
		"messages": with_marker(messages, body.get("cache_control")),
		**{name: body.get(name) for name in SAME},
		# No provider's chat API answers with nothing. One token is the least.
		"max_tokens": 1 if warms_cache else body.get("max_tokens"),
		# The chat API accepts fewer.
		"stop": stops[:MAX_STOPS] if isinstance(stops, list) else stops,
		"reasoning_effort": _effort(thinking, config),
		"tools": tools or None,
		"tool_choice": choice,
		"parallel_tool_calls": False if is_serial else None,
		# The second is the name in the beta of 2025, which older SDKs send.
		"response_format": _response_format(config.get("format") or body.get("output_format")),
		"request_id": metadata.get("request_id"),
		"task_id": metadata.get("task_id") or _session(metadata.get("user_id")),
	}
	return Parsed(
		fields={name: value for name, value in fields.items() if value is not None},
		stream=flag(body.get("stream"), "stream"),
		options={"shows_thinking": thinking.get("display") != "omitted", "warms_cache": warms_cache},
		dropped=(*dropped, *unread(body, READ, NEUTRAL)),
		paths=Paths(NAMES, ENDINGS, sources, tool_paths),
	)


def _effort(thinking: dict[str, Any], config: dict[str, Any]) -> str | None:
	"""Returns the effort that a `thinking` asks for. None if it asks for none; the site then chooses."""
	kind = thinking.get("type")
	if kind is None:
		return None
	if kind == "disabled":
		return "none"
	if kind == "enabled":
		budget = thinking.get("budget_tokens")
		if not isinstance(budget, int) or isinstance(budget, bool):
			raise invalid(_("{0} accepts a whole number."), "thinking.budget_tokens")
		return next((effort for effort, least in reversed(BUDGETS.items()) if budget >= least), "low")
	if kind != "adaptive":
		raise invalid(_("{0} accepts one of: {1}."), "thinking.type", "enabled, adaptive, disabled")
	effort = config.get("effort")
	if effort is not None and not isinstance(effort, str):
		raise invalid(_("{0} accepts a string."), "output_config.effort")
	# The reference names it as the default.
	return effort or "high"


def _warms_cache(body: dict[str, Any], config: dict[str, Any], choice: Any) -> bool:
	"""Whether a request only puts its prompt into the provider's cache: `max_tokens` is 0, and the message is empty.

	Anthropic refuses this beside a stream, a format and a `tool_choice` that forces a call.
	"""
	if body.get("max_tokens") != 0 or isinstance(body["max_tokens"], bool):
		return False
	if body.get("stream") or config.get("format") or choice not in (None, "auto", "none"):
		beside = "stream, output_config.format, tool_choice"
		raise invalid(_("{0} accepts 0 only without {1}."), "max_tokens", beside)
	return True


def _session(user_id: Any) -> str | None:
	"""Returns the session that Claude Code names in its `user_id`. The requests of one session are one task."""
	named = SESSION.search(user_id) if isinstance(user_id, str) else None
	return task_label(named[1]) if named else None


def _response_format(output_format: Any) -> dict[str, Any] | None:
	"""Returns an `output_config.format` as the chat API's `response_format`."""
	if output_format is None:
		return None
	if not isinstance(output_format, dict) or output_format.get("type") != "json_schema":
		raise invalid(_("{0} accepts {1}."), "output_config.format.type", "json_schema")
	return {"type": "json_schema", "json_schema": {"name": "answer", "schema": output_format.get("schema")}}


def whole(answer: dict[str, Any], parsed: Parsed, created: int) -> dict[str, Any]:
	"""Builds the message for the contract's answer object."""
	if parsed.options["warms_cache"]:
		answer = {**answer, "reasoning": "", "response": "", "tool_calls": [], "finish_reason": "length"}
		answer |= {"continuation": None, "stop_sequence": None}
	content: list[dict[str, Any]] = []
	thought = answer["reasoning"] if parsed.options["shows_thinking"] else ""
	sealed = answer.get("continuation")
	if thought or (answer["reasoning"] and not sealed):
		signature = sealed or answer["request_id"]
		content.append({"type": "thinking", "thinking": thought, "signature": signature})
	elif sealed:
		content.append({"type": "redacted_thinking", "data": sealed})
	if answer["response"]:
		content.append({"type": "text", "text": answer["response"]})
	for call in answer.get("tool_calls") or ():
		function = call["function"]
		named = {"id": call["id"], "name": function["name"]}
		content.append({"type": "tool_use", **named, "input": input_of(function["arguments"])})
	model = parsed.fields.get("model") or answer["model"]
	return message_of(answer["request_id"], model, content, end_of(answer), usage_of(answer.get("usage")))
