"""Tests the failures of a provider: the contract's code, one sentence, and no word of the provider."""

import gc
import json
import socket
import socketserver
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from ai_assistant.gateway import Timeouts
from tests.support.provider import ScriptedProvider
from tests.support.serving import serving
from tests.support.wire import FAMILIES, Step

from .asking import ADAPTERS, DIRECT, KEY, MODELS, Heard, Listener, family, gateway, hear, scripted, spoken
from .fault_checks import ITS_WORDS, REFUSALS, answer, check, everything_in

EVERY_FAMILY = pytest.mark.parametrize("api", MODELS)
EVERY_ADAPTER = pytest.mark.parametrize("api", ADAPTERS)
# Short: here the provider says nothing more, and the limit is what is tested.
SHORT_OF_FIRST = Timeouts(first_token_s=0.3, idle_s=20, total_s=40)
SHORT_OF_NEXT = Timeouts(first_token_s=20, idle_s=0.5, total_s=40)


@EVERY_ADAPTER
@pytest.mark.parametrize("status", REFUSALS)
def test_a_refusal_is_told_by_its_status(server: ScriptedProvider, api: str, status: int) -> None:
	in_its_words = answer(server, api, [{"status": status}])
	with_our_key = answer(server, api, [{"status": status, "echo": True}])
	for heard in (in_its_words, with_our_key):
		error = check(heard, api, *REFUSALS[status])
		assert heard.deltas == []
		assert ITS_WORDS not in everything_in(error)
		assert KEY not in everything_in(error)
		assert error.__cause__ is None and error.__context__ is None


def test_the_provider_does_quote_what_must_not_be_told(server: ScriptedProvider) -> None:
	"""That the test above can fail: what is kept from the user has been in the provider's answer."""
	for api in MODELS:
		answer(server, api, [{"status": 400, "echo": True}])
		assert server.requests[-1].key == KEY
		assert ITS_WORDS in json.dumps(FAMILIES[spoken(api)]("m1").refusal(400, ITS_WORDS))


@EVERY_FAMILY
def test_a_redirect_is_not_followed(server: ScriptedProvider, api: str) -> None:
	"""The target of a redirect would get the question, and with some providers the key."""
	before = len(server.requests)
	to = {"location": f"{server.base(spoken(api))}/elsewhere"}
	check(answer(server, api, [{"status": 307, "headers": to}]), api, "misconfigured", "provider_error")
	assert len(server.requests) == before + 1


@pytest.mark.parametrize(
	("api", "header", "seconds"),
	[
		*((api, header, seconds) for api in MODELS for header, seconds in (("7", 7), ("soon", None))),
		# One reads it for all.
		("openai", "0", 0),
		("openai", "1.6", 2),
		("openai", "-5", 0),
		("openai", "Thu, 01 Jan 1970 00:00:00 GMT", 0),
		("openai", "inf", None),
		("openai", "nan", None),
		("openai", "1e999", None),
		("openai", "26s", 26),
		("openai", "1.2", 2),
		("openai", "", None),
	],
)
def test_the_providers_advice_when_to_retry_is_kept(
	server: ScriptedProvider, api: str, header: str, seconds: int | None
) -> None:
	heard = answer(server, api, [{"status": 429, "headers": {"retry-after": header}}])
	assert check(heard, api, "rate_limited", "rate_limited").retry_after == seconds


def test_the_advice_may_be_a_date(server: ScriptedProvider) -> None:
	headers = {"retry-after": "Thu, 31 Dec 2099 23:59:59 GMT"}
	error = answer(server, "openai", [{"status": 429, "headers": headers}]).failure
	# At most a day: the header may say anything.
	assert error.retry_after == 86_400


@EVERY_ADAPTER
@pytest.mark.parametrize("body", ["<html>Bad gateway</html>", "", "{", "[]", '"-"', "null"])
def test_an_error_need_not_be_json(server: ScriptedProvider, api: str, body: str) -> None:
	check(answer(server, api, [{"status": 502, "body": body}]), api, "unavailable", "provider_unavailable")


