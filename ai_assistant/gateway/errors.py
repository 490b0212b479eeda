"""What can go wrong with a provider: a code of the contract and one sentence, never the provider's own words.

A provider's error body may hold the key it was sent, the prompt, or somebody's internals. So the sentence is
made here from what kind of failure it was, and the body is dropped with the exception that carried it.
"""

import math
import time
from collections.abc import Mapping
from email.utils import parsedate_to_datetime

from .chunks import Attempt

DAY_S = 86_400.0

# Answers cut short in ways that OpenAI's API has no name for: Anthropic's, DeepSeek's and Zhipu's.
CUT_SHORT = ("model_context_window_exceeded", "insufficient_system_resource", "network_error")

# The words of providers for messages that are too long, in lower case.
TOO_LONG = (
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
	"input tokens exceed the configured limit",
	"tokens + `max_new_tokens` must be",  # Together
	"prompt is too long",
	"prompt contains too many tokens",  # Mistral
	"too large for model with",  # Mistral: "… tokens too large for model with … maximum context length"
	"maximum prompt length is",  # xAI
	"reduce the length of the messages",  # Groq
)
# And for those that a filter has stopped.
FILTERED = (
	"content_policy_violation",
	"content_filter",
	"rejected as a result of our safety system",
	"rejected as a result of the safety system",
	"violating our usage policy",
	"data_inspection_failed",
)

SENTENCES = {
	"refused_key": (
		"provider_auth",
		"{provider} refused its API key; an administrator can correct it in the provider's configuration.",
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
	"unfinished": ("provider_error", "{provider} ended its answer without saying that it was finished."),
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


def is_too_long(words: str) -> bool:
	"""Whether a provider's own words for an error say that the messages are too long."""
	words = words.lower()
	return any(said in words for said in TOO_LONG)


def is_filtered(words: str) -> bool:
	"""Whether they say that a filter has stopped them."""
	words = words.lower()
	return any(said in words for said in FILTERED)


def refusal(status: int, headers: Mapping[str, str], names: dict[str, str]) -> ProviderError:
	"""What an HTTP error comes down to, or a redirect, which is not followed. `headers` answers to lower-case names."""
	if status < 400:
		return ProviderError("misconfigured", **names)
	if status in (401, 403):
		return ProviderError("refused_key", **names)
	if status == 429:
		return ProviderError("rate_limited", _seconds(headers.get("retry-after")), **names)
	if status == 413:
		return ProviderError("too_long", **names)
	if status == 404:
		return ProviderError("unknown_model", **names)
	if status >= 500 or status == 408:
		return ProviderError("unavailable", status=status, **names)
	return ProviderError("refused", status=status, **names)


def _seconds(retry_after: str | None) -> int | None:
	"""A Retry-After header, in either of its forms, as seconds from now, at most a day."""
	if not retry_after:
		return None
	try:
		seconds = float(retry_after)
	except ValueError:
		try:
			seconds = parsedate_to_datetime(retry_after).timestamp() - time.time()
		except (ValueError, OverflowError):
			return None
	return round(max(0.0, min(seconds, DAY_S))) if math.isfinite(seconds) else None
