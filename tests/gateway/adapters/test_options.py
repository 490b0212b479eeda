"""The fields that only some APIs take: how each API gets them, and which are told as dropped."""

from typing import Any

import pytest

from ai_assistant.gateway import Provider
from ai_assistant.gateway.chunks import OPTIONS
from tests.gateway.asking import family, gateway, hear, scripted
from tests.support.provider import ScriptedProvider

SCHEMA = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}
FORMAT = {"type": "json_schema", "json_schema": {"name": "place", "schema": SCHEMA, "strict": True}}
TOOL = {"type": "function", "function": {"name": "read", "parameters": {"type": "object", "properties": {}}}}
ALL: dict[str, Any] = {
	"response_format": FORMAT,
	"stop": ["END"],
	"top_p": 0.5,
	"seed": 7,
	"parallel_tool_calls": False,
	"presence_penalty": 0.5,
	"frequency_penalty": -0.5,
	"service_tier": "auto",
	"verbosity": "low",
}


def sent(
	server: ScriptedProvider, marker: str, api: str, model: str, fields: dict[str, Any]
) -> tuple[dict[str, Any], set[str]]:
	"""The body that a provider gets, and the fields that the completion names as dropped."""
	one = gateway(family(server, api, default_model=model))
	heard = hear(one.stream_generate(scripted([{"text": "{}"}], marker), **fields))
	return server.wait_for(marker).body, set(heard.completion.dropped)


def test_there_is_a_value_for_each_field() -> None:
	assert ALL.keys() == set(OPTIONS)


def test_chat_completions_have_them_by_their_names(server: ScriptedProvider, marker: str) -> None:
	body, dropped = sent(server, marker, "openai", "gpt-4.1", {**ALL, "tools": [TOOL]})
	assert dropped == {"verbosity"}
	assert {name: body.get(name) for name in ALL} == {**ALL, "verbosity": None}


def test_models_that_reason_take_no_sampling(server: ScriptedProvider, marker: str) -> None:
	body, dropped = sent(server, marker, "openai", "gpt-5", ALL)
	assert dropped == {"stop", "top_p", "presence_penalty", "frequency_penalty"}
	assert not dropped & set(body)
	assert (body["verbosity"], body["seed"]) == ("low", 7)


@pytest.mark.parametrize(
	("api", "model", "taken", "dropped"),
	[
		("mistral", "m", {"random_seed": 7, "stop": ["END"]}, {"service_tier", "verbosity"}),
		(
			"deepseek",
			"deepseek-chat",
			{"top_p": 0.5, "stop": ["END"]},
			{"response_format", "seed", "service_tier", "verbosity"},
		),
		("groq", "m", {"service_tier": "auto", "seed": 7}, {"verbosity"}),
		(
			"xai",
			"grok-4",
			{"seed": 7},
			{"stop", "presence_penalty", "frequency_penalty", "service_tier", "verbosity"},
		),
	],
)
def test_other_servers_get_what_they_take(
	server: ScriptedProvider, marker: str, api: str, model: str, taken: dict[str, Any], dropped: set[str]
) -> None:
	one = gateway(Provider("p", api, "k", model, api_base=server.base("openai")))
	heard = hear(one.stream_generate(scripted([{"text": "{}"}], marker), **ALL))
	body = server.wait_for(marker).body
	assert set(heard.completion.dropped) == dropped
	assert not dropped & set(body)
	assert {name: body[name] for name in taken} == taken


def test_responses_have_a_flat_format(server: ScriptedProvider, marker: str) -> None:
	body, dropped = sent(server, marker, "openai_responses", "gpt-4.1", {**ALL, "tools": [TOOL]})
	assert dropped == {"stop", "seed", "presence_penalty", "frequency_penalty"}
	assert body["text"] == {
		"format": {"type": "json_schema", "name": "place", "schema": SCHEMA, "strict": True},
		"verbosity": "low",
	}
	assert (body["top_p"], body["service_tier"], body["parallel_tool_calls"]) == (0.5, "auto", False)
	_body, dropped = sent(server, f"{marker}-2", "openai_responses", "gpt-5", {"top_p": 0.5})
	assert dropped == {"top_p"}


