"""Tests the addresses of the Chat Completions APIs, and how their requests differ."""

import subprocess
import sys
from typing import Any

import pytest

from ai_assistant.gateway import Provider, ProviderError
from ai_assistant.gateway.adapters.chat_apis import APIS, url_of
from tests.gateway.asking import KEY, gateway, hear, scripted
from tests.support.provider import ScriptedProvider

EVERY_API = pytest.mark.parametrize("api", APIS)

ADDRESSES = [
	("cohere", None, "https://api.cohere.ai/compatibility/v1/chat/completions"),
	("perplexity", None, "https://api.perplexity.ai/chat/completions"),
	("moonshot", None, "https://api.moonshot.ai/v1/chat/completions"),
	("alibaba", None, "https://dashscope-intl.aliyuncs.com/compatible-mode/v1/chat/completions"),
	("zai", None, "https://api.z.ai/api/paas/v4/chat/completions"),
	("huggingface", None, "https://router.huggingface.co/v1/chat/completions"),
	("cerebras", None, "https://api.cerebras.ai/v1/chat/completions"),
	("nvidia_nim", None, "https://integrate.api.nvidia.com/v1/chat/completions"),
	("azure", "https://r.openai.azure.com", "https://r.openai.azure.com/openai/v1/chat/completions"),
	(
		"azure",
		"https://r.openai.azure.com/openai/v1/",
		"https://r.openai.azure.com/openai/v1/chat/completions",
	),
	(
		"azure",
		"https://r.openai.azure.com/openai/deployments/d?api-version=2024-10-21",
		"https://r.openai.azure.com/openai/deployments/d/chat/completions?api-version=2024-10-21",
	),
	(
		"databricks",
		"https://w.cloud.databricks.com",
		"https://w.cloud.databricks.com/serving-endpoints/chat/completions",
	),
	(
		"snowflake",
		"https://a.snowflakecomputing.com/",
		"https://a.snowflakecomputing.com/api/v2/cortex/v1/chat/completions",
	),
	("mistral", "https://api.mistral.ai", "https://api.mistral.ai/v1/chat/completions"),
	("openai", "http://127.0.0.1:8080/v1", "http://127.0.0.1:8080/v1/chat/completions"),
]


@pytest.mark.parametrize(("api", "base", "url"), ADDRESSES)
def test_each_api_has_its_address(api: str, base: str | None, url: str) -> None:
	assert url_of(Provider("p", api, KEY, "m", api_base=base)) == url


@pytest.mark.parametrize("api", [name for name, api in APIS.items() if api.base is None])
def test_who_has_no_address_of_its_own_needs_one(api: str) -> None:
	with pytest.raises(ProviderError) as raised:
		url_of(Provider("p", api, KEY, "m"))
	assert raised.value.kind == "misconfigured"


@EVERY_API
def test_each_api_answers_with_its_key_in_its_header(server: ScriptedProvider, api: str, marker: str) -> None:
	provider = Provider(api, api, KEY, "m1", api_base=server.base("openai"))
	script: list[dict[str, Any]] = [{"reasoning": "Hm."}, {"text": "Yes."}]
	heard = hear(gateway(provider).stream_generate(scripted(script, marker)))
	assert (heard.reasoning, heard.text) == ("Hm.", "Yes.")
	sent = server.wait_for(marker)
	key = {"api-key": KEY} if api == "azure" else {"authorization": f"Bearer {KEY}"}
	assert {name: sent.headers.get(name) for name in ("api-key", "authorization")} == {
		"api-key": None,
		"authorization": None,
		**key,
	}
	# These refuse it.
	assert ("stream_options" in sent.body) == (api not in ("cohere", "mistral", "perplexity"))


def test_an_openai_model_at_azure_is_asked_by_its_rules(server: ScriptedProvider, marker: str) -> None:
	provider = Provider(
		"p", "azure", KEY, "gpt-5", api_base=server.base("openai"), extra={"api_version": "2024"}
	)
	one = gateway(provider)
	heard = hear(
		one.stream_generate(
			scripted([{"text": "Yes."}], marker), max_tokens=9, temperature=0.5, reasoning_effort="low"
		)
	)
	assert heard.completion.dropped == ("temperature",)
	sent = server.wait_for(marker).body
	assert (sent["max_completion_tokens"], sent["reasoning_effort"]) == (9, "low")
	assert "api_version" not in sent
	assert heard.completion.usage and heard.completion.usage.cost_usd


WITHOUT_LITELLM = """
import sys
from ai_assistant.gateway import Gateway, Provider, preload
apis = sys.argv[2].split(",")
providers = [Provider(api, api, "-", "m1", api_base=sys.argv[1]) for api in apis]
preload(providers)
for provider in providers:
	*_, end = Gateway([provider]).stream_generate([{"role": "user", "content": "Hi"}])
	assert end.finish_reason == "stop", provider
print({"litellm", "openai", "httpx"} & set(sys.modules))
"""


def test_no_process_of_these_imports_litellm(server: ScriptedProvider) -> None:
	command = [sys.executable, "-c", WITHOUT_LITELLM, server.base("openai"), ",".join(APIS)]
	run = subprocess.run(command, capture_output=True, text=True, timeout=120)
	assert (run.stdout.strip(), run.stderr) == ("set()", "")


@pytest.mark.parametrize("path", ["/deepseek", "/moonshot/v1", "/zai/v1/messages"])
def test_servers_that_speak_messages_are_asked_by_their_address(
	server: ScriptedProvider, path: str, marker: str
) -> None:
	# The scripted provider knows a family by the first part of the path.
	base = f"{server.base('anthropic')}{path}"
	provider = Provider("p", "anthropic", KEY, "glm-4.6", api_base=base)
	heard = hear(
		gateway(provider).stream_generate(scripted([{"reasoning": "Hm."}, {"text": "Yes."}], marker))
	)
	assert (heard.reasoning, heard.text) == ("Hm.", "Yes.")
	sent = server.wait_for(marker)
	assert sent.path == f"/anthropic{path.removesuffix('/v1/messages').removesuffix('/v1')}/v1/messages"
	assert sent.headers["x-api-key"] == KEY


def test_responses_at_azure_has_the_key_in_its_own_header() -> None:
	from ai_assistant.gateway.adapters.openai_responses import request

	provider = Provider("p", "openai_responses", KEY, "d", api_base="https://r.openai.azure.com")
	url, headers, _body = request(provider, {})
	assert (url, headers["api-key"]) == ("https://r.openai.azure.com/openai/v1/responses", KEY)
