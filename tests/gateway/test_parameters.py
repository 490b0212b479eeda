"""Parameters that a model does not accept are named and not sent. Only the first question imports litellm."""

import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import pytest

from ai_assistant.gateway.adapters.litellm import client
from ai_assistant.gateway.chunks import Ask
from tests.support.provider import ScriptedProvider

from .asking import DIRECT, MODELS, family, gateway, hear, scripted

NO_TEMPERATURE = ("temperature",)
NO_EFFORT = ("reasoning_effort",)
NEITHER = ("reasoning_effort", "temperature")

# api, model, what is asked for, what is not sent
DROPPED: list[tuple[str, str, dict[str, Any], tuple[str, ...]]] = [
	# A temperature beside thinking, which Anthropic refuses
	("anthropic", "claude-sonnet-4-5", {"temperature": 0.5, "reasoning_effort": "low"}, NO_TEMPERATURE),
	("anthropic", "claude-opus-4-6", {"temperature": 0.5, "reasoning_effort": "low"}, NO_TEMPERATURE),
	("anthropic", "claude-sonnet-4-5", {"temperature": 0.5}, ()),
	# A thinking budget that is not below max_tokens: then there is no thinking, and the temperature may stay
	("anthropic", "claude-sonnet-4-5", {"reasoning_effort": "high", "max_tokens": 1000}, NO_EFFORT),
	("anthropic", "claude-sonnet-4-5", {"reasoning_effort": "low", "max_tokens": 1024}, NO_EFFORT),
	("anthropic", "claude-sonnet-4-5", {"reasoning_effort": "low", "max_tokens": 1025}, ()),
	(
		"anthropic",
		"claude-sonnet-4-5",
		{"temperature": 0.5, "reasoning_effort": "high", "max_tokens": 1000},
		NO_EFFORT,
	),
	# An effort that the model does not accept, or that is not listed for it
	("anthropic", "claude-3-5-haiku-20241022", {"temperature": 0.5, "reasoning_effort": "low"}, NO_EFFORT),
	("openai", "gpt-4o", {"temperature": 0.5, "reasoning_effort": "low"}, NO_EFFORT),
	("openai", "smollm2", {"temperature": 0.5, "reasoning_effort": "low"}, NO_EFFORT),
	("openai_responses", "nobody-knows", {"reasoning_effort": "high"}, NO_EFFORT),
	("openrouter", "nobody/knows", {"reasoning_effort": "high"}, NO_EFFORT),
	("deepseek", "deepseek-chat", {"reasoning_effort": "high"}, NO_EFFORT),
	("gemini", "gemini-2.0-flash", {"reasoning_effort": "high"}, NO_EFFORT),
	# A model that takes one temperature only
	("openai", "gpt-5", {"temperature": 0.5}, NO_TEMPERATURE),
	("openai", "gpt-5", {"temperature": 1.0}, ()),
	("openai", "o3", {"temperature": 0.2, "reasoning_effort": "low"}, NO_TEMPERATURE),
	("openai_responses", "gpt-5", {"temperature": 0.5, "reasoning_effort": "low"}, NO_TEMPERATURE),
	# No effort at all is an effort that few models know
	("openai", "gpt-5", {"reasoning_effort": "none", "temperature": 0.5}, NEITHER),
	("openai", "gpt-5.1", {"reasoning_effort": "none", "temperature": 0.5}, ()),
	("openai", "smollm2", {"reasoning_effort": "none", "temperature": 0.5}, NO_EFFORT),
	("openai_responses", "gpt-5.1", {"reasoning_effort": "none"}, ()),
	("anthropic", "claude-sonnet-4-5", {"reasoning_effort": "none", "temperature": 0.5}, NO_EFFORT),
	# A model that thinks unless it is told not to
	("anthropic", "claude-sonnet-5", {"reasoning_effort": "none"}, ()),
	("gemini", "gemini-2.5-pro", {"reasoning_effort": "none"}, NO_EFFORT),
	("ollama_chat", "gpt-oss:20b", {"reasoning_effort": "none"}, NO_EFFORT),
	# Nothing is dropped that fits
	("openai", "gpt-5", {"reasoning_effort": "high", "max_tokens": 500}, ()),
	("gemini", "gemini-2.5-pro", {"temperature": 0.5, "reasoning_effort": "low", "max_tokens": 4000}, ()),
	("openai", "smollm2", {"temperature": 0.0, "max_tokens": 1}, ()),
	("ollama_chat", "qwen3:0.6b", {"temperature": 0.5, "reasoning_effort": "high", "max_tokens": 500}, ()),
	("ollama_chat", "qwen3:0.6b", {"reasoning_effort": "none"}, ()),
	("openai", "smollm2", {}, ()),
]