TOO_LONG = [
	(
		"openai",
		400,
		"This model's maximum context length is 4097 tokens. However, your messages resulted in 4294.",
	),
	("openai", 400, "the request exceeds the available context size (4096 tokens), try increasing it"),
	("openai", 400, "The decoder prompt (length 5951) is longer than the maximum model length of 4096."),
	("openai", 400, "The input (5163 tokens) is longer than the model's context length (4096 tokens)."),
	(
		"deepseek",
		400,
		"This model's maximum context length is 65536 tokens. However, you requested 70000 tokens",
	),
	(
		"openrouter",
		400,
		"This endpoint's maximum context length is 32768 tokens. However, you requested 42832.",
	),
	(
		"openai_responses",
		400,
		"Your input exceeds the context window of this model. Please adjust your input.",
	),
	("anthropic", 400, "prompt is too long: 208310 tokens > 200000 maximum"),
	("anthropic", 400, "input length and `max_tokens` exceed context limit: 189136 + 20000 > 204648"),
	(
		"gemini",
		400,
		"The input token count (1102335) exceeds the maximum number of tokens allowed (1048576).",
	),
	("ollama_chat", 400, "the input length exceeds the context length"),
	("ollama_chat", 500, "the input length exceeds the context length"),
	("ollama_chat", 400, "prompt too long; exceeded max context length by 4021 tokens"),
]


@pytest.mark.parametrize(
	("api", "status", "words"),
	[*TOO_LONG, *((f"litellm/{api}", *case) for api, *case in TOO_LONG if api in DIRECT)],
)
def test_messages_that_are_too_long_are_known_by_the_providers_words(
	server: ScriptedProvider, api: str, status: int, words: str
) -> None:
	body = FAMILIES[spoken(api)]("m1").refusal(status, words)
	error = check(
		answer(server, api, [{"status": status, "body": body}]), api, "too_long", "context_too_long"
	)
	assert words not in str(error) + repr(error.args) + repr(error.values)


@pytest.mark.parametrize("nested", [True, False])
def test_responses_may_find_out_later_that_messages_are_too_long(
	server: ScriptedProvider, nested: bool
) -> None:
	error = {
		"code": "context_length_exceeded",
		"message": "Your input exceeds the context window of this model.",
	}
	payload = {"type": "error", "sequence_number": 2, **({"error": error} if nested else error)}
	script = [{"text": ""}, {"raw": f"event: error\ndata: {json.dumps(payload)}\n\n"}]
	check(answer(server, "openai_responses", script), "openai_responses", "too_long", "context_too_long")


@pytest.mark.parametrize("api", ["openai", "litellm/openai", "openai_responses"])
def test_a_prompt_may_be_filtered_at_once(server: ScriptedProvider, api: str) -> None:
	words = "Your request was rejected as a result of our safety system."
	error = {"message": words, "type": "invalid_request_error", "code": "content_policy_violation"}
	heard = answer(server, api, [{"status": 400, "body": {"error": error}}])
	check(heard, api, "filtered", "content_filtered")


@pytest.mark.parametrize("way", ["stream", "at once"])
def test_a_prompt_that_gemini_blocks_is_filtered(server: ScriptedProvider, way: str) -> None:
	payload = {"promptFeedback": {"blockReason": "SAFETY"}, "usageMetadata": {"promptTokenCount": 3}}
	script = [{"raw": f"data: {json.dumps(payload)}\n\n" if way == "stream" else json.dumps(payload)}]
	check(answer(server, "gemini", script), "gemini", "filtered", "content_filtered")


@EVERY_FAMILY
def test_an_answer_may_be_filtered(server: ScriptedProvider, api: str) -> None:
	heard = answer(server, api, [{"text": "Hel"}, {"finish": "content_filter"}])
	check(heard, api, "filtered", "content_filtered")
	assert heard.text == "Hel"


# Silence


def of_all(server: ScriptedProvider, script: list[Step], timeouts: Timeouts) -> Iterator[tuple[str, Heard]]:
	"""What each family makes of a script, all at once: each would wait for the same silence."""
	listeners = {
		api: Listener(
			gateway(family(server, api, name=f"My {api}"), timeouts=timeouts).stream_generate(
				scripted(script)
			)
		)
		for api in MODELS
	}
	return ((api, listener.to_the_end()) for api, listener in listeners.items())


