"""What can go wrong with a provider: a code of the contract and one sentence, never the provider's own words.

A provider's error body may hold the key it was sent, the prompt, or somebody's internals. So the sentence is
made here from what kind of failure it was, and the body is dropped with the exception that carried it.
"""

import json
import math
import re
import time
from collections.abc import Mapping
from datetime import datetime, timezone
from email.utils import parsedate_to_datetime
from typing import Any

from .chunks import Attempt

DAY_S = 86_400.0

# Providers' words for the end of an answer, in lower case, by what it comes down to: one of the contract's reasons, or
# a name in FAILED. `length` is every answer that is whole but for its end, whatever it ran out of.
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
# The ends that are failures, and their kinds.
FAILED = {
	"content_filter": "filtered",
	"malformed_call": "malformed_call",
	"stopped": "stopped",
	"error": "reported",
}

# What a provider says in an error's body where its status says less or something else, codes and words, in lower case.
# The first kind that is found counts.
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
		# OpenAI's code. Its words for it are Gemini's for a limit of so many a minute.
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
# The status that an error is of, where it has none: in a stream, or below a status that says no more than that
# something was wrong. Words that stand in sentences too are looked for as strings of their own.
STATUSES = {
	401: ("authentication_error", '"unauthenticated"', '"unauthorized"'),
	402: ("insufficient_credits", "payment_required"),
	403: ("permission_error", "permission_denied", "accessdeniedexception"),
	404: ("not_found_error", "model_not_found", '"not_found"', "resourcenotfoundexception"),
	413: ("request_too_large",),
	429: (
		"rate_limit_error",
		"rate_limit_exceeded",
		"rate_limit_reached_error",
		"too_many_requests",
		"resource_exhausted",
		"throttlingexception",
		"toomanyrequestsexception",
		'"throttling',
	),
	529: ("overloaded_error", '"overloaded"'),
	503: ("service_unavailable", "serviceunavailable", '"unavailable"', "modelnotreadyexception"),
	504: ("timeout_error", "deadline_exceeded", "modeltimeoutexception"),
	500: (
		"server_error",
		"api_error",
		"internal_error",
		'"internal"',
		"internalserverexception",
		"modelstreamerrorexception",
	),
}
_STATUS = re.compile(r"""["'](?:code|status|status_?code)["']: ?["']?([45]\d\d)\b""")

