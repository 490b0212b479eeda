"""Tests answers that a provider breaks off, garbles or ends with an error."""

import json

import pytest

from tests.support.provider import ScriptedProvider
from tests.support.wire import FAMILIES, Step

from .asking import ADAPTERS, KEY, MODELS, spoken
from .fault_checks import REFUSALS, answer, check, everything_in

EVERY_FAMILY = pytest.mark.parametrize("api", MODELS)
EVERY_ADAPTER = pytest.mark.parametrize("api", ADAPTERS)


@EVERY_FAMILY
def test_a_connection_may_be_cut_before_the_first_chunk(server: ScriptedProvider, api: str) -> None:
	heard = answer(server, api, [{"cut": True}])
	check(heard, api, "broke_off", "provider_unavailable")
	assert heard.deltas == []


@EVERY_FAMILY
def test_a_connection_may_be_cut_in_the_middle(server: ScriptedProvider, api: str) -> None:
	heard = answer(server, api, [{"reasoning": "Hm"}, {"text": "Hel"}, {"cut": True}])
	check(heard, api, "broke_off", "provider_unavailable")
	assert (heard.reasoning, heard.text) == ("Hm", "Hel")


@EVERY_FAMILY
def test_a_regular_close_is_no_end_of_an_answer(server: ScriptedProvider, api: str) -> None:
	heard = answer(server, api, [{"reasoning": "Hm"}, {"text": "Hel"}, {"raw": "\n"}])
	check(heard, api, "unfinished", "provider_unavailable")
	assert (heard.reasoning, heard.text) == ("Hm", "Hel")


@EVERY_FAMILY
def test_a_stream_of_nothing_is_no_answer(server: ScriptedProvider, api: str) -> None:
	check(answer(server, api, [{"raw": ""}]), api, "no_answer", "provider_error")


# Bytes that are no answer


@EVERY_FAMILY
def test_a_web_page_is_no_answer(server: ScriptedProvider, api: str) -> None:
	page = "<html>\n<title>Sign in</title>\n\n<p>data: none</p></html>\n"
	assert answer(server, api, [{"raw": page}]).failure.code == "provider_error"


@EVERY_ADAPTER
@pytest.mark.parametrize(
	"body", ["{}", "[]", "null", "5", '{"choices": []}', '{"choices": null}', '{"error": {}}']
)
def test_json_that_is_no_answer_is_an_error_of_the_provider(
	server: ScriptedProvider, api: str, body: str
) -> None:
	# A chunk may have no choices; what comes through litellm may be any. Then the stream has no end.
	no_end = "choices" in body or api.startswith("litellm/")
	codes = ("provider_error", "provider_unavailable") if no_end else ("provider_error",)
	assert answer(server, api, [{"raw": body}]).failure.code in codes


def broken(api: str, junk: str) -> Step:
	return {"raw": f"{junk}\n" if api == "ollama_chat" else f"data: {junk}\n\n"}


@EVERY_ADAPTER
@pytest.mark.parametrize(
	"junk", ['{"choices": [', '{"message": {"content": "l', "{]", "[1, 2", '{"a": "\xff', "{}{}"]
)
def test_a_hole_in_an_answer_is_an_error_and_never_passed_over(
	server: ScriptedProvider, api: str, junk: str
) -> None:
	heard = answer(server, api, [{"text": "Hel"}, broken(api, junk), {"text": "lo"}])
	check(heard, api, "junk", "provider_error")
	assert heard.text == "Hel"


# Objects that nothing can be made of
ODD = {
	"openai": {"choices": [None]},
	"deepseek": {"choices": [{"index": 0, "delta": 5}]},
	"openrouter": {"id": "1"},
	"groq": {"choices": 5},
	"mistral": {"choices": [{"index": 0, "delta": {"content": [{"type": "text"}]}}]},
	"litellm/openai": {"choices": [None]},
	"litellm/deepseek": {"choices": [{"index": 0, "delta": None}]},
	"litellm/openrouter": {"id": "1"},
	"openai_responses": {"type": "response.output_text.delta"},
	"anthropic": {"type": "content_block_delta", "index": 0, "delta": None},
	"gemini": {"candidates": [{"content": {"parts": [{"text": None}]}}]},
	"ollama_chat": {"model": "m1", "done": False},
}


@EVERY_FAMILY
def test_an_object_that_is_not_understood_is_an_error_and_never_passed_over(
	server: ScriptedProvider, api: str
) -> None:
	heard = answer(
		server,
		api,
		[{"text": "Hel"}, broken(api, json.dumps(ODD.get(api) or ODD[spoken(api)])), {"text": "lo"}],
	)
	assert (heard.failure.code, heard.text) == ("provider_error", "Hel")


@EVERY_FAMILY
def test_a_broken_end_is_no_end(server: ScriptedProvider, api: str) -> None:
	heard = answer(server, api, [{"text": "Hel"}, broken(api, '{"choices": [')])
	check(heard, api, "junk", "provider_error")
	assert heard.text == "Hel"


@EVERY_FAMILY
def test_bytes_that_are_no_utf_8_do_not_pass_for_text(server: ScriptedProvider, api: str) -> None:
	letter = json.dumps("QQ").encode()
	stream = b"".join(
		FAMILIES[spoken(api)](MODELS[api]).step(step) for step in ({"text": "Hel"}, {"text": "QQ"})
	)
	assert letter in stream
	raw = stream.replace(letter, b'"\xff"').decode("latin-1")
	heard = answer(server, api, [{"raw": raw}, {"finish": "stop"}])
	# Where httpx decodes, it has replaced them; the SDKs raise.
	if heard.error:
		assert (heard.error.code, heard.text) == ("provider_error", "Hel")
	else:
		assert heard.text == "Hel\ufffd"
	assert heard.text.startswith("Hel")


# Errors that come where an answer should


@EVERY_FAMILY
@pytest.mark.parametrize("before", [[], [{"reasoning": "Hm"}, {"text": "Hel"}]], ids=["first", "later"])
def test_an_error_in_the_stream_is_the_providers(
	server: ScriptedProvider, api: str, before: list[Step]
) -> None:
	heard = answer(server, api, [*before, {"error_echo": True}])
	# All but Ollama say in it what status it would have been.
	expected = ("reported", "provider_error") if api == "ollama_chat" else REFUSALS[503]
	error = check(heard, api, *expected)
	assert (heard.reasoning, heard.text) == (("Hm", "Hel") if before else ("", ""))
	assert KEY not in everything_in(error)
	assert error.__cause__ is None and error.__context__ is None


@pytest.mark.parametrize("api", ["openrouter", "litellm/openrouter", "gemini"])
def test_an_error_in_the_stream_does_not_blame_the_configuration(server: ScriptedProvider, api: str) -> None:
	payload = {"error": {"code": 400, "message": "No.", "status": "INVALID_ARGUMENT"}}
	heard = answer(server, api, [{"text": "Hel"}, {"raw": f"data: {json.dumps(payload)}\n\n"}])
	check(heard, api, "reported", "provider_error")


@EVERY_ADAPTER
@pytest.mark.parametrize("cut", [{"cut": True}, {"raw": "\n"}, {"error_echo": True}], ids=str)
def test_what_was_held_back_comes_before_the_error(server: ScriptedProvider, api: str, cut: Step) -> None:
	heard = answer(server, api, [{"text": " <thi"}, cut])
	assert heard.error and heard.text == " <thi"
