"""What can go wrong with a provider: a code of the contract and one sentence, never the provider's own words.

A provider's error body may hold the key it was sent, the prompt, or somebody's internals. So the sentence is
made here from what kind of failure it was, and the body is dropped with the exception that carried it.
"""

from .chunks import Attempt

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
	"unreachable": ("provider_unavailable", "{provider} could not be reached."),
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