# The names of the parameters for each provider
NAMES = {
	"temperature": {"temperature"},
	"max_tokens": {
		"max_tokens",
		"max_completion_tokens",
		"max_output_tokens",
		"maxOutputTokens",
		"num_predict",
	},
	"reasoning_effort": {"reasoning_effort", "reasoning", "think", "thinking", "thinkingConfig"},
}


def keys_in(body: Any) -> Iterator[str]:
	if isinstance(body, dict):
		for key, value in body.items():
			yield key
			yield from keys_in(value)


@pytest.mark.parametrize(
	("api", "model", "wanted", "dropped"),
	[*DROPPED, *((f"litellm/{api}", *row) for api, *row in DROPPED if api in DIRECT)],
)
def test_what_does_not_fit_is_named_and_not_sent(
	server: ScriptedProvider,
	api: str,
	model: str,
	wanted: dict[str, Any],
	dropped: tuple[str, ...],
	marker: str,
) -> None:
	one = gateway(family(server, api, default_model=model))
	heard = hear(one.stream_generate(scripted([{"text": "Yes."}], marker), **wanted))
	assert heard.completion.dropped == dropped
	sent = set(keys_in(server.wait_for(marker).body))
	for name in set(wanted) - set(dropped):
		assert NAMES[name] & sent, f"{name} was not sent"
	for name in dropped:
		assert not NAMES[name] & sent, f"{name} was sent"


TOOL = {"type": "function", "function": {"name": "f", "parameters": {"type": "object", "properties": {}}}}


@pytest.mark.parametrize(
	("model", "effort", "sent", "dropped"),
	[
		("gpt-5.4", "medium", "none", NO_EFFORT),
		("gpt-5.5-2026-04-23", "low", "none", NO_EFFORT),
		("gpt-5.10-mini", "high", "none", NO_EFFORT),
		# They may reason by default.
		("gpt-5.6", None, "none", ()),
		("gpt-5.6", "none", "none", ()),
		("ft:gpt-5.4:team::1", "medium", "none", NO_EFFORT),
		("gpt-5.1", "medium", "medium", ()),
		("gpt-5", "medium", "medium", ()),
		("gpt-5", None, None, ()),
	],
)
def test_who_does_not_reason_beside_tools_is_not_asked_to(
	server: ScriptedProvider, model: str, effort: str | None, sent: str | None, dropped: Any, marker: str
) -> None:
	one = gateway(family(server, "openai", default_model=model))
	asking = scripted([{"text": "Yes."}], marker)
	heard = hear(one.stream_generate(asking, reasoning_effort=effort, tools=[TOOL]))
	assert heard.completion.dropped == dropped
	assert server.wait_for(marker).body.get("reasoning_effort") == sent


def test_without_tools_it_reasons(server: ScriptedProvider, marker: str) -> None:
	one = gateway(family(server, "openai", default_model="gpt-5.4"))
	heard = hear(one.stream_generate(scripted([{"text": "Yes."}], marker), reasoning_effort="medium"))
	assert heard.completion.dropped == ()
	assert server.wait_for(marker).body["reasoning_effort"] == "medium"


