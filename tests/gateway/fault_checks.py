"""What the tests of faults share: how they ask, and how they check an error."""

import re
import traceback
from typing import Any

from ai_assistant.gateway import ProviderError
from ai_assistant.gateway.errors import SENTENCES
from tests.support.provider import ScriptedProvider
from tests.support.wire import Step

from .asking import MODELS, Heard, family, gateway, hear, scripted

# The scripted provider's own text of a refusal, if the script contains none.
ITS_WORDS = "scripted refusal"


def answer(server: ScriptedProvider, api: str, script: list[Step], **options: Any) -> Heard:
	one = gateway(family(server, api, name=f"My {api}"), **options)
	return hear(one.stream_generate(scripted(script)))


def check(heard: Heard, api: str, kind: str, code: str) -> ProviderError:
	"""That it failed like this, in our own words, which name the provider."""
	error = heard.failure
	assert (error.kind, error.code) == (kind, code)
	numbers = {name: error.values[name] for name in ("status", "seconds") if name in error.values}
	assert str(error) == SENTENCES[kind][1].format(provider=f"My {api}", model=MODELS[api], **numbers)
	assert f"My {api}" in str(error) and all(re.fullmatch("[0-9.]+", number) for number in numbers.values())
	assert error.retryable == (code in ("rate_limited", "provider_unavailable", "timeout"))
	assert [(a.provider, a.model, a.error) for a in error.attempts] == [(f"My {api}", MODELS[api], code)]
	return error


def everything_in(error: BaseException | None) -> str:
	"""All that a log could say of an exception, the values of its frames and what led to it included."""
	if error is None:
		return ""
	told = traceback.TracebackException.from_exception(error, capture_locals=True)
	own = [repr(error), str(error), repr(error.args), repr(vars(error)), *told.format()]
	return "\n".join([*own, everything_in(error.__cause__), everything_in(error.__context__)])


REFUSALS = {
	400: ("refused", "provider_error"),
	401: ("refused_key", "provider_auth"),
	402: ("out_of_credit", "provider_error"),
	403: ("refused_key", "provider_auth"),
	404: ("unknown_model", "provider_error"),
	408: ("unavailable", "provider_unavailable"),
	413: ("too_long", "context_too_long"),
	418: ("refused", "provider_error"),
	429: ("rate_limited", "rate_limited"),
	500: ("unavailable", "provider_unavailable"),
	502: ("unavailable", "provider_unavailable"),
	503: ("unavailable", "provider_unavailable"),
	529: ("unavailable", "provider_unavailable"),
}
