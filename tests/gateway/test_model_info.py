"""Tests what the gateway knows of a model, and the refusals, counts and lists that follow from it."""

import json
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from ai_assistant.gateway import (
	ModelInfo,
	Price,
	Provider,
	ProviderError,
	count_tokens,
	model_details,
	model_list,
)
from ai_assistant.gateway.chunks import Ask
from ai_assistant.gateway.models import known
from tests.support.provider import ScriptedProvider
from tests.support.serving import serving

from .asking import KEY, MODELS, family, gateway, hear, scripted
from .calling import TOOLS

HELLO = [{"role": "user", "content": "Hello"}]


def provider(api: str, **fields: Any) -> Provider:
	return Provider("p", api, KEY, "m", **fields)


def test_litellms_list_says_what_it_knows() -> None:
	info = known(provider("anthropic"), "claude-sonnet-4-5")
	assert (info.context_window, info.max_output_tokens, info.cache_min_tokens) == (200_000, 64_000, 1024)
	assert (info.vision, info.documents, info.tools) == (True, True, True)
	assert info.efforts and "low" in info.efforts
	assert known(provider("openai_responses"), "gpt-5").context_window


def test_what_nobody_says_is_unknown() -> None:
	assert known(provider("openai"), "a-model-of-ours") == ModelInfo()
	assert set(model_details(provider("openai"), "a-model-of-ours").values()) == {None}


def test_the_administrators_figures_win_one_by_one() -> None:
	own = provider("anthropic", details={"claude-sonnet-4-5": ModelInfo(context_window=1000, vision=False)})
	info = known(own, "claude-sonnet-4-5")
	assert (info.context_window, info.vision, info.max_output_tokens) == (1000, False, 64_000)
	priced = provider("anthropic", prices={"*": Price(1, 2)})
	assert model_details(priced, "claude-sonnet-4-5")["prices"]["input"] == 1


def small(server: ScriptedProvider, name: str, window: int | None = 100, **info: Any) -> Provider:
	details = {"m1": ModelInfo(context_window=window, **info)}
	return family(server, "openai", name=name, details=details)


def test_a_request_that_cannot_fit_is_not_sent(server: ScriptedProvider, marker: str) -> None:
	failure = hear(
		gateway(small(server, "a")).stream_generate(scripted([{"text": "x" * 2000}], marker))
	).failure
	assert failure.code == "context_too_long" and not failure.retryable
	assert str(failure).startswith("The request has about 5")
	assert "tokens (estimated) and m1 of a accepts 100;" in str(failure)
	assert server.count(marker) == 0


def test_the_next_provider_may_have_a_larger_window(server: ScriptedProvider) -> None:
	one = gateway(small(server, "a"), small(server, "b", None))
	heard = hear(one.stream_generate(scripted([{"text": "x" * 2000}])))
	assert (heard.text, heard.completion.provider) == ("x" * 2000, "b")
	assert heard.completion.attempts[0].error == "context_too_long"


def test_what_may_fit_is_sent(server: ScriptedProvider) -> None:
	messages = scripted([{"text": "Yes."}], "x" * 300)
	tokens = Ask(messages).prompt_bytes // 4
	for window, fits in ((tokens, True), (int(tokens / 1.2), True), (int(tokens / 1.4), False)):
		heard = hear(gateway(small(server, "a", window)).stream_generate(messages))
		assert (heard.error is None) == fits, window


def test_an_administrator_may_say_that_a_model_calls_tools_or_does_not(server: ScriptedProvider) -> None:
	tool = {"type": "function", "function": {"name": "read", "parameters": {"type": "object"}}}
	heard = hear(gateway(small(server, "a", tools=False)).stream_generate(scripted([]), tools=[tool]))
	assert heard.failure.kind == "no_tools"


# Counts


@pytest.mark.parametrize(
	("api", "model", "answer", "path"),
	[
		("anthropic", "claude-sonnet-4-5", {"input_tokens": 42}, "/v1/messages/count_tokens"),
		("gemini", "gemini-2.5-pro", {"totalTokens": 42}, "/models/gemini-2.5-pro:countTokens"),
		("openai_responses", "gpt-5", {"input_tokens": 42}, "/responses/input_tokens"),
	],
)
def test_the_provider_counts_where_it_can(
	server: ScriptedProvider, marker: str, api: str, model: str, answer: dict[str, int], path: str
) -> None:
	question = Ask(scripted([{"raw": json.dumps(answer)}], marker), model)
	count = count_tokens(family(server, api), question)
	assert (count.tokens, count.estimated) == (42, False)
	request = server.wait_for(marker)
	assert request.path.endswith(path)
	assert not {"stream", "store", "max_tokens"} & set(request.body)


