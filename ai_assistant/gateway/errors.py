"""What can go wrong with a provider: an error code of the contract and one sentence.

The sentence is written here and never taken from the provider, whose error body may quote the key, the prompt or
internals of somebody else. `failures.py` finds out which of these errors a response means.
"""

from .chunks import Attempt


def N_(message: str) -> str:
	"""Marks a sentence for the extractors of translations, as in gettext. Returns it unchanged.

	The gateway does not import Frappe: `ai_assistant.chat.errors` translates the sentence.
	"""
	return message


_BY_CODE = {
	"provider_auth": {
		"refused_key": N_(
			"{provider} refused its API key; an administrator can correct it in the provider's configuration."
		),
	},
	"provider_error": {
		"out_of_credit": N_(
			"The account at {provider} has no credit or quota left; an administrator can look at its billing there."
		),
		"country": N_(
			"{provider} does not serve the country that this site asks from; choose another provider."
		),
		"no_access": N_(
			"{provider} gives its API key no access to {model}; choose another model, or let an administrator ask"
			" for it there."
		),
		"unusable_proxy": N_(
			"{provider} cannot be asked through the proxy that the server's environment names; one as"
			" http://host:port can be used."
		),
		"untrusted": N_(
			"The certificate of {provider} is not trusted here; an administrator can name the file of its authority in"
			" SSL_CERT_FILE, in the server's environment."
		),
		"unreadable_authorities": N_(
			"{provider} cannot be asked: the certificate authorities that SSL_CERT_FILE or SSL_CERT_DIR names in the"
			" server's environment cannot be read."
		),
		"unknown_model": N_(
			"{provider} does not know the model {model} at its address; an administrator can correct either."
		),
		"refused": N_("{provider} refused the request (HTTP {status})."),
		"misconfigured": N_(
			"{provider} cannot be asked as it is configured; an administrator can correct its api, api_base or model."
		),
		"missing_package": N_(
			"{provider} needs the Python package {package}, which is not installed; an administrator can install it in the"
			" site's environment."
		),
		"reported": N_("{provider} reported an error while it answered."),
		"junk": N_("{provider} sent a response that is not an answer of its API."),
		"no_answer": N_("{provider} closed the connection without an answer."),
		"malformed_call": N_(
			"{model} of {provider} wrote a tool call that is not valid; ask again, or offer fewer tools."
		),
		"stopped": N_("{provider} stopped the answer of {model} before it was complete."),
		"only_images": N_(
			"{model} of {provider} answered with an image alone, which is not shown here; ask for text."
		),
		"only_unknown_calls": N_(
			"{model} of {provider} called a tool that it was not offered, and wrote nothing else."
		),
		"only_approvals": N_(
			"{model} of {provider} asks for an approval, which cannot be given here, and wrote nothing else."
		),
	},
	"rate_limited": {
		"rate_limited": N_("{provider} is limiting requests at the moment; try again later."),
	},
	"context_too_long": {
		"too_long": N_(
			"The messages are longer than {model} of {provider} accepts; send fewer or shorter ones."
		),
		"exceeds_window": N_(
			"The request has about {tokens} tokens (estimated) and {model} of {provider} accepts {limit}; send fewer or"
			" shorter messages."
		),
	},
	"content_filtered": {
		"filtered": N_("{provider} filtered the content of this request or of its answer."),
	},
	"invalid_request": {
		"no_model_list": N_(
			"The API of {provider} has no list of models that can be read here; enter the names of its models."
		),
		"no_tools": N_("{model} of {provider} takes no tools; choose another model or send none."),
		"large_tools": N_(
			"{model} of {provider} accepts no references in tools, and the tools are too large without them; send smaller ones."
		),
		"no_images": N_("{model} of {provider} takes no images; choose another model or send none."),
		"no_documents": N_("{model} of {provider} takes no documents; choose another model or send none."),
		"no_audio": N_("{model} of {provider} takes no audio; choose another model or send none."),
		"no_image_links": N_("{model} of {provider} takes no links to images; send each as a data: URL."),
	},
	"provider_unavailable": {
		"unreachable": N_("{provider} could not be reached."),
		"proxy": N_("{provider} could not be reached through the proxy that the server's environment names."),
		"unavailable": N_("{provider} is not available at the moment (HTTP {status})."),
		"broke_off": N_("The connection to {provider} broke off before its answer ended."),
		"unfinished": N_("The answer of {provider} ended before it was complete."),
	},
	"timeout": {
		"first_token": N_("{provider} sent nothing for {seconds} seconds (the limit until the first token)."),
		"thinking_idle": N_("{provider} fell silent for {seconds} seconds while it was thinking."),
		"idle": N_("{provider} fell silent for {seconds} seconds in the middle of its answer."),
		"total": N_("The answer of {provider} took longer than {seconds} seconds in all."),
	},
	"not_configured": {
		"none": N_("No AI provider is configured; an administrator can add one."),
	},
}
SENTENCES = {
	kind: (code, sentence) for code, sentences in _BY_CODE.items() for kind, sentence in sentences.items()
}
"""The contract's code and the sentence of each kind of error."""

RETRYABLE = {"rate_limited", "provider_unavailable", "timeout"}


class ProviderError(Exception):
	"""A provider failed. `str()` is the sentence in English; `template` and `values` are for a translation.

	Args:
		kind: a key of SENTENCES.
		retry_after: seconds until the provider accepts requests again, where it says so.
		values: what the sentence's template has in braces.

	`explanation` is the provider's explanation why the model refused to answer; None for every other error.
	`code` is the contract's error code. `attempts` lists the failed attempts in order, with this one.
	`hung_up_on` is the provider and the model that were also asked, and that the failing one was faster than.
	"""

	def __init__(self, kind: str, retry_after: int | None = None, /, **values: object) -> None:
		self.kind = kind
		self.code, self.template = SENTENCES[kind]
		self.values = {name: str(value) for name, value in values.items()}
		self.retry_after = retry_after
		self.attempts: tuple[Attempt, ...] = ()
		self.explanation: str | None = None
		self.hung_up_on: tuple[str, str] | None = None
		super().__init__(self.template.format(**self.values))

	@property
	def retryable(self) -> bool:
		return self.code in RETRYABLE
