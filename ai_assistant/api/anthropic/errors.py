"""Errors as Anthropic's API has them."""

from typing import Any

from ai_assistant.chat.errors import STANDARD_STATUS

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
	"""Returns the HTTP status and the body for the contract's `error` object."""
	code, message = error["code"], error["message"]
	status = STATUSES.get(code, STANDARD_STATUS.get(code, 500))
	kind = TYPES.get(status, "invalid_request_error" if status < 500 else "api_error")
	if code == "context_too_long":
		message = f"{TOO_LONG}: {message}"
	details = {"details": DETAILS[code]} if code in DETAILS else {}
	return status, {"type": "error", "error": {"type": kind, "message": message, **details}}