def test_messages_have_their_own_names(server: ScriptedProvider, marker: str) -> None:
	fields = {**ALL, "tools": [TOOL]}
	body, dropped = sent(server, marker, "anthropic", "claude-sonnet-4-5", fields)
	assert dropped == {"seed", "presence_penalty", "frequency_penalty", "verbosity"}
	assert (body["stop_sequences"], body["top_p"], body["service_tier"]) == (["END"], 0.5, "auto")
	assert body["output_config"] == {"format": {"type": "json_schema", "schema": SCHEMA}}
	assert body["tool_choice"] == {"type": "auto", "disable_parallel_tool_use": True}


@pytest.mark.parametrize(
	("model", "fields", "dropped"),
	[
		("claude-sonnet-4-5", {"temperature": 0.5, "top_p": 0.5}, {"top_p"}),
		("claude-sonnet-4-5", {"reasoning_effort": "low", "top_p": 0.5}, {"top_p"}),
		("claude-sonnet-4-5", {"reasoning_effort": "low", "top_p": 0.97}, set()),
		("claude-opus-4-7", {"top_p": 0.97}, {"top_p"}),
		("claude-opus-4-7", {"response_format": FORMAT, "reasoning_effort": "high"}, set()),
		("nobody-knows", {"response_format": FORMAT}, {"response_format"}),
		("claude-sonnet-4-5", {"response_format": {"type": "json_object"}}, {"response_format"}),
		("claude-sonnet-4-5", {"service_tier": "flex"}, {"service_tier"}),
		("claude-sonnet-4-5", {"stop": [" ", "END"]}, {"stop"}),
		("claude-sonnet-4-5", {"parallel_tool_calls": True, "tools": [TOOL]}, set()),
	],
)
def test_claude_takes_some_of_them_beside_others(
	server: ScriptedProvider, marker: str, model: str, fields: dict[str, Any], dropped: set[str]
) -> None:
	body, told = sent(server, marker, "anthropic", model, fields)
	assert told == dropped
	if fields.get("reasoning_effort") == "high":
		assert body["output_config"].keys() == {"effort", "format"}


def test_gemini_has_them_in_its_configuration(server: ScriptedProvider, marker: str) -> None:
	body, dropped = sent(server, marker, "gemini", "gemini-2.5-pro", ALL)
	assert dropped == {"service_tier", "verbosity"}
	config = body["generationConfig"]
	assert {name: config[name] for name in ("stopSequences", "topP", "seed")} == {
		"stopSequences": ["END"],
		"topP": 0.5,
		"seed": 7,
	}
	assert (config["presencePenalty"], config["frequencyPenalty"]) == (0.5, -0.5)
	assert (config["responseMimeType"], config["responseJsonSchema"]) == ("application/json", SCHEMA)
	_body, dropped = sent(server, f"{marker}-2", "gemini", "gemini-2.5-pro", {**ALL, "tools": [TOOL]})
	assert dropped == {"response_format", "parallel_tool_calls", "service_tier", "verbosity"}


def test_ollama_has_them_among_its_options(server: ScriptedProvider, marker: str) -> None:
	body, dropped = sent(server, marker, "ollama_chat", "m1", ALL)
	assert dropped == {"service_tier", "verbosity"}
	assert body["format"] == SCHEMA
	wanted = {"stop": ["END"], "top_p": 0.5, "seed": 7, "presence_penalty": 0.5, "frequency_penalty": -0.5}
	assert {name: body["options"][name] for name in wanted} == wanted
	body, _dropped = sent(
		server, f"{marker}-2", "ollama_chat", "m1", {"response_format": {"type": "json_object"}}
	)
	assert body["format"] == "json"


def test_litellm_gets_what_it_says_the_model_takes(server: ScriptedProvider, marker: str) -> None:
	body, dropped = sent(server, marker, "litellm/openai", "gpt-4.1", ALL)
	assert (body["stop"], body["top_p"], body["seed"]) == (["END"], 0.5, 7)
	assert body["response_format"] == FORMAT
	assert "verbosity" in dropped and "verbosity" not in body


@pytest.mark.parametrize("api", ["openai", "anthropic", "gemini", "ollama_chat", "openai_responses"])
def test_without_them_nothing_is_sent(server: ScriptedProvider, marker: str, api: str) -> None:
	body, dropped = sent(server, marker, api, "m1", {})
	assert dropped == set()
	assert not {"text", "format", "stop_sequences", "output_config", *ALL} & set(body)
