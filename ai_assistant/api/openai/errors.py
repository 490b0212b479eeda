"""Errors as OpenAI's APIs have them."""

from typing import Any

from ai_assistant.chat.errors import STANDARD_STATUS

TYPES = {
	401: "authentication_error",
	402: "insufficient_quota",
	403: "permission_error",
	429: "rate_limit_error",
}
# OpenAI's codes, by which clients decide what to do. The other codes are the site's own.
CODES = {
	"budget_exceeded": "insufficient_quota",
	"content_filtered": "content_filter",
	"context_too_long": "context_length_exceeded",
	"rate_limited": "rate_limit_exceeded",
	"unauthenticated": "invalid_api_key",
	"unknown_model": "model_not_found",
}
# OpenAI's words, and Anthropic's. Clients that do not read the code recognise the first (pi, and LangChain in a stream) or
# the second (LangChain and LiteLLM before a stream).
TOO_LONG = "Your input exceeds the context window of this model: prompt is too long"


def error_object(error: dict[str, Any]) -> dict[str, Any]:
	"""Returns the value of `error` in a body or an event, for the contract's `error` object."""
	code = error["code"]
	status = STANDARD_STATUS.get(code, 500)
	kind = TYPES.get(status, "invalid_request_error" if status < 500 else "server_error")
	return {"message": message_of(error), "type": kind, "param": None, "code": CODES.get(code, code)}


def message_of(error: dict[str, Any]) -> str:
	"""Returns the message for the contract's `error` object."""
	message: str = error["message"]
	return f"{TOO_LONG}: {message}" if error["code"] == "context_too_long" else message


def error(error: dict[str, Any]) -> tuple[int, dict[str, Any]]:
	"""Returns the HTTP status and the body for the contract's `error` object."""
	return STANDARD_STATUS.get(error["code"], 500), {"error": error_object(error)}