@pytest.mark.parametrize("limit", [None, 4000])
def test_claude_thinks_within_its_max_tokens(
	server: ScriptedProvider, marker: str, limit: int | None
) -> None:
	one = gateway(family(server, "anthropic"))
	messages = scripted([{"text": "Yes."}], marker)
	hear(one.stream_generate(messages, reasoning_effort="medium", max_tokens=limit, temperature=0.7))
	sent = server.wait_for(marker).body
	assert sent["thinking"]["type"] == "enabled"
	assert 1024 <= sent["thinking"]["budget_tokens"] < sent["max_tokens"]
	assert limit is None or sent["max_tokens"] == limit


def test_claude_adapts_where_it_can(server: ScriptedProvider, marker: str) -> None:
	one = gateway(family(server, "anthropic", default_model="claude-opus-4-6"))
	messages = scripted([{"text": "Yes."}], marker)
	heard = hear(one.stream_generate(messages, reasoning_effort="high", max_tokens=1000))
	assert server.wait_for(marker).body["thinking"] == {"type": "adaptive", "display": "summarized"}
	assert server.wait_for(marker).body["max_tokens"] == 1000
	assert heard.completion.dropped == ()


def test_gemini_is_asked_to_show_its_thoughts(server: ScriptedProvider, marker: str) -> None:
	hear(gateway(family(server, "gemini")).stream_generate(scripted([], marker), reasoning_effort="low"))
	thinking = server.wait_for(marker).body["generationConfig"]["thinkingConfig"]
	assert thinking["includeThoughts"] is True


def test_responses_is_asked_for_summaries_and_to_keep_nothing(server: ScriptedProvider, marker: str) -> None:
	hear(
		gateway(family(server, "openai_responses")).stream_generate(
			scripted([], marker), reasoning_effort="low"
		)
	)
	sent = server.wait_for(marker).body
	assert sent["reasoning"] == {"effort": "low", "summary": "auto"}
	assert sent["store"] is False


def test_parameters_are_told_apart_without_a_provider() -> None:
	ask = Ask([], "claude-sonnet-4-5", temperature=0.5, max_tokens=4000, reasoning_effort="low")
	sent, dropped = client.parameters(client.load(), "anthropic", ask, [])
	assert sent == {"max_tokens": 4000, "reasoning_effort": "low"}
	assert dropped == ("temperature",)


@pytest.mark.parametrize("api", MODELS)
def test_three_hundred_equal_chunks_are_an_answer(server: ScriptedProvider, api: str) -> None:
	row = "+----+----+\n"
	heard = hear(gateway(family(server, api)).stream_generate(scripted([{"repeat": 300, "text": row}])))
	assert heard.text == row * 300
	assert heard.completion.finish_reason == "stop"


@pytest.mark.parametrize("api", MODELS)
def test_three_hundred_equal_thoughts_are_reasoning(server: ScriptedProvider, api: str) -> None:
	script = [{"repeat": 300, "reasoning": "Wait, "}, {"text": "Yes."}]
	heard = hear(gateway(family(server, api)).stream_generate(scripted(script)))
	assert (heard.reasoning, heard.text) == ("Wait, " * 300, "Yes.")


def test_importing_the_gateway_imports_neither_litellm_nor_frappe() -> None:
	code = "import ai_assistant.gateway, sys; print({'litellm', 'openai', 'frappe'} & set(sys.modules))"
	run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
	assert (run.stdout.strip(), run.stderr) == ("set()", "")


def test_litellm_fetches_nothing_and_says_nothing_when_it_is_imported() -> None:
	code = "from ai_assistant.gateway.adapters.litellm import client; print(client.load() is client.load())"
	environment = {
		"HTTPS_PROXY": "http://127.0.0.1:9",
		"HTTP_PROXY": "http://127.0.0.1:9",
		"PATH": "/nowhere",
	}
	run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=environment)
	assert (run.returncode, run.stdout.strip(), run.stderr) == (0, "True", "")