@pytest.mark.parametrize("api", ["openai", "ollama_chat", "litellm/openai"])
def test_others_are_estimated(api: str) -> None:
	count = count_tokens(provider(api), Ask(HELLO, "m"))
	assert count.estimated and count.tokens == -(-Ask(HELLO).prompt_bytes // 4)


@pytest.mark.parametrize("step", [{"status": 404}, {"raw": "{}"}, {"raw": "no JSON"}, {"cut": True}], ids=str)
def test_an_endpoint_that_does_not_count_gives_an_estimate(server: ScriptedProvider, step: Any) -> None:
	question = Ask(scripted([step]), "claude-sonnet-4-5")
	assert count_tokens(family(server, "anthropic"), question).estimated


@pytest.mark.parametrize("api", ["anthropic", "openai_responses"])
def test_a_part_that_the_provider_does_not_accept_gives_an_estimate(api: str) -> None:
	audio = {"type": "input_audio", "input_audio": {"data": "aGk=", "format": "wav"}}
	question = Ask([{"role": "user", "content": [audio]}], "m")
	assert count_tokens(provider(api), question).estimated
	without_tools = provider(api, details={"m": ModelInfo(tools=False)})
	assert count_tokens(without_tools, Ask(question.messages, "m", tools=TOOLS)).estimated


# Lists of models


def listed(api: str, models: Any) -> list[model_list.ListedModel]:
	with ScriptedProvider() as fresh:
		fresh.models = models
		base = fresh.base(api if api in MODELS else "openai")
		listing = model_list.fetch(provider(api, api_base=base))
		assert fresh.requests[-1].key == KEY
		return listing


def test_openrouter_says_most_of_a_model() -> None:
	entry = {
		"id": "x/m2",
		"context_length": 131072,
		"top_provider": {"max_completion_tokens": 8192},
		"architecture": {"input_modalities": ["text", "image"]},
		"supported_parameters": ["tools", "top_p"],
		"pricing": {"prompt": "0.000003", "completion": "0.000015", "input_cache_read": "0.0000003"},
	}
	second, first = {"id": "x/m1", "pricing": {"prompt": "-1"}}, entry
	[unknown, model] = listed("openrouter", {"data": [first, second]})
	assert model.info == ModelInfo(131072, 8192, vision=True, documents=False, tools=True)
	assert model.price and (round(model.price.input, 6), round(model.price.output, 6)) == (3, 15)
	assert (unknown.name, unknown.info, unknown.price) == ("x/m1", ModelInfo(), None)
	assert model.as_row() == {
		"model": "x/m2",
		"context_window": 131072,
		"max_output_tokens": 8192,
		"vision": "Yes",
		"documents": "No",
		"tools": "Yes",
		"input_price": "3",
		"output_price": "15",
		"cache_read_price": "0.3",
	}


@pytest.mark.parametrize(
	("api", "models", "name", "window"),
	[
		("openai", {"data": [{"id": "m9", "object": "model"}]}, "m9", None),
		("openai", [{"id": "m9", "context_length": 10}], "m9", 10),
		("groq", {"data": [{"id": "m9", "context_window": 10}]}, "m9", 10),
		(
			"anthropic",
			{"data": [{"type": "model", "id": "claude-x", "max_input_tokens": 10}]},
			"claude-x",
			10,
		),
		("openai_responses", {"data": [{"id": "gpt-x"}]}, "gpt-x", None),
		(
			"gemini",
			{
				"models": [
					{
						"name": "models/gemini-x",
						"inputTokenLimit": 10,
						"supportedGenerationMethods": ["generateContent"],
					},
					{"name": "models/embedding", "supportedGenerationMethods": ["embedContent"]},
				]
			},
			"gemini-x",
			10,
		),
		("ollama_chat", {"models": [{"name": "qwen3:0.6b", "size": 5}]}, "qwen3:0.6b", None),
	],
)
def test_each_api_has_its_list(api: str, models: Any, name: str, window: int | None) -> None:
	[model] = listed(api, models)
	assert (model.name, model.info.context_window) == (name, window)


@pytest.mark.parametrize(
	("api", "entry", "info"),
	[
		(
			"anthropic",
			{
				"type": "model",
				"max_input_tokens": 200000,
				"max_tokens": 64000,
				"capabilities": {
					"image_input": {"supported": True},
					"pdf_input": {"supported": False},
					"effort": {"supported": True},
				},
			},
			ModelInfo(200000, 64000, vision=True, documents=False),
		),
		(
			"mistral",
			{
				"max_context_length": 10,
				"capabilities": {"completion_chat": True, "function_calling": True, "vision": False},
			},
			ModelInfo(10, vision=False, tools=True),
		),
		(
			"fireworks_ai",
			{
				"context_length": 10,
				"supports_chat": True,
				"supports_image_input": False,
				"supports_tools": True,
			},
			ModelInfo(10, vision=False, tools=True),
		),
		("moonshot", {"context_length": 10, "supports_image_in": True}, ModelInfo(10, vision=True)),
		(
			"huggingface",
			{
				"architecture": {"input_modalities": ["text"]},
				"providers": [
					{"provider": "a", "context_length": 10, "supports_tools": False},
					{"provider": "b", "context_length": 20, "supports_tools": True},
				],
			},
			ModelInfo(20, vision=False, documents=False, tools=True),
		),
		("xai", {"input_modalities": ["text", "image"]}, ModelInfo(vision=True, documents=False)),
		("hosted_vllm", {"object": "model", "max_model_len": 10}, ModelInfo(10)),
		("lm_studio", {"type": "vlm", "max_context_length": 10}, ModelInfo(10)),
		("ollama_chat", {"capabilities": ["completion", "tools"]}, ModelInfo(vision=False, tools=True)),
	],
)
def test_a_list_says_what_its_models_can(api: str, entry: dict[str, Any], info: ModelInfo) -> None:
	[model] = listed(api, {"data": [{"id": "m9", **entry}]})
	assert model.info == info


def test_together_has_prices_for_a_million_tokens() -> None:
	pricing = {"hourly": 0, "input": 0.18, "output": 0.59, "base": 0, "finetune": 0}
	[model] = listed("together_ai", [{"id": "m9", "type": "chat", "context_length": 10, "pricing": pricing}])
	assert model.price == Price(0.18, 0.59)


@pytest.mark.parametrize(
	("api", "entry"),
	[
		("together_ai", {"id": "m9", "type": "image"}),
		("lm_studio", {"id": "m9", "type": "embeddings"}),
		("mistral", {"id": "m9", "capabilities": {"completion_chat": False}}),
		("fireworks_ai", {"id": "m9", "supports_chat": False}),
		("groq", {"id": "m9", "active": False}),
		("openai", {"id": "text-embedding-3-small", "object": "model"}),
		("openai", {"id": "gpt-4o-transcribe", "object": "model"}),
		("openai", {"id": "tts-1", "object": "model"}),
	],
)
def test_models_that_cannot_chat_are_left_out(api: str, entry: dict[str, Any]) -> None:
	assert [model.name for model in listed(api, {"data": [entry, {"id": "m8"}]})] == ["m8"]


@pytest.mark.parametrize(
	("api", "base", "url", "header"),
	[
		("azure", "https://a.openai.azure.com", "https://a.openai.azure.com/openai/v1/models", "api-key"),
		(
			"openai_responses",
			"https://a.openai.azure.com",
			"https://a.openai.azure.com/openai/v1/models",
			"api-key",
		),
		("cohere", None, "https://api.cohere.ai/v1/models?endpoint=chat&page_size=1000", "authorization"),
		("mistral", "https://api.mistral.ai", "https://api.mistral.ai/v1/models", "authorization"),
		(
			"databricks",
			"https://a.cloud.databricks.com",
			"https://a.cloud.databricks.com/api/2.0/serving-endpoints",
			"authorization",
		),
		(
			"gemini",
			None,
			"https://generativelanguage.googleapis.com/v1beta/models?pageSize=1000",
			"x-goog-api-key",
		),
		("anthropic", None, "https://api.anthropic.com/v1/models?limit=1000", "x-api-key"),
		("ollama", "http://localhost:11434/api/chat", "http://localhost:11434/api/tags", "authorization"),
		(
			"openai",
			"http://127.0.0.1:1234/v1/chat/completions",
			"http://127.0.0.1:1234/v1/models",
			"authorization",
		),
	],
)
def test_a_list_has_its_address_and_its_key(api: str, base: str | None, url: str, header: str) -> None:
	address, headers = model_list._endpoint(provider(api, api_base=base))
	assert address == url
	assert KEY in headers[header]


def test_a_server_without_a_list_says_so() -> None:
	class Nothing(BaseHTTPRequestHandler):
		def do_GET(self) -> None:
			self.send_error(404)

		def log_message(self, *_: Any) -> None:
			pass

	with serving(ThreadingHTTPServer(("127.0.0.1", 0), Nothing)) as address:
		asked = provider("perplexity", api_base=address)
		with pytest.raises(ProviderError, match="has no list of models"):
			model_list.fetch(asked)


def test_an_api_without_a_list_says_so() -> None:
	with pytest.raises(ProviderError, match="has no list of models"):
		model_list.fetch(provider("bedrock"))


@pytest.mark.parametrize("models", [{"data": [5, {}, {"id": 7}]}, {}])
def test_entries_that_are_none_are_passed_over(models: Any) -> None:
	assert listed("openai", models) == []
