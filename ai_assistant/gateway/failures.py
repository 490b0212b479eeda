"""Reads which error a provider reports, and how its answer ends.

Providers put the reason into a status, a code or a sentence, in the response or in the middle of a stream. The same
reason gives the same error wherever it stands.
"""

import json
import logging
import re
from collections.abc import Mapping
from typing import Any

from .errors import ProviderError
from .retry_after import advised_s, reset_s
from .sse import ProtocolError

# The most characters of the explanation of a refusal.
MAX_EXPLANATION = 500
# Finish reasons of providers, in lower case, by our name for them: a finish reason of the contract or a key of FAILED.
# `length` is every answer that stops early and is usable: the tokens, the provider's resources or its connection ended, or the
# provider paused.
ENDS = {
	name: ours
	for ours, names in {
		"stop": "end_turn stop_sequence complete eos eos_token",
		"length": "max_tokens max_output_tokens model_length error_limit model_context_window_exceeded compaction pause_turn"
		" insufficient_system_resource network_error",
		"tool_calls": "function_call tool_use",
		"content_filter": "safety recitation blocklist prohibited_content spii language model_armor image_safety"
		" image_prohibited_content image_recitation refusal sensitive error_toxic guardrail_intervened content_filtered",
		"malformed_call": "malformed_function_call unexpected_tool_call too_many_tool_calls malformed_tool_use",
		"stopped": "other malformed_response malformed_model_output missing_thought_signature no_image image_other",
		"error": "",
	}.items()
	for name in (ours, *names.split())
}
# Finish reasons that are failures, with their kind in SENTENCES.
FAILED = {
	"content_filter": "filtered",
	"malformed_call": "malformed_call",
	"stopped": "stopped",
	"error": "reported",
}

# Codes and phrases in an error's body, in lower case, by the kind of error they mean. They count before the status, which
# is often too general. The first kind that matches counts.
WORDS = {
	"too_long": (
		"context_length_exceeded",
		"maximum context length is",  # OpenAI, DeepSeek, OpenRouter, vLLM
		"exceeds the context window",  # OpenAI's Responses
		"model's maximum context limit",
		"longer than the model's context length",
		"longer than the maximum model length",  # vLLM
		"exceeds the available context size",  # llama.cpp
		"exceeds the context length",  # Ollama
		"exceeded max context length",  # Ollama's cloud
		"exceeds the maximum number of tokens allowed",
		"exceed context limit",  # Anthropic
		"input tokens exceed the configured limit",
		"tokens + `max_new_tokens` must be",  # Together
		"prompt is too long",
		"prompt contains too many tokens",  # Mistral
		"too large for model with",  # Mistral: "… tokens too large for model with … maximum context length"
		"maximum prompt length is",  # xAI
		"reduce the length of the messages",  # Groq
	),
	"out_of_credit": (
		# OpenAI's code. OpenAI's sentence is also Gemini's for a rate limit, so it does not count.
		"insufficient_quota",
		"billing_hard_limit_reached",
		"billing_not_active",
		"billing_error",
		"exceeded_current_quota_error",  # Moonshot
		"credit balance is too low",  # Anthropic
		"reached your specified api usage limits",  # Anthropic
		"insufficient credits",  # OpenRouter
		"requires more credits",  # OpenRouter
		"key limit exceeded",  # OpenRouter
		"insufficient balance",  # DeepSeek, Zhipu
		"used all available credits",  # xAI
		"credit limit exceeded",  # Together
		"prepayment credits are depleted",  # Gemini
		"monthly spending limit",  # xAI, Fireworks
		"arrearage",  # DashScope
	),
	"filtered": (
		"content_policy_violation",
		"content_filter",
		"moderation_blocked",
		"requires moderation",  # OpenRouter
		"content violates usage guidelines",  # xAI
		"rejected as a result of our safety system",
		"rejected as a result of the safety system",
		"violating our usage policy",
		"data_inspection_failed",
	),
	"country": (
		"unsupported_country_region_territory",
		"country, region, or territory not supported",
		"user location is not supported",  # Gemini
		"unsupported countries, regions, or territories",  # Bedrock
		"not available in your region",
	),
	"no_access": (
		"does not have access to model",  # OpenAI
		"don't have access to the model",  # Bedrock
		"must be verified to use the model",  # OpenAI
		"model_permission_blocked",  # Groq
	),
	"refused_key": (
		"invalid_api_key",
		"api_key_invalid",  # Gemini
		"incorrect api key",  # xAI
		"invalid api key",
		"api key not valid",
		"api key expired",
	),
}
# Codes by the status they mean, for errors in a stream and for a general status such as 400. Words that also occur in
# sentences stand in quotes: they count only as a JSON string of their own.
STATUSES = {
	status: words.split()
	for status, words in {
		401: 'authentication_error "unauthenticated" "unauthorized"',
		402: "insufficient_credits payment_required",
		403: "permission_error permission_denied accessdeniedexception",
		404: 'not_found_error model_not_found "not_found" resourcenotfoundexception',
		413: "request_too_large",
		429: "rate_limit_error rate_limit_exceeded rate_limit_reached_error too_many_requests resource_exhausted"
		' throttlingexception toomanyrequestsexception "throttling',
		529: 'overloaded_error "overloaded"',
		503: 'service_unavailable serviceunavailable "unavailable" modelnotreadyexception',
		504: "timeout_error deadline_exceeded modeltimeoutexception",
		500: 'server_error api_error internal_error "internal" internalserverexception modelstreamerrorexception',
	}.items()
}
# The kinds of errors that a status alone means.
KINDS = {401: "refused_key", 402: "out_of_credit", 403: "refused_key", 404: "unknown_model", 413: "too_long"}
_STATUS = re.compile(r"""["'](?:code|status|status_?code)["']: ?["']?([45]\d\d)\b""")


