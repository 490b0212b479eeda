"""The information that a client gets about the models it may use."""

import json

import pytest

from ai_assistant.client import ApiError, Client
from tests.support import unique
from tests.support.provider import ScriptedProvider

FIELDS = {
	"context_window",
	"max_output_tokens",
	"vision",
	"documents",
	"tools",
	"efforts",
	"cache_min_tokens",
	"prices",
}


def test_each_model_says_what_is_known_of_it(client: Client) -> None:
	providers = {listed["name"]: listed for listed in client.get("list_models")["providers"]}
	for provider in providers.values():
		assert provider["details"].keys() == {*provider["models"], provider["default_model"]} - {"*"}
	claude = providers["claude"]["details"]["claude-sonnet-4-5"]
	assert claude.keys() == FIELDS
	assert (claude["context_window"], claude["vision"], claude["prices"]["input"]) == (200_000, True, 3)
	# Figures of an unknown model are null.
	scripted = providers["scripted"]["details"]["scripted"]
	assert scripted == dict.fromkeys(FIELDS)


def test_tokens_are_counted_before_a_question_is_asked(client: Client, provider: ScriptedProvider) -> None:
	marker = unique("marker")
	script = json.dumps([{"raw": '{"input_tokens": 42}'}, {"note": marker}])
	messages = [{"role": "user", "content": script}]
	counted = client.post("count_tokens", messages=messages, provider="claude")
	assert counted == {
		"provider": "claude",
		"model": "claude-sonnet-4-5",
		"tokens": 42,
		"estimated": False,
		"context_window": 200_000,
	}
	assert provider.wait_for(marker).path.endswith("/count_tokens")
	estimate = client.post("count_tokens", messages=messages)
	assert (estimate["provider"], estimate["estimated"]) == ("scripted", True)
	assert estimate["tokens"] > 10


def test_a_count_refuses_what_a_chat_refuses(client: Client) -> None:
	with pytest.raises(ApiError, match="messages accepts"):
		client.post("count_tokens", messages=[])
