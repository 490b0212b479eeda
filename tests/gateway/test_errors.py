"""Tests that an error of a provider means the same at every place of an answer and in every adapter."""

import json
import time
from datetime import datetime, timezone
from typing import Any

import pytest

from ai_assistant.gateway import ProviderError
from ai_assistant.gateway.errors import SENTENCES
from ai_assistant.gateway.failures import ENDS, FAILED, failure
from ai_assistant.gateway.retry_after import DAY_S
from tests.support.provider import ScriptedProvider
from tests.support.wire import Step

from .asking import MODELS
from .error_steps import OPENROUTER, answer, error_step

NAMES = {"provider": "p", "model": "m"}
OPENAI = ("openai", "litellm/openai", "openai_responses")


def in_stream(api: str, error: dict[str, Any]) -> Step:
	return error_step(
		api,
		{"type": "error", "error": error} if api in ("anthropic", "openai_responses") else {"error": error},
	)


def of(apis: tuple[str, ...], status: int, kind: str, /, **error: Any) -> list[Any]:
	words = str(error.get("code") or error.get("type") or error.get("message"))
	return [pytest.param(api, status, error, kind, id=f"{api}, {status} {words}") for api in apis]


ERRORS = [
	*of(OPENAI, 429, "out_of_credit", message="You exceeded your current quota.", code="insufficient_quota"),
	*of(OPENAI, 429, "rate_limited", message="Limit 3, used 3.", type="requests", code="rate_limit_exceeded"),
	*of(OPENAI, 401, "refused_key", message="Incorrect API key provided.", code="invalid_api_key"),
	*of(OPENAI, 403, "country", message="-", code="unsupported_country_region_territory"),
	*of(
		OPENAI,
		403,
		"no_access",
		message="Project `p` does not have access to model `m`.",
		code="model_not_found",
	),
	*of(OPENAI, 404, "unknown_model", message="The model does not exist.", code="model_not_found"),
	*of(OPENAI, 500, "unavailable", message="The server had an error.", type="server_error", code=None),
	*of(OPENAI, 503, "unavailable", message="Overloaded.", type="service_unavailable", code=None),
	*of(OPENROUTER, 402, "out_of_credit", message="Insufficient credits", code=402),
	*of(OPENROUTER, 403, "filtered", message="Your input requires moderation, and was flagged.", code=403),
	*of(OPENROUTER, 429, "rate_limited", message="Provider returned error", code=429),
	*of(OPENROUTER, 502, "unavailable", message="Provider returned error", code=502),
	*of(("deepseek", "litellm/deepseek"), 402, "out_of_credit", message="Insufficient Balance"),
	*of(
		("anthropic",),
		400,
		"out_of_credit",
		type="invalid_request_error",
		message="Your credit balance is too low.",
	),
	*of(("anthropic",), 401, "refused_key", type="authentication_error", message="-"),
	*of(("anthropic",), 403, "refused_key", type="permission_error", message="-"),
	*of(("anthropic",), 429, "rate_limited", type="rate_limit_error", message="-"),
	*of(("anthropic",), 500, "unavailable", type="api_error", message="-"),
	*of(("anthropic",), 529, "unavailable", type="overloaded_error", message="-"),
	*of(("gemini",), 400, "refused_key", code=400, message="-", details=[{"reason": "API_KEY_INVALID"}]),
	*of(("gemini",), 400, "country", code=400, message="User location is not supported for the API use."),
	*of(
		("gemini",),
		429,
		"rate_limited",
		code=429,
		message="You exceeded your current quota.",
		status="RESOURCE_EXHAUSTED",
	),
	*of(("gemini",), 503, "unavailable", code=503, message="-", status="UNAVAILABLE"),
]


@pytest.mark.parametrize(("api", "status", "error", "kind"), ERRORS)
def test_an_error_is_the_same_as_a_status_at_once_and_in_mid_stream(
	server: ScriptedProvider, api: str, status: int, error: dict[str, Any], kind: str
) -> None:
	whole = {"type": "error", "error": error} if api == "anthropic" else {"error": error}
	refused = answer(server, api, [{"status": status, "body": whole}]).failure
	at_once = answer(server, api, [in_stream(api, error)])
	later = answer(server, api, [{"text": "Hel"}, in_stream(api, error)])
	assert later.text == "Hel"
	for failed in (refused, at_once.failure, later.failure):
		assert (failed.kind, failed.code) == (kind, SENTENCES[kind][0])
		assert failed.__cause__ is None and failed.__context__ is None


@pytest.mark.parametrize("kind", ["out_of_credit", "country", "no_access", "malformed_call"])
def test_what_asking_again_does_not_mend_is_not_retryable(kind: str) -> None:
	assert not ProviderError(kind, provider="p", model="m").retryable


@pytest.mark.parametrize("api", ["openai", "openrouter"])
def test_a_whole_answer_may_be_an_error(server: ScriptedProvider, api: str) -> None:
	body = {"error": {"message": "-", "code": 429}}
	assert answer(server, api, [{"raw": json.dumps(body)}]).failure.kind == "rate_limited"