SENTENCES = {
	"refused_key": (
		"provider_auth",
		"{provider} refused its API key; an administrator can correct it in the provider's configuration.",
	),
	"out_of_credit": (
		"provider_error",
		"The account at {provider} has no credit or quota left; an administrator can look at its billing there.",
	),
	"country": (
		"provider_error",
		"{provider} does not serve the country that this site asks from; choose another provider.",
	),
	"no_access": (
		"provider_error",
		"{provider} gives its API key no access to {model}; choose another model, or let an administrator ask"
		" for it there.",
	),
	"rate_limited": ("rate_limited", "{provider} is limiting requests at the moment; try again later."),
	"too_long": (
		"context_too_long",
		"The messages are longer than {model} of {provider} accepts; send fewer or shorter ones.",
	),
	"filtered": ("content_filtered", "{provider} filtered the content of this request or of its answer."),
	"no_tools": (
		"invalid_request",
		"{model} of {provider} takes no tools; choose another model or send none.",
	),
	"large_tools": (
		"invalid_request",
		"{model} of {provider} takes no references in tools, and with a copy for each they are too large; send smaller ones.",
	),
	"no_images": (
		"invalid_request",
		"{model} of {provider} takes no images; choose another model or send none.",
	),
	"no_image_links": (
		"invalid_request",
		"{model} of {provider} takes no links to images; send each as a data: URL.",
	),
	"unreachable": ("provider_unavailable", "{provider} could not be reached."),
	"proxy": (
		"provider_unavailable",
		"{provider} could not be reached through the proxy that the server's environment names.",
	),
	"unusable_proxy": (
		"provider_error",
		"{provider} cannot be asked through the proxy that the server's environment names; one as"
		" http://host:port can be used.",
	),
	"untrusted": (
		"provider_error",
		"The certificate of {provider} is not trusted here; an administrator can name the file of its authority in"
		" SSL_CERT_FILE, in the server's environment.",
	),
	"unreadable_authorities": (
		"provider_error",
		"{provider} cannot be asked: the certificate authorities that SSL_CERT_FILE or SSL_CERT_DIR names in the"
		" server's environment cannot be read.",
	),
	"unavailable": ("provider_unavailable", "{provider} is not available at the moment (HTTP {status})."),
	"broke_off": ("provider_unavailable", "The connection to {provider} broke off before its answer ended."),
	"unknown_model": (
		"provider_error",
		"{provider} does not know the model {model} at its address; an administrator can correct either.",
	),
	"refused": ("provider_error", "{provider} refused the request (HTTP {status})."),
	"misconfigured": (
		"provider_error",
		"{provider} cannot be asked as it is configured; an administrator can correct its api, api_base or model.",
	),
	"reported": ("provider_error", "{provider} reported an error while it answered."),
	"junk": ("provider_error", "{provider} sent something that is no answer."),
	"no_answer": ("provider_error", "{provider} ended its answer before it began."),
	"unfinished": (
		"provider_unavailable",
		"{provider} ended its answer without saying that it was finished.",
	),
	"malformed_call": (
		"provider_error",
		"{model} of {provider} could not make the tool call that it wanted to; ask again, or offer fewer tools.",
	),
	"stopped": ("provider_error", "{provider} stopped the answer of {model} before it was whole."),
	"only_images": (
		"provider_error",
		"{model} of {provider} answered with an image alone, which is not shown here; ask for text.",
	),
	"only_unknown_calls": (
		"provider_error",
		"{model} of {provider} called a tool that it was not offered, and said nothing else.",
	),
	"only_approvals": (
		"provider_error",
		"{model} of {provider} asks for an approval, which cannot be given here, and said nothing else.",
	),
	"first_token": (
		"timeout",
		"{provider} sent nothing for {seconds} seconds (the limit until the first token).",
	),
	"thinking_idle": (
		"timeout",
		"{provider} fell silent for {seconds} seconds while it was thinking.",
	),
	"idle": ("timeout", "{provider} fell silent for {seconds} seconds in the middle of its answer."),
	"total": ("timeout", "The answer of {provider} took longer than {seconds} seconds in all."),
	"none": ("not_configured", "No AI provider is configured; an administrator can add one."),
}

RETRYABLE = {"rate_limited", "provider_unavailable", "timeout"}


class ProviderError(Exception):
	"""A provider failed. `str()` is the sentence in English, `template` and `values` are what to translate.

	`code` is the contract's error code; `retry_after` the provider's own advice in seconds, where it gave one;
	`attempts` all that failed, in order, this one among them.
	"""

	def __init__(self, kind: str, retry_after: int | None = None, /, **values: object) -> None:
		self.kind = kind
		self.code, self.template = SENTENCES[kind]
		self.values = {name: str(value) for name, value in values.items()}
		self.retry_after = retry_after
		self.attempts: tuple[Attempt, ...] = ()
		super().__init__(self.template.format(**self.values))

	@property
	def retryable(self) -> bool:
		return self.code in RETRYABLE


def failure(
	names: dict[str, str],
	status: int | None = None,
	body: Any = "",
	headers: Mapping[str, str] | None = None,
) -> ProviderError:
	"""What a provider's error comes down to, the same wherever it stands.

	`status` is that of the response, None for an error that came where an answer should. `body` is what it says, as text
	or as the object that it is; `headers` answer to lower-case names.
	"""
	if status is not None and status < 400:
		# A redirect, which is not followed.
		return ProviderError("misconfigured", **names)
	text = body if isinstance(body, str) else json.dumps(body, ensure_ascii=False)
	# An error quoted in another one has its quotes escaped.
	text = text.lower().replace("\\", "")
	for kind, words in WORDS.items():
		if any(word in text for word in words):
			return ProviderError(kind, **names)
	number = _status(status, text)
	if number == 402:
		return ProviderError("out_of_credit", **names)
	if number == 403 and "model_not_found" in text:
		return ProviderError("no_access", **names)
	if number in (401, 403):
		return ProviderError("refused_key", **names)
	if number == 404:
		return ProviderError("unknown_model", **names)
	if number == 413:
		return ProviderError("too_long", **names)
	headers = headers or {}
	if number == 429:
		return ProviderError("rate_limited", _advice(headers, text, _resets(headers)), **names)
	if number == 408 or (number and number >= 500):
		return ProviderError("unavailable", _advice(headers, text), status=number, **names)
	if status is None:
		return ProviderError("reported", **names)
	return ProviderError("refused", status=status, **names)


