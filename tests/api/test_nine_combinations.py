"""Tests each standard API with each provider's API: reasoning, tools and images."""

import json
from collections.abc import Callable
from typing import Any

import anthropic
import openai
import pytest

from tests.support import script, unique
from tests.support.provider import ScriptedProvider
from tests.support.site import CANARY_KEY, Site, site_config
from tests.support.v1 import base, headers

PNG = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
DATA_URL = f"data:image/png;base64,{PNG}"
SCHEMA = {"type": "object", "properties": {"zone": {"type": "string"}}, "required": ["zone"]}
MODELS = ["scripted/scripted", "responses/gpt-5", "claude/claude-sonnet-4-5"]


@pytest.fixture(scope="module")
def config(provider: ScriptedProvider) -> dict[str, Any]:
	config = site_config(provider)
	third = {"name": "responses", "api": "openai_responses", "api_base": provider.base("openai_responses")}
	models = {"models": ["gpt-5"], "default_model": "gpt-5", "priority": 9}
	config["providers"].append({**third, "api_key": CANARY_KEY, **models})
	# Room for Anthropic's smallest budget of thinking.
	config["limits"]["max_tokens"] = 4000
	return config


class ChatCompletions:
	"""Each of these three asks with the official client of an API, streamed, and says what came."""

	def __init__(self, site: Site) -> None:
		self.messages: list[Any] = []
		self._client = openai.OpenAI(
			base_url=base(site), api_key="k", default_headers=headers(site.first), max_retries=0
		)

	def user(self, text: str) -> None:
		image = {"type": "image_url", "image_url": {"url": DATA_URL}}
		self.messages += [
			{"role": "user", "content": [{"type": "text", "text": "Look:"}, image]},
			{"role": "assistant", "content": "I see."},
			{"role": "user", "content": text},
		]

	def ask(self, model: str) -> tuple[str, str, list[tuple[str, str, str]]]:
		tool: Any = {"type": "function", "function": {"name": "clock", "parameters": SCHEMA}}
		with self._client.chat.completions.stream(
			model=model, messages=self.messages, tools=[tool], reasoning_effort="low"
		) as stream:
			message: Any = stream.get_final_completion().choices[0].message
		self.messages.append(message.to_dict())
		calls = [(call.id, call.function.name, call.function.arguments) for call in message.tool_calls or ()]
		return getattr(message, "reasoning_content", ""), message.content or "", calls

	def result(self, identity: str, text: str) -> None:
		self.messages.append({"role": "tool", "tool_call_id": identity, "content": text})


class Responses:
	def __init__(self, site: Site) -> None:
		self.input: list[Any] = []
		self._client = openai.OpenAI(
			base_url=base(site), api_key="k", default_headers=headers(site.first), max_retries=0
		)

	def user(self, text: str) -> None:
		image = {"type": "input_image", "image_url": DATA_URL, "detail": "auto"}
		self.input += [
			{"role": "user", "content": [{"type": "input_text", "text": "Look:"}, image]},
			{"role": "assistant", "content": "I see."},
			{"role": "user", "content": text},
		]

	def ask(self, model: str) -> tuple[str, str, list[tuple[str, str, str]]]:
		tool: Any = {"type": "function", "name": "clock", "parameters": SCHEMA, "strict": False}
		with self._client.responses.stream(
			model=model, input=self.input, tools=[tool], reasoning={"effort": "low"}, store=False
		) as stream:
			response = stream.get_final_response()
		assert response.status == "completed"
		self.input += [item.to_dict() for item in response.output]
		thoughts = [
			part.text for item in response.output if item.type == "reasoning" for part in item.summary
		]
		calls = [
			(item.call_id, item.name, item.arguments)
			for item in response.output
			if item.type == "function_call"
		]
		return "".join(thoughts), response.output_text, calls

	def result(self, identity: str, text: str) -> None:
		self.input.append({"type": "function_call_output", "call_id": identity, "output": text})


class Messages:
	def __init__(self, site: Site) -> None:
		self.messages: list[Any] = []
		self._client = anthropic.Anthropic(
			base_url=base(site), api_key="k", default_headers=headers(site.first), max_retries=0
		)

	def user(self, text: str) -> None:
		source = {"type": "base64", "media_type": "image/png", "data": PNG}
		blocks = [{"type": "text", "text": "Look:"}, {"type": "image", "source": source}]
		self.messages += [
			{"role": "user", "content": blocks},
			{"role": "assistant", "content": "I see."},
			{"role": "user", "content": text},
		]

	def ask(self, model: str) -> tuple[str, str, list[tuple[str, str, str]]]:
		tool: Any = {"name": "clock", "input_schema": SCHEMA}
		thinking: Any = {"type": "enabled", "budget_tokens": 1024}
		with self._client.messages.stream(
			model=model, max_tokens=2000, messages=self.messages, tools=[tool], thinking=thinking
		) as stream:
			message = stream.get_final_message()
		content = [block.to_dict() for block in message.content]
		self.messages.append({"role": "assistant", "content": content})
		texts = [block.text for block in message.content if block.type == "text"]
		thoughts = [block.thinking for block in message.content if block.type == "thinking"]
		calls = [
			(block.id, block.name, json.dumps(block.input))
			for block in message.content
			if block.type == "tool_use"
		]
		return "".join(thoughts), "".join(texts), calls

	def result(self, identity: str, text: str) -> None:
		block = {"type": "tool_result", "tool_use_id": identity, "content": text}
		self.messages.append({"role": "user", "content": [block]})


@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize("client", [ChatCompletions, Responses, Messages])
def test_a_tool_is_called_and_answered_and_the_thinking_goes_on(
	site: Site, provider: ScriptedProvider, client: Callable[[Site], Any], model: str
) -> None:
	marker = unique("marker")
	turns = [
		{
			"turn": [
				{"reasoning": "What time?"},
				{"sealed": f"secret-{marker}"},
				{"text": "Let me look."},
				{"call": 0, "id": f"call_{marker}", "name": "clock", "arguments": '{"zone": "UTC"}'},
			]
		},
		{"turn": [{"reasoning": "Noon, then."}, {"text": f"It is noon. {marker}"}]},
	]
	chatting = client(site)
	chatting.user(script(*turns))
	thought, text, calls = chatting.ask(model)
	assert (thought, text) == ("What time?", "Let me look.")
	assert calls == [(f"call_{marker}", "clock", '{"zone": "UTC"}')]
	chatting.result(calls[0][0], f"noon {marker}")
	assert chatting.ask(model) == ("Noon, then.", f"It is noon. {marker}", [])
	sent = provider.wait_for(f"noon {marker}").text
	assert PNG in sent and f"call_{marker}" in sent
	if client is not ChatCompletions and model != MODELS[0]:
		# The script has it once; the message of the model brings it back.
		assert sent.count(f"secret-{marker}") == 2
