"""The message of Anthropic's Messages API: why it ended, what it used, and the errors in its place."""

import json
from typing import Any

from ai_assistant.gateway.sizes import bytes_of
from ai_assistant.gateway.strict_json import object_of
from ai_assistant.gateway.usage import estimated_tokens

from ..dialect import HTTP_STATUS, Parsed

STOP_REASONS = {"stop": "end_turn", "length": "max_tokens", "tool_calls": "tool_use"}
# The statuses that differ from those of the other dialects.
STATUSES = {"busy": 529, "provider_unavailable": 529}
TYPES = {
	401: "authentication_error",
	402: "billing_error",
	403: "permission_error",
	404: "not_found_error",
	410: "not_found_error",
	413: "request_too_large",
	429: "rate_limit_error",
	504: "timeout_error",
	529: "overloaded_error",
}
# The tool runners of Anthropic's SDKs go on without a thread when they read this.
DETAILS = {"threads_unsupported": {"error_code": "thread_unsupported_request", "unsupported": ["thread"]}}
# Claude Code shortens its conversation when it reads this.
TOO_LONG = "prompt is too long"


def error(error: dict[str, Any]) -> tuple[int, dict[str, Any]]:
	"""The HTTP status and the body for the contract's `error` object."""
	code, message = error["code"], error["message"]
	status = STATUSES.get(code, HTTP_STATUS.get(code, 500))
	kind = TYPES.get(status, "invalid_request_error" if status < 500 else "api_error")
	if code == "context_too_long":
		message = f"{TOO_LONG}: {message}"
	details = {"details": DETAILS[code]} if code in DETAILS else {}
	return status, {"type": "error", "error": {"type": kind, "message": message, **details}}


def stop_reason(answer: dict[str, Any]) -> str:
	return STOP_REASONS.get(answer["finish_reason"], "end_turn")


def usage_of(usage: dict[str, Any] | None) -> dict[str, Any]:
	"""The tokens as Anthropic has them: those of its cache are no part of `input_tokens`."""
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
	"""The tokens of a request, estimated by its length."""
	tools = json.dumps(parsed.fields.get("tools") or "", ensure_ascii=False)
	return estimated_tokens(bytes_of(parsed.fields["messages"]) + len(tools))


def input_of(arguments: str) -> dict[str, Any]:
	"""The `input` of a call. Arguments that are no JSON object stand in one, as the adapters send them."""
	read = object_of(arguments)
	return {"arguments": arguments} if read is None else read
