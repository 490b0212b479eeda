"""The contract's error codes, and the errors of our own that carry them."""

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
"""The contract's table, and `internal_error`: a defect of ours, which is in the Error Log with its traceback."""


# When it is worth asking again where chats hold all places: when one of them ends, nobody knows.
BUSY_S = 2


class ChatError(Exception):
	"""What is refused, with a code of HTTP_STATUS and one sentence that is already translated."""

	def __init__(self, code: str, message: str, retry_after: int | None = None) -> None:
		self.code = code
		self.retry_after = retry_after
		super().__init__(message)

	def as_dict(self) -> dict[str, Any]:
		"""The contract's `error` object."""
		refusal = {
			"code": self.code,
			"message": str(self),
			"retryable": self.code in ("rate_limited", "busy"),
		}
		return refusal if self.retry_after is None else {**refusal, "retry_after": self.retry_after}


def invalid(message: str, *values: object) -> ChatError:
	"""A refused field: `message` is translated, then filled with `values`."""
	return ChatError("invalid_request", _(message).format(*values))


# What a worker answers has another deadline, and no web server's patience to end before.
TOTAL_IN_WEB = (
	"The answer of {provider} took longer than {seconds} seconds in all; one that does can be asked for"
	" in the background (background: true)."
)


def provider_failure(error: ProviderError, background: bool) -> dict[str, Any]:
	"""A provider's failure as the contract's `error` object, in the reader's language."""
	template = TOTAL_IN_WEB if error.kind == "total" and not background else error.template
	failure = {
		"code": error.code,
		"message": _(template).format(**error.values),
		"retryable": error.retryable,
	}
	if error.retry_after is not None:
		failure["retry_after"] = error.retry_after
	if error.explanation:
		failure["explanation"] = error.explanation
	return failure


def internal_error() -> dict[str, Any]:
	"""A defect of ours as the contract's `error` object; what it was is in the log."""
	message = _("Something went wrong on the site; an administrator finds it in the log.")
	return {"code": "internal_error", "message": message, "retryable": False}


def worker_lost() -> dict[str, Any]:
	"""Makes the contract's `error` object of a request whose process died."""
	message = _("The process that ran this request died; what had arrived is kept.")
	return {"code": "worker_lost", "message": message, "retryable": True}
