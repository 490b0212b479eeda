"""Steps of a script that are errors in a stream, and the answers to them."""

import json
from typing import Any

from tests.support.provider import ScriptedProvider
from tests.support.wire import Step

from .asking import Heard, family, gateway, hear, scripted, spoken

OPENROUTER = ("openrouter", "litellm/openrouter")


def answer(server: ScriptedProvider, api: str, script: list[Step], **asking: Any) -> Heard:
	return hear(gateway(family(server, api, name="p")).stream_generate(scripted(script), **asking))


def error_step(api: str, body: dict[str, Any]) -> Step:
	"""An object in the stream of a family."""
	name = f"event: {body['type']}\n" if "type" in body else ""
	line = json.dumps(body)
	return {"raw": f"{line}\n" if spoken(api) == "ollama_chat" else f"{name}data: {line}\n\n"}