def test_a_choice_may_be_an_error(server: ScriptedProvider) -> None:
	choice = {
		"index": 0,
		"delta": {"content": ""},
		"error": {"code": 502, "message": "-"},
		"finish_reason": "error",
	}
	heard = answer(server, "openrouter", [{"text": "Hel"}, error_step("openrouter", {"choices": [choice]})])
	assert (heard.text, heard.failure.kind) == ("Hel", "unavailable")


def test_a_response_may_fail(server: ScriptedProvider) -> None:
	response = {
		"id": "resp_1",
		"object": "response",
		"created_at": 1,
		"model": "gpt-5",
		"output": [],
		"parallel_tool_calls": True,
		"tool_choice": "auto",
		"tools": [],
		"status": "failed",
		"error": {"code": "rate_limit_exceeded", "message": "-"},
	}
	failed = error_step(
		"openai_responses", {"type": "response.failed", "sequence_number": 3, "response": response}
	)
	heard = answer(server, "openai_responses", [{"text": "Hel"}, failed])
	assert (heard.text, heard.failure.kind) == ("Hel", "rate_limited")
	whole = answer(server, "openai_responses", [{"raw": json.dumps(response)}])
	assert whole.failure.kind == "rate_limited"


@pytest.mark.parametrize(
	("status", "body", "kind"),
	[
		(400, '{"__type": "ThrottlingException", "message": "-"}', "rate_limited"),
		(None, "throttlingException {}", "rate_limited"),
		(None, "serviceUnavailableException {}", "unavailable"),
		(None, "internalServerException {}", "unavailable"),
		(None, "{'error': {'code': 429}}", "rate_limited"),
		(None, {"error": {"metadata": {"raw": '{"error": {"type": "overloaded_error"}}'}}}, "unavailable"),
		(None, [{"error": {"status": "UNAVAILABLE"}}], "unavailable"),
		(None, {"error": "The server is unavailable in a sentence."}, "reported"),
		(None, {"code": 400, "message": "-"}, "reported"),
		(None, {}, "reported"),
		(400, {"error": {"type": "api_error"}}, "refused"),
		(400, {"code": "-", "error": "Incorrect API key provided: sk***"}, "refused_key"),
		(500, {"error": {"type": "rate_limit_error"}}, "unavailable"),
		(302, "", "misconfigured"),
	],
	ids=str,
)
def test_the_body_says_what_a_status_does_not(status: int | None, body: Any, kind: str) -> None:
	assert failure(NAMES, status, body).kind == kind


def in_an_hour() -> str:
	return datetime.fromtimestamp(time.time() + 3600, timezone.utc).isoformat().replace("+00:00", "Z")


@pytest.mark.parametrize(
	("headers", "body", "least", "most"),
	[
		({"retry-after-ms": "1500"}, "", 2, 2),
		({"retry-after-ms": "1500", "retry-after": "9"}, "", 2, 2),
		({"retry-after-ms": "soon", "retry-after": "9"}, "", 9, 9),
		({}, {"error": {"details": [{"@type": "RetryInfo", "retryDelay": "26s"}]}}, 26, 26),
		({}, {"error": {"details": [{"retryDelay": "1.25s"}]}}, 2, 2),
		({}, {"error": {"message": "Please try again in 7m12.5s. Visit us."}}, 433, 433),
		({}, {"error": {"message": "Please retry after 26 seconds."}}, 26, 26),
		({}, {"error": {"metadata": {"retry_after_seconds": 12}}}, 12, 12),
		({"x-ratelimit-reset-requests": "6m0s"}, "", 360, 360),
		({"x-ratelimit-reset-tokens": "17ms"}, "", 1, 1),
		# The limit that is used up. If the headers do not tell which one that is, the later one.
		(
			{
				"x-ratelimit-remaining-requests": "0",
				"x-ratelimit-reset-requests": "20s",
				"x-ratelimit-remaining-tokens": "5",
				"x-ratelimit-reset-tokens": "6m0s",
			},
			"",
			20,
			20,
		),
		({"x-ratelimit-reset-requests": "20s", "x-ratelimit-reset-tokens": "7.66s"}, "", 20, 20),
		({"x-ratelimit-reset-requests": "20s", "retry-after": "3"}, "", 3, 3),
		({"anthropic-ratelimit-requests-reset": in_an_hour()}, "", 3000, 3600),
		({"x-ratelimit-reset": str(int(time.time() * 1000) + 3_600_000)}, "", 3000, 3600),
		({"x-ratelimit-reset": str(int(time.time()) + 3600)}, "", 3000, 3600),
		({"x-ratelimit-reset": "400 days"}, "", DAY_S, DAY_S),
	],
)
def test_advice_when_to_ask_again_has_many_forms(
	headers: dict[str, str], body: Any, least: int, most: int
) -> None:
	advice = failure(NAMES, 429, body, headers).retry_after
	assert advice is not None and least <= advice <= most