def finish_reason(said: object, names: dict[str, str]) -> str:
	"""A provider's word for the end of its answer as the contract's; `stop` for none, and for one nobody has heard of.

	Raises ProviderError for an end that is a failure.
	"""
	ours = ENDS.get(str(said or "stop").lower(), "stop")
	if kind := FAILED.get(ours):
		raise ProviderError(kind, **names)
	return ours


def _status(status: int | None, text: str) -> int | None:
	if status not in (None, 400):
		return status
	said = (int(number) for number in _STATUS.findall(text))
	named = (number for number, words in STATUSES.items() if any(word in text for word in words))
	# Who refuses a request calls some refusals a general error, too.
	return next(
		(number for number in (*said, *named) if number != 400 and (number != 500 or not status)), status
	)


# Of Go's durations and of sentences: 1m30.5s, 250ms, 26 seconds.
_PART = r"(\d+(?:\.\d+)?)\s*(ms|millis|[dhms])[a-z]*\s*"
_DURATION = re.compile(f"(?:{_PART})+")
_UNITS_S = {"ms": 0.001, "millis": 0.001, "s": 1, "m": 60, "h": 3600, "d": DAY_S}
_IN_A_BODY = re.compile(
	rf"""(?:retrydelay["']: ?["']|retry_after(?:_seconds)?["']: ?["']?|(?:try again|retry) (?:in|after) )"""
	rf"""((?:{_PART})+|\d+(?:\.\d+)?)"""
)


def _advice(headers: Mapping[str, str], text: str, resets: float | None = None) -> int | None:
	"""When a provider says to ask again, in whole seconds from now, at most a day: its own advice, else its `resets`."""
	found = _IN_A_BODY.search(text)
	ms = headers.get("retry-after-ms")
	said = (f"{ms}ms" if ms else None, headers.get("retry-after"), found[1] if found else None)
	seconds = next((s for each in said if each and (s := _seconds(each)) is not None), resets)
	return None if seconds is None else math.ceil(max(0.0, min(seconds, DAY_S)))


def _resets(headers: Mapping[str, str]) -> float | None:
	"""When the limit is lifted that is used up; where no header says which, the last of them."""
	used_up: list[float] = []
	others: list[float] = []
	for name, value in headers.items():
		name = name.lower()
		if "ratelimit" in name and "reset" in name and (seconds := _seconds(value)) is not None:
			left = headers.get(name.replace("reset", "remaining"))
			(used_up if left is not None and left.strip() == "0" else others).append(seconds)
	return max(used_up or others, default=None)


def _seconds(said: str) -> float | None:
	"""Seconds from now: a number of them, a duration, a date, or a point in time by the seconds or ms since 1970."""
	said = said.strip().lower()
	try:
		seconds = float(said)
	except ValueError:
		if _DURATION.fullmatch(said):
			return sum(float(number) * _UNITS_S[unit] for number, unit in re.findall(_PART, said))
		return _until(said)
	if not math.isfinite(seconds):
		return None
	if seconds > 1e9:
		return (seconds / 1000 if seconds > 1e12 else seconds) - time.time()
	return seconds


def _until(date: str) -> float | None:
	"""Seconds until a date as in HTTP, or as in ISO 8601."""
	try:
		if date[:1].isdigit():
			at = datetime.fromisoformat(date.replace("z", "+00:00"))
			return at.replace(tzinfo=at.tzinfo or timezone.utc).timestamp() - time.time()
		return parsedate_to_datetime(date).timestamp() - time.time()
	except (ValueError, OverflowError, TypeError):
		return None
