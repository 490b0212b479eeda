"""The error codes of the contract and of the standard APIs, and the app's own errors with these codes."""

from typing import Any

from frappe import _

from ai_assistant.gateway import ProviderError

HTTP_STATUS = {
	"invalid_request": 417,
	"not_permitted": 403,
	"not_found": 404,
	"conflict": 409,
	"rate_limited": 429,
	"budget_exceeded": 429,
	"busy": 503,
	"provider_auth": 502,
	"provider_error": 502,
	"provider_unavailable": 502,
	"content_filtered": 502,
	"context_too_long": 502,
	"timeout": 504,
	"worker_lost": 502,
	"not_configured": 503,
	"internal_error": 500,
}
"""The contract's table, and `internal_error` for a defect of the app, whose traceback is in the log."""

STANDARD_STATUS = {
	**HTTP_STATUS,
	"invalid_request": 400,
	"context_too_long": 400,
	"content_filtered": 400,
	"budget_exceeded": 402,
	"provider_unavailable": 503,
	# The codes that only these APIs have.
	"threads_unsupported": 400,
	"unauthenticated": 401,
	"unknown_model": 404,
	"unknown_path": 404,
	"method_not_allowed": 405,
	"not_kept": 410,
	"too_large": 413,
	"no_websocket": 426,
	"cancelled": 499,
}
"""The status of each error code on the standard APIs. Most are those of `chat_completion`.

A dialect may have other statuses for some. A used-up budget is 402, because clients retry a 429 for minutes."""

# Retry-After if chats hold all threads. The end of a chat cannot be predicted.
BUSY_S = 2


class ChatError(Exception):
	"""A refusal, with a code of STANDARD_STATUS and one translated sentence."""

	def __init__(self, code: str, message: str, retry_after: int | None = None) -> None:
		self.code = code
		self.retry_after = retry_after
		super().__init__(message)

	def as_dict(self) -> dict[str, Any]:
		"""Returns the contract's `error` object."""
		return _failure(self.code, str(self), self.code in ("rate_limited", "busy"), self.retry_after)


def _failure(code: str, message: str, retryable: bool, retry_after: int | None) -> dict[str, Any]:
	failure = {"code": code, "message": message, "retryable": retryable}
	return failure if retry_after is None else {**failure, "retry_after": retry_after}


def invalid(message: str, *values: object) -> ChatError:
	"""Makes the refusal of a field.

	Args:
		message: the translated sentence, with a placeholder for each value.
		values: what fills the placeholders.
	"""
	return ChatError("invalid_request", message.format(*values))


def translated(error: ProviderError) -> str:
	"""Returns the sentence of a provider's failure in the user's language."""
	# The gateway marks its sentences with N_.
	return str(_(error.template).format(**error.values))


def provider_failure(error: ProviderError, background: bool) -> dict[str, Any]:
	"""Returns a provider's failure as the contract's `error` object, in the user's language."""
	message = translated(error)
	if error.kind == "total" and not background:
		# A worker has a later deadline.
		message = _(
			"The answer of {provider} took longer than {seconds} seconds in all; one that does can be asked for"
			" in the background (background: true)."
		).format(**error.values)
	failure = _failure(error.code, message, error.retryable, error.retry_after)
	return {**failure, "explanation": error.explanation} if error.explanation else failure


def internal_error() -> dict[str, Any]:
	"""Makes the contract's `error` object for a defect of the app. Its details are only in the log."""
	message = _("Something went wrong on the site; an administrator finds it in the log.")
	return ChatError("internal_error", message).as_dict()


def deleted() -> ChatError:
	"""Makes the error of a request whose row was deleted while it ran."""
	return ChatError("not_found", _("The request was deleted while it ran."))


def worker_lost() -> dict[str, Any]:
	"""Makes the contract's `error` object of a request whose process died."""
	message = _("The process that ran this request died; what had arrived is kept.")
	return {"code": "worker_lost", "message": message, "retryable": True}