def failure(
	names: dict[str, str],
	status: int | None = None,
	body: Any = "",
	headers: Mapping[str, str] | None = None,
) -> ProviderError:
	"""Makes the ProviderError that a provider's error means.

	Args:
		names: `provider` and `model`, for the sentence.
		status: the HTTP status; None for an error inside a stream.
		body: the error as text or as decoded JSON.
		headers: the headers of the response, with names in lower case.

	Returns: the error. It holds nothing of `body`.
	"""
	if status is not None and status < 400:
		# A redirect; the gateway follows none.
		return ProviderError("misconfigured", **names)
	text = body if isinstance(body, str) else json.dumps(body, ensure_ascii=False)
	# An error that another error quotes has escaped quotes.
	text = text.lower().replace("\\", "")
	for kind, words in WORDS.items():
		if any(word in text for word in words):
			return ProviderError(kind, **names)
	number = _status(status, text)
	if number == 403 and "model_not_found" in text:
		return ProviderError("no_access", **names)
	if of_status := KINDS.get(number or 0):
		return ProviderError(of_status, **names, status=number)
	headers = headers or {}
	if number == 429:
		return ProviderError("rate_limited", advised_s(headers, text, reset_s(headers)), **names)
	if number == 408 or (number and number >= 500):
		return ProviderError("unavailable", advised_s(headers, text), status=number, **names)
	if status is None:
		return ProviderError("reported", **names)
	return ProviderError("refused", status=status, **names)


def finish_reason(reason: object, names: dict[str, str], explanation: str | None = None) -> str:
	"""Translates a provider's finish reason to the contract's.

	Args:
		reason: the provider's word for it, in any case, or None.
		names: `provider` and `model`, for the sentence of an error.
		explanation: why the model refused to answer, if the provider says so.

	Returns: `stop`, `length` or `tool_calls`; `stop` for None and for an unknown reason.

	Raises ProviderError for a reason that is a failure.
	"""
	ours = ENDS.get(str(reason or "stop").lower(), "stop")
	if kind := FAILED.get(ours):
		error = ProviderError(kind, **names)
		error.explanation = explanation and explanation[:MAX_EXPLANATION]
		raise error
	return ours


def _status(status: int | None, text: str) -> int | None:
	"""Returns the status that an error means: from its body if the response's own is missing or too general."""
	if status not in (None, 400):
		return status
	numbers = (int(number) for number in _STATUS.findall(text))
	by_code = (number for number, words in STATUSES.items() if any(word in text for word in words))
	# If the status is 400, a code that means 400 or 500 says no more than the status.
	return next(
		(number for number in (*numbers, *by_code) if number != 400 and (number != 500 or not status)), status
	)


def error_of_adapter(error: BaseException, names: Mapping[str, str]) -> ProviderError:
	"""Returns the error of a provider whose adapter raised an exception.

	It refers to no other exception and has no frames, because these contain the key and text of the provider.

	Args:
		error: what the adapter raised.
		names: the provider and the model.
	"""
	if isinstance(error, ProviderError):
		error.__context__ = None
		return error.with_traceback(None)
	if isinstance(error, ProtocolError):
		return ProviderError("junk", **names)
	# A defect of an adapter. Only its type is logged: its text may be the provider's.
	logging.getLogger(__name__).error("an adapter raised %s", type(error).__name__)
	return ProviderError("reported", **names)
