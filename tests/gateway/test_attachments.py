"""Documents and audio are sent in each API's own form, and refused before asking where they are not taken."""

from typing import Any

import pytest

from ai_assistant.gateway import ModelInfo
from tests.support.provider import ScriptedProvider

from .asking import family, gateway, hear

PDF, SOUND = "JVBERi0xLjQ=", "UklGRg=="
FILE = {
	"type": "file",
	"file": {"filename": "a.pdf", "file_data": f"data:application/pdf;base64,{PDF}"},
}
AUDIO = {"type": "input_audio", "input_audio": {"data": SOUND, "format": "wav"}}
SENT_FILE: dict[str, dict[str, Any]] = {
	"openai": FILE,
	"openrouter": FILE,
	"mistral": {
		"type": "document_url",
		"document_url": f"data:application/pdf;base64,{PDF}",
		"document_name": "a.pdf",
	},
	"openai_responses": {"type": "input_file", **FILE["file"]},  # type: ignore[dict-item]
	"anthropic": {
		"type": "document",
		"source": {"type": "base64", "media_type": "application/pdf", "data": PDF},
		"title": "a.pdf",
	},
	"gemini": {"inlineData": {"mimeType": "application/pdf", "data": PDF}},
}
SENT_AUDIO: dict[str, dict[str, Any]] = {
	"openai": AUDIO,
	"mistral": {"type": "input_audio", "input_audio": SOUND},
	"gemini": {"inlineData": {"mimeType": "audio/wav", "data": SOUND}},
}
MODELS = {"mistral": "a-model", "openai": "a-model"}


def messages(marker: str, part: dict[str, Any]) -> list[dict[str, Any]]:
	parts = [{"type": "text", "text": "What is in it?"}, part]
	return [{"role": "system", "content": marker}, {"role": "user", "content": parts}]


def part_sent(body: dict[str, Any]) -> Any:
	"""The second part of the user's message in a request."""
	turns = body.get("messages") or body.get("input") or body["contents"]
	last = turns[-1]
	return {
		name: value
		for name, value in (last.get("parts") or last["content"])[1].items()
		if name != "cache_control"
	}


@pytest.mark.parametrize("api", SENT_FILE)
def test_a_document_is_sent(server: ScriptedProvider, api: str, marker: str) -> None:
	provider = family(server, api, **({"default_model": MODELS[api]} if api in MODELS else {}))
	assert hear(gateway(provider).stream_generate(messages(marker, FILE))).text == "Hello there."
	assert part_sent(server.wait_for(marker).body) == SENT_FILE[api]


@pytest.mark.parametrize("api", SENT_AUDIO)
def test_audio_is_sent(server: ScriptedProvider, api: str, marker: str) -> None:
	provider = family(server, api, **({"default_model": MODELS[api]} if api in MODELS else {}))
	assert hear(gateway(provider).stream_generate(messages(marker, AUDIO))).text == "Hello there."
	assert part_sent(server.wait_for(marker).body) == SENT_AUDIO[api]


@pytest.mark.parametrize(
	("api", "part", "kind"),
	[
		("ollama_chat", FILE, "no_documents"),
		("ollama_chat", AUDIO, "no_audio"),
		("anthropic", AUDIO, "no_audio"),
		("openai_responses", AUDIO, "no_audio"),
	],
)
def test_who_has_no_form_for_a_part_is_not_asked(
	server: ScriptedProvider, api: str, part: dict[str, Any], kind: str, marker: str
) -> None:
	failure = hear(gateway(family(server, api)).stream_generate(messages(marker, part))).failure
	assert (failure.kind, failure.code) == (kind, "invalid_request")
	assert server.count(marker) == 0
	both = gateway(family(server, api), family(server, "gemini", name="next"))
	assert hear(both.stream_generate(messages(marker, part), api)).completion.provider == "next"


def test_a_model_that_takes_no_documents_is_not_asked(server: ScriptedProvider, marker: str) -> None:
	provider = family(server, "openai", details={"m1": ModelInfo(documents=False)})
	failure = hear(gateway(provider).stream_generate(messages(marker, FILE))).failure
	assert failure.kind == "no_documents"
	assert str(failure) == "m1 of openai takes no documents; choose another model or send none."
	assert server.count(marker) == 0
