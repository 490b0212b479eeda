"""Tests answers without text: what they hold instead, and whether that is an error."""

import json
from typing import Any

import pytest

from ai_assistant.gateway.chunks import Image
from tests.support.provider import ScriptedProvider
from tests.support.wire import Step

from .asking import MODELS
from .error_steps import OPENROUTER, answer, error_step

# Answers of nothing that can be shown

IMAGE = {"type": "image_url", "image_url": {"url": "data:image/png;base64,iVBORw0KGgo="}}


def message(way: str, **fields: Any) -> Step:
	choice = {"index": 0, "delta" if way == "stream" else "message": fields, "finish_reason": "stop"}
	kind = "chat.completion.chunk" if way == "stream" else "chat.completion"
	body = json.dumps({"id": "1", "object": kind, "created": 1, "model": "m", "choices": [choice]})
	return {"raw": f"data: {body}\n\ndata: [DONE]\n\n" if way == "stream" else body}


@pytest.mark.parametrize(
	("api", "way"), [("openai", "at once"), *((api, "stream") for api in ("openai", *OPENROUTER))]
)
def test_an_answer_of_images_alone_says_so(server: ScriptedProvider, api: str, way: str) -> None:
	image = message(way, role="assistant", content="", images=[{**IMAGE, "index": 0}])
	alone = answer(server, api, [image])
	if api.startswith("litellm/"):
		assert alone.failure.kind == "only_images"
	else:
		images = (Image("image/png", 9),)
		assert (alone.text, alone.completion.finish_reason, alone.completion.images) == ("", "stop", images)
	both = message(way, role="assistant", content="A cat.", images=[{**IMAGE, "index": 0}])
	heard = answer(server, api, [both])
	assert (heard.text, heard.completion.finish_reason) == ("A cat.", "stop")


@pytest.mark.parametrize("api", [api for api in MODELS if api != "mistral"])
def test_a_call_that_was_not_offered_and_nothing_else_is_no_answer(
	server: ScriptedProvider, api: str
) -> None:
	script: list[Step] = [
		{"call": 0, "id": "call_1", "name": "read", "arguments": "{}"},
		{"finish": "stop" if api in ("gemini", "ollama_chat") else "tool_calls"},
	]
	heard = answer(server, api, script)
	assert (heard.failure.kind, heard.failure.code) == ("only_unknown_calls", "provider_error")


@pytest.mark.parametrize("way", ["stream", "at once"])
@pytest.mark.parametrize(
	("item", "kind"),
	[
		(
			{"type": "image_generation_call", "id": "i", "status": "failed", "result": None},
			"only_images",
		),
		(
			{"type": "mcp_approval_request", "id": "m", "name": "n", "arguments": "{}", "server_label": "s"},
			"only_approvals",
		),
		(
			{"type": "custom_tool_call", "id": "c", "call_id": "c", "name": "n", "input": "-"},
			"only_unknown_calls",
		),
	],
	ids=["image", "approval", "call"],
)
def test_a_response_of_other_items_alone_says_which(
	server: ScriptedProvider, item: dict[str, Any], kind: str, way: str
) -> None:
	response = {
		"id": "resp_1",
		"object": "response",
		"created_at": 1,
		"model": "gpt-5",
		"output": [item],
		"parallel_tool_calls": True,
		"tool_choice": "auto",
		"tools": [],
		"status": "completed",
		"error": None,
		"usage": None,
	}
	completed = {"type": "response.completed", "sequence_number": 3, "response": response}
	step = error_step("openai_responses", completed) if way == "stream" else {"raw": json.dumps(response)}
	assert answer(server, "openai_responses", [step]).failure.kind == kind


@pytest.mark.parametrize("api", MODELS)
def test_an_empty_answer_that_holds_nothing_else_is_whole(server: ScriptedProvider, api: str) -> None:
	# A model that has its tools' answers may have nothing to add.
	heard = answer(server, api, [{"finish": "stop"}])
	assert (heard.text, heard.completion.finish_reason) == ("", "stop")
