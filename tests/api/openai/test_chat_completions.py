"""Tests what the Chat Completions dialect reads of a request."""

from typing import Any

import pytest

from ai_assistant.api.openai import chat_completions

USER = {"role": "user", "content": "Hi."}


def parse(**body: Any) -> Any:
	return chat_completions.parse({"model": "m", "messages": [USER], **body}, {})


@pytest.mark.parametrize(
	("body", "most"),
	[
		({"max_tokens": 5}, 5),
		({"max_tokens": 5, "max_completion_tokens": None}, 5),
		({"max_tokens": 5, "max_completion_tokens": 7}, 7),
		({"max_tokens": None}, None),
	],
)
def test_the_most_tokens_have_one_of_two_names(body: dict[str, Any], most: int | None) -> None:
	assert parse(**body).fields["max_tokens"] == most


def test_a_choice_among_allowed_tools_leaves_the_others_out() -> None:
	tools = [{"type": "function", "function": {"name": name}} for name in ("a", "b", "c")]
	allowed = {"mode": "required", "tools": [tools[0], tools[2]]}
	parsed = parse(tools=tools, tool_choice={"type": "allowed_tools", "allowed_tools": allowed})
	assert [tool["function"]["name"] for tool in parsed.fields["tools"]] == ["a", "c"]
	assert (parsed.fields["tool_choice"], parsed.dropped) == ("required", ())


def test_fields_that_ask_for_what_the_site_does_anyway_are_not_named() -> None:
	neutral = {"modalities": ["text"], "logit_bias": {}, "logprobs": False, "prediction": None}
	assert parse(**neutral).dropped == ()
	assert parse(modalities=["text", "audio"], logit_bias={"1": 5}).dropped == ("modalities", "logit_bias")
