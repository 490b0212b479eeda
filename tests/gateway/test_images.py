"""Tests that images are sent in the form of each API, and that the gateway follows no link."""

from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from ai_assistant.gateway.adapters.litellm import client
from tests.support.provider import ScriptedProvider
from tests.support.serving import serving

from .asking import MODELS, family, gateway, hear, in_camel_case, spoken
from .calling import TOOLS

# One red pixel.
PIXEL = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mP8z8BQDwAEhQGAhKmMIQAAAABJRU5ErkJggg=="
DATA = f"data:image/png;base64,{PIXEL}"
LINK = "https://pictures.example.com/cat.png"
TAKES_NO_LINKS = ("gemini", "ollama_chat")
# litellm would send the text alone.
TAKES_NONE = ("litellm/deepseek",)
SEES = [api for api in MODELS if api not in TAKES_NONE]
SEES_LINKS = [api for api in SEES if spoken(api) not in TAKES_NO_LINKS]


@pytest.fixture(scope="module")
def pictures() -> Iterator[ThreadingHTTPServer]:
	"""A server that counts requests for its pictures. There must be none."""

	class Handler(BaseHTTPRequestHandler):
		def do_GET(self) -> None:
			fetched.append(self.path)
			self.send_response(200)
			self.send_header("content-type", "image/png")
			self.end_headers()

		do_HEAD = do_GET

		def log_message(self, *_: Any) -> None:
			pass

	fetched: list[str] = []
	running = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
	running.fetched = fetched  # type: ignore[attr-defined]
	with serving(running):
		yield running


def messages(marker: str, url: str, **image: str) -> list[dict[str, Any]]:
	parts = [
		{"type": "text", "text": "What is it?"},
		{"type": "image_url", "image_url": {"url": url, **image}},
	]
	return [{"role": "system", "content": marker}, {"role": "user", "content": parts}]


def part_sent(api: str, body: dict[str, Any]) -> Any:
	"""The image in a request."""
	if spoken(api) == "gemini":
		return in_camel_case(body["contents"][0]["parts"][1])
	if spoken(api) == "ollama_chat":
		return body["messages"][1]["images"]
	if spoken(api) == "openai_responses":
		return body["input"][1]["content"][1]
	return next(m for m in body["messages"] if m["role"] == "user")["content"][1]


def expected(api: str, url: str) -> Any:
	if spoken(api) == "gemini":
		return {"inlineData": {"data": PIXEL, "mimeType": "image/png"}}
	if spoken(api) == "ollama_chat":
		return [PIXEL]
	if spoken(api) == "openai_responses":
		return {"type": "input_image", "image_url": url, "detail": "auto"}
	if spoken(api) == "anthropic":
		held = {"type": "base64", "media_type": "image/png", "data": PIXEL}
		return {"type": "image", "source": held if url == DATA else {"type": "url", "url": url}}
	return {"type": "image_url", "image_url": {"url": url}}


@pytest.mark.parametrize("api", SEES)
@pytest.mark.parametrize("tools", [None, TOOLS])
def test_an_image_in_the_message_is_sent(server: ScriptedProvider, api: str, marker: str, tools: Any) -> None:
	heard = hear(gateway(family(server, api)).stream_generate(messages(marker, DATA), tools=tools))
	assert heard.text == "Hello there."
	assert part_sent(spoken(api), server.wait_for(marker).body) == expected(spoken(api), DATA)


@pytest.mark.parametrize("api", SEES_LINKS)
def test_a_link_is_passed_on(server: ScriptedProvider, api: str, marker: str) -> None:
	one = gateway(family(server, api))
	asking = messages(marker, LINK)
	assert hear(one.stream_generate(asking)).text == "Hello there."
	assert part_sent(spoken(api), server.wait_for(marker).body) == expected(spoken(api), LINK)


@pytest.mark.parametrize("api", [api for api in SEES_LINKS if spoken(api) != "anthropic"])
def test_the_detail_of_an_image_is_passed_on(server: ScriptedProvider, api: str, marker: str) -> None:
	hear(gateway(family(server, api)).stream_generate(messages(marker, DATA, detail="low")))
	sent = part_sent(spoken(api), server.wait_for(marker).body)
	assert (sent if api == "openai_responses" else sent["image_url"])["detail"] == "low"


@pytest.mark.parametrize("api", TAKES_NONE)
def test_an_image_is_not_left_out_in_silence(server: ScriptedProvider, api: str, marker: str) -> None:
	failure = hear(gateway(family(server, api)).stream_generate(messages(marker, DATA))).failure
	assert (failure.code, failure.kind) == ("invalid_request", "no_images")
	assert server.count(marker) == 0


@pytest.mark.parametrize("api", TAKES_NO_LINKS)
def test_who_takes_no_link_is_not_asked(server: ScriptedProvider, api: str, marker: str) -> None:
	one = gateway(family(server, api), family(server, "openai", name="next"))
	heard = hear(one.stream_generate(messages(marker, LINK), preferred_provider=api))
	assert heard.fallbacks[0].failed.error == "invalid_request"
	failure = hear(gateway(family(server, api)).stream_generate(messages(marker, LINK))).failure
	assert str(failure) == f"{MODELS[api]} of {api} takes no links to images; send each as a data: URL."
	assert server.count(marker) == 1


@pytest.mark.parametrize("api", MODELS)
def test_nothing_is_fetched(server: ScriptedProvider, pictures: Any, api: str, marker: str) -> None:
	port = pictures.server_address[1]
	answers = {"role": "tool", "tool_call_id": "abc000001"}
	call = {"id": "abc000001", "type": "function", "function": {"name": "read", "arguments": "{}"}}
	for url in (
		f"http://127.0.0.1:{port}/a.png",
		f"http://127.0.0.1:{port}/a",
		f"http://localhost:{port}/base64.png",
	):
		asking = messages(marker, url, detail="high")
		turn = [
			*messages(marker, DATA),
			{"role": "assistant", "content": None, "tool_calls": [call]},
			{**answers, "content": [{"type": "text", "text": "x"}, asking[1]["content"][1]]},
		]
		for turns in (asking, turn):
			one = gateway(family(server, api))
			hear(one.stream_generate(turns, tools=TOOLS))
	assert pictures.fetched == []


def test_where_litellm_would_fetch_it_may_not(pictures: Any) -> None:
	litellm = client.load()
	from litellm.litellm_core_utils import token_counter
	from litellm.litellm_core_utils.prompt_templates import factory, image_handling

	url = f"http://127.0.0.1:{pictures.server_address[1]}/a.png"
	for convert in (
		image_handling.convert_url_to_base64,
		factory.BedrockImageProcessor.get_image_details,
		factory.create_anthropic_image_param,
		factory.convert_to_ollama_image,
	):
		with pytest.raises(litellm.ImageFetchError):
			convert(url)
	with pytest.raises(ValueError):
		token_counter.get_image_dimensions(url)
	assert pictures.fetched == []
