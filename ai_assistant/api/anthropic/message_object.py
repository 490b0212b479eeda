"""The message of Anthropic's Messages API: why it ended, and the tokens that it used."""

import json
from typing import Any

from ai_assistant.gateway.sizes import bytes_of
from ai_assistant.gateway.strict_json import object_of
from ai_assistant.gateway.usage import estimated_tokens

from ..dialect import Parsed

STOP_REASONS = {"stop": "end_turn", "length": "max_tokens", "tool_calls": "tool_use"}


def message_of(
	request_id: str, model: str, content: list[dict[str, Any]], end: dict[str, Any], usage: dict[str, Any]
) -> dict[str, Any]:
	"""Builds a message. `end` and `usage` are those of `end_of` and `usage_of`."""
	named = {"id": f"msg_{request_id}", "type": "message", "role": "assistant", "model": model}
	return {**named, "content": content, **end, "usage": usage}


def end_of(answer: dict[str, Any]) -> dict[str, Any]:
	"""Why a message ended. One that the provider filtered has the stop reason `refusal`."""
	if failure := answer.get("error"):
		details = {"type": "refusal", "category": None, "explanation": failure["message"]}
		return {"stop_reason": "refusal", "stop_sequence": None, "stop_details": details}
	if sequence := answer.get("stop_sequence"):
		return {"stop_reason": "stop_sequence", "stop_sequence": sequence}
	return {"stop_reason": STOP_REASONS.get(answer["finish_reason"], "end_turn"), "stop_sequence": None}


def usage_of(usage: dict[str, Any] | None) -> dict[str, Any]:
	"""Returns the tokens in Anthropic's form, in which `input_tokens` does not include those of the cache."""
	usage = usage or {}
	cached, written = (usage.get(name) or 0 for name in ("cached_tokens", "cache_write_tokens"))
	return {
		"input_tokens": max(0, usage.get("prompt_tokens", 0) - cached - written),
		"cache_creation_input_tokens": written,
		"cache_read_input_tokens": cached,
		"output_tokens": usage.get("completion_tokens", 0),
		"output_tokens_details": {"thinking_tokens": usage.get("reasoning_tokens", 0)},
	}


def prompt_tokens(parsed: Parsed) -> int:
	"""Estimates the tokens of a request from its length."""
	tools = json.dumps(parsed.fields.get("tools") or "", ensure_ascii=False)
	return estimated_tokens(bytes_of(parsed.fields["messages"]) + len(tools))


def input_of(arguments: str) -> dict[str, Any]:
	"""Returns the `input` of a call. Arguments that are no JSON object become its field `arguments`."""
	read = object_of(arguments)
	return {"arguments": arguments} if read is None else read