@pytest.mark.parametrize("script", [[{"headers_after": "never"}], [{"hang": True}]], ids=["headers", "chunk"])
def test_silence_before_the_first_chunk_is_a_timeout(server: ScriptedProvider, script: list[Step]) -> None:
	for api, heard in of_all(server, script, SHORT_OF_FIRST):
		text = str(check(heard, api, "first_token", "timeout"))
		assert "0.3 seconds (the limit until the first token)" in text
		assert heard.deltas == []


def test_silence_in_the_middle_is_a_timeout(server: ScriptedProvider) -> None:
	script = [{"reasoning": "Hm"}, {"text": "Hel"}, {"hang": True}]
	for api, heard in of_all(server, script, SHORT_OF_NEXT):
		assert "silent for 0.5 seconds" in str(check(heard, api, "idle", "timeout"))
		assert (heard.reasoning, heard.text) == ("Hm", "Hel")


# Connections


@contextmanager
def nobody() -> Iterator[str]:
	"""An address without a server."""
	with socket.socket() as taken:
		taken.bind(("127.0.0.1", 0))
		yield f"http://127.0.0.1:{taken.getsockname()[1]}"


@contextmanager
def somebody_who_says(answer: bytes) -> Iterator[str]:
	"""An address where a server reads one request, answers these bytes and hangs up."""

	class Handler(socketserver.BaseRequestHandler):
		def handle(self) -> None:
			self.request.recv(1 << 20)
			self.request.sendall(answer)

	with serving(socketserver.ThreadingTCPServer(("127.0.0.1", 0), Handler)) as address:
		yield address


@EVERY_FAMILY
def test_a_provider_that_is_not_there_cannot_be_reached(server: ScriptedProvider, api: str) -> None:
	with nobody() as address:
		one = gateway(family(server, api, name=f"My {api}", api_base=address))
		heard = answer_of(one)
	check(heard, api, "unreachable", "provider_unavailable")


@EVERY_ADAPTER
@pytest.mark.parametrize("text", [b"", b"SSH-2.0-OpenSSH_9.6\r\n", b"HTTP/1.1 200 OK\r\ncontent-len"])
def test_a_connection_may_break_before_there_is_an_answer(
	server: ScriptedProvider, api: str, text: bytes
) -> None:
	with somebody_who_says(text) as address:
		one = gateway(family(server, api, name=f"My {api}", api_base=address))
		heard = answer_of(one)
	check(heard, api, "broke_off", "provider_unavailable")


@EVERY_ADAPTER
@pytest.mark.parametrize("base", ["not an address", "ftp://127.0.0.1/v1", "/v1", "http://"])
def test_an_address_that_is_none_is_a_matter_of_configuration(
	server: ScriptedProvider, api: str, base: str
) -> None:
	heard = answer_of(gateway(family(server, api, name=f"My {api}", api_base=base)))
	check(heard, api, "misconfigured", "provider_error")


def test_an_api_that_litellm_does_not_know_is_a_matter_of_configuration(server: ScriptedProvider) -> None:
	unknown = family(server, "openai")
	object.__setattr__(unknown, "api", "nonsense")
	assert answer_of(gateway(unknown)).failure.kind == "misconfigured"


def answer_of(one: Any) -> Heard:
	return hear(one.stream_generate(scripted([])))


def test_nothing_of_it_reaches_a_log_or_the_terminal(
	server: ScriptedProvider, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
	caplog.set_level("DEBUG")
	faults: list[list[Step]] = [
		*([{"status": status, "echo": True}] for status in (400, 401, 404, 413, 429, 503)),
		[{"status": 500}],
		[{"error_echo": True}],
		[{"text": "Hel"}, {"error_echo": True}],
		[{"text": "Hel"}, {"cut": True}],
		[{"text": "Hel"}, {"raw": "\n"}],
	]
	for api in ADAPTERS:
		for script in faults:
			answer(server, api, script)
	# What asyncio has to say of a task that failed and was left alone, it says when that is collected.
	gc.collect()
	out, err = capfd.readouterr()
	for output in (out, err, caplog.text):
		assert KEY not in output
		assert ITS_WORDS not in output
	assert (out, err) == ("", "")
	assert [r.getMessage() for r in caplog.records if r.levelname in ("WARNING", "ERROR", "CRITICAL")] == []