def test_who_is_not_available_may_give_advice_and_its_limits_are_none() -> None:
	assert failure(NAMES, 503, "", {"retry-after": "7"}).retry_after == 7
	assert failure(NAMES, 503, "", {"x-ratelimit-reset-requests": "7s"}).retry_after is None


@pytest.mark.parametrize("api", ["openai", "litellm/openai", "openai_responses", "anthropic", "gemini"])
def test_advice_arrives_from_headers_and_bodies(server: ScriptedProvider, api: str) -> None:
	by_header = {"status": 429, "headers": {"retry-after-ms": "6500"}}
	assert answer(server, api, [by_header]).failure.retry_after == 7
	error = {"code": 429, "message": "-", "type": "rate_limit_error", "details": [{"retryDelay": "26s"}]}
	assert answer(server, api, [{"status": 429, "body": {"error": error}}]).failure.retry_after == 26
	assert answer(server, api, [in_stream(api, error)]).failure.retry_after == 26


# Ends


def test_every_end_is_one_of_the_contracts_or_a_failure() -> None:
	assert set(ENDS.values()) == {"stop", "length", "tool_calls"} | set(FAILED)
	assert set(FAILED.values()) <= set(SENTENCES)


@pytest.mark.parametrize(
	"api", ["openai", "litellm/openai", "litellm/deepseek", "gemini", "anthropic", "ollama_chat"]
)
@pytest.mark.parametrize(
	("word", "ours"),
	[("LENGTH", "length"), ("MAX_TOKENS", "length"), ("SAFETY", "filtered"), ("STOP", "stop")],
)
def test_an_end_may_be_in_capitals(server: ScriptedProvider, api: str, word: str, ours: str) -> None:
	heard = answer(server, api, [{"text": "Half an"}, {"finish": word}])
	assert (heard.error.kind if heard.error else heard.completion.finish_reason) == ours


@pytest.mark.parametrize("api", ["openai", "litellm/openai", "gemini"])
@pytest.mark.parametrize(
	"word",
	[
		"MALFORMED_FUNCTION_CALL",
		"UNEXPECTED_TOOL_CALL",
		"TOO_MANY_TOOL_CALLS",
		"MODEL_ARMOR",
		"OTHER",
		"LANGUAGE",
		"MALFORMED_RESPONSE",
	],
)
@pytest.mark.parametrize("before", [[], [{"text": "Half an"}]], ids=["empty", "begun"])
def test_an_end_that_is_a_failure_is_never_a_regular_one(
	server: ScriptedProvider, api: str, word: str, before: list[Step]
) -> None:
	heard = answer(server, api, [*before, {"finish": word}])
	assert heard.failure.kind in (FAILED[ENDS[word.lower()]], "filtered")


@pytest.mark.parametrize("reason", ["", None, "missing"])
@pytest.mark.parametrize("api", ["openai", "openrouter"])
def test_a_whole_answer_has_ended_whether_it_says_so_or_not(
	server: ScriptedProvider, api: str, reason: str | None
) -> None:
	choice = {"index": 0, "message": {"role": "assistant", "content": "Yes."}, "finish_reason": reason}
	if reason == "missing":
		del choice["finish_reason"]
	body = {"id": "1", "object": "chat.completion", "created": 1, "model": "m", "choices": [choice]}
	heard = answer(server, api, [{"raw": json.dumps(body)}])
	assert (heard.text, heard.completion.finish_reason) == ("Yes.", "stop")


@pytest.mark.parametrize("api", MODELS)
@pytest.mark.parametrize("after", [{"cut": True}, {"raw": "data: {"}], ids=["cut", "half a line"])
def test_an_end_that_was_told_holds_however_the_connection_ends(
	server: ScriptedProvider, api: str, after: Step
) -> None:
	heard = answer(server, api, [{"text": "Whole."}, {"finish": "stop"}, after])
	assert (heard.text, heard.completion.finish_reason) == ("Whole.", "stop")


@pytest.mark.parametrize("api", ["openai", "litellm/openai", "litellm/deepseek"])
@pytest.mark.parametrize(
	"after", [{"cut": True}, {"raw": 'data: {"usage": {"pro'}], ids=["cut", "half a line"]
)
def test_an_end_needs_no_done_after_it(server: ScriptedProvider, api: str, after: Step) -> None:
	end = {"id": "1", "object": "chat.completion.chunk", "created": 1, "model": "m"}
	chunk = {**end, "choices": [{"index": 0, "delta": {}, "finish_reason": "length"}]}
	heard = answer(server, api, [{"text": "Whole."}, error_step(api, chunk), after])
	assert (heard.text, heard.completion.finish_reason) == ("Whole.", "length")


@pytest.mark.parametrize("api", MODELS)
def test_a_stream_that_a_provider_cuts_is_worth_asking_again(server: ScriptedProvider, api: str) -> None:
	assert answer(server, api, [{"text": "Hel"}, {"raw": "\n"}]).failure.retryable
	assert answer(server, api, [{"text": "Hel"}, {"cut": True}]).failure.retryable
