"""Whatever JSON object a client sends, a dialect reads it or refuses it with a sentence; what it reads can be written."""

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ai_assistant.api.anthropic import messages
from ai_assistant.api.openai import chat_completions, responses
from ai_assistant.chat.errors import ChatError
from ai_assistant.gateway import Text
from tests.api.answers import REQUEST_ID, answer_of

NAMES = [
	*("type", "role", "content", "text", "id", "name", "input", "messages", "system", "tools", "tool_choice"),
	*(
		"arguments",
		"call_id",
		"output",
		"source",
		"data",
		"media_type",
		"image_url",
		"encrypted_content",
		"url",
	),
	*(
		"thinking",
		"budget_tokens",
		"signature",
		"metadata",
		"reasoning",
		"effort",
		"format",
		"text",
		"stream",
	),
	*("instructions", "function", "parameters", "input_schema", "tool_use_id", "output_config", "file_data"),
	*("detail", "mode", "title", "cache_control", "filename", "refusal", "is_error", "background", "store"),
	*("allowed_tools", "context", "input_audio", "max_completion_tokens", "output_format"),
]
TYPES = [
	*(
		"message",
		"text",
		"image",
		"document",
		"tool_use",
		"tool_result",
		"thinking",
		"redacted_thinking",
		"function",
	),
	*(
		"function_call",
		"function_call_output",
		"reasoning",
		"item_reference",
		"input_text",
		"input_image",
		"base64",
	),
	*(
		"user",
		"assistant",
		"system",
		"developer",
		"tool",
		"url",
		"enabled",
		"adaptive",
		"json_schema",
		"allowed_tools",
	),
	*(
		"input_file",
		"input_audio",
		"search_result",
		"any",
		"auto",
		"content",
		"refusal",
		"image_url",
		"custom",
		"web_search",
	),
]
VALUES = st.recursive(
	st.none()
	| st.booleans()
	| st.integers(-2, 5000)
	| st.floats()
	| st.sampled_from(TYPES)
	| st.text(st.characters(codec=None), max_size=5),
	lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(NAMES), inner, max_size=5),
	max_leaves=15,
)
BODIES = st.dictionaries(st.sampled_from(NAMES), VALUES, max_size=8)


@pytest.mark.parametrize("dialect", [chat_completions, responses, messages])
@settings(max_examples=100)
@given(body=BODIES)
def test_any_body_is_read_or_refused(dialect: Any, body: dict[str, Any]) -> None:
	try:
		parsed = dialect.parse(body, {})
	except ChatError as refused:
		assert refused.code == "invalid_request" and str(refused)
		return
	writer = dialect.Writer(parsed, REQUEST_ID, "m", 1)
	answer = answer_of([Text("Yes.")])
	written = writer.begin() + writer.write(Text("Yes.")) + writer.end(answer)
	assert "Yes." in written and written.encode()
	assert dialect.whole(answer, parsed, 1)


PARTS = st.lists(
	st.fixed_dictionaries({"type": st.sampled_from(TYPES)}, optional={name: VALUES for name in NAMES[2:]}),
	max_size=3,
)


CHOICES = (
	VALUES
	| st.fixed_dictionaries({"type": VALUES, "tools": VALUES})
	| st.builds(lambda tools: {"type": "allowed_tools", "tools": tools}, VALUES)
)
TOOLS = st.sampled_from(
	[{"type": "function", "name": "a", "parameters": {}}, {"name": "b", "input_schema": {}}, {"type": "c"}]
)


@pytest.mark.parametrize("dialect", [responses, messages])
@settings(max_examples=100)
@given(role=st.sampled_from(["user", "assistant", "system"]), content=PARTS, choice=CHOICES, tool=TOOLS)
def test_any_content_is_read_or_refused(
	dialect: Any, role: str, content: list[Any], choice: Any, tool: dict[str, Any]
) -> None:
	messages = [{"role": role, "content": content}]
	for items in (messages, content):
		body = {"messages": items, "input": items, "tools": [tool], "tool_choice": choice, "max_tokens": 5}
		try:
			dialect.parse(body, {})
		except ChatError as refused:
			assert refused.code == "invalid_request"