def in_body(sent: Any, *path: str) -> Any:
	for name in path:
		sent = sent.get(name, {}) if isinstance(sent, dict) else None
	return sent


EFFORT, LEVEL = ("reasoning_effort",), ("generationConfig", "thinkingConfig", "thinkingLevel")
CLAUDE, BUDGET = ("output_config", "effort"), ("thinking", "budget_tokens")
GEMINI_BUDGET = ("generationConfig", "thinkingConfig", "thinkingBudget")


@pytest.mark.parametrize(
	("api", "model", "place", "efforts"),
	[
		# minimal, low, medium, high, xhigh, max: as they are sent
		("anthropic", "claude-opus-4-7", CLAUDE, ["low", "low", "medium", "high", "xhigh", "max"]),
		("anthropic", "claude-sonnet-4-6", CLAUDE, ["low", "low", "medium", "high", "high", "max"]),
		("anthropic", "claude-sonnet-4-5", BUDGET, [1024, 1024, 2048, 4096, 16384, 24576]),
		("openai", "gpt-5", EFFORT, ["minimal", "low", "medium", "high", "high", "high"]),
		("openai", "gpt-5.5", EFFORT, ["low", "low", "medium", "high", "xhigh", "xhigh"]),
		("openai", "gpt-5.5-pro", EFFORT, ["medium", "medium", "medium", "high", "xhigh", "xhigh"]),
		("openai_responses", "gpt-5", ("reasoning", "effort"), ["minimal", "low", "medium", *["high"] * 3]),
		("groq", "openai/gpt-oss-20b", EFFORT, ["low", "low", "medium", "high", "high", "high"]),
		("gemini", "gemini-3-pro-preview", LEVEL, ["low", "low", "medium", "high", "high", "high"]),
		("gemini", "gemini-3-flash-preview", LEVEL, ["minimal", "low", "medium", "high", "high", "high"]),
		("gemini", "gemini-2.5-pro", GEMINI_BUDGET, [1024, 1024, 2048, 4096, 16384, 24576]),
		("ollama_chat", "gpt-oss:20b", ("think",), ["low", "low", "medium", "high", "high", "high"]),
		("ollama_chat", "qwen3:0.6b", ("think",), [True] * 6),
		("litellm/openai", "gpt-5", EFFORT, ["minimal", "low", "medium", "high", "high", "high"]),
	],
)
def test_an_effort_is_sent_as_the_model_takes_it(
	server: ScriptedProvider, api: str, model: str, place: tuple[str, ...], efforts: list[Any], marker: str
) -> None:
	one = gateway(family(server, api, default_model=model))
	for effort, sent in zip(("minimal", "low", "medium", "high", "xhigh", "max"), efforts, strict=True):
		mark = f"{marker} {effort}."
		heard = hear(one.stream_generate(scripted([{"text": "Yes."}], mark), reasoning_effort=effort))
		assert in_body(server.wait_for(mark).body, *place) == sent
		# Whatever is another is named.
		same = sent in (effort, True) or isinstance(sent, int)
		assert heard.completion.effort == (None if same else sent)
		assert heard.completion.dropped == ()


def test_responses_shows_its_reasoning_without_an_effort_too(server: ScriptedProvider, marker: str) -> None:
	one = gateway(family(server, "openai_responses"))
	assert hear(one.stream_generate(scripted([{"text": "Yes."}], marker))).completion.dropped == ()
	assert server.wait_for(marker).body["reasoning"] == {"summary": "auto"}


def test_who_may_not_see_summaries_is_answered_without(server: ScriptedProvider, marker: str) -> None:
	words = "Your organization must be verified to generate reasoning summaries."
	script = [{"status": 400, "body": {"error": {"message": words}}, "given": "reasoning"}, {"text": "Yes."}]
	one = gateway(family(server, "openai_responses"))
	assert hear(one.stream_generate(scripted(script, marker))).text == "Yes."
	first, second = (request.body for request in server.requests if marker in request.text)
	assert first == {**second, "reasoning": {"summary": "auto"}}
