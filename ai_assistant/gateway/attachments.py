"""The documents and the audio of a question: which providers accept them, and their data.

They are parts of a user's message, as in the OpenAI chat API: `file` with a PDF as a data URL, and `input_audio` with
base64.
"""

from typing import Any

from . import model_info
from .chunks import Ask, Provider

# By the type of a part: the APIs that do not accept it.
LACK = {
	"file": frozenset(("ollama", "ollama_chat")),
	"input_audio": frozenset(("anthropic", "openai_responses", "ollama", "ollama_chat")),
}


def refusal(provider: Provider, ask: Ask) -> str | None:
	"""Returns the kind of error of a part that the API or the model does not accept; None if there is no such part."""
	kinds = ask.part_types
	if "file" in kinds and (provider.api in LACK["file"] or _cannot_read(provider, ask.model)):
		return "no_documents"
	return "no_audio" if "input_audio" in kinds and provider.api in LACK["input_audio"] else None


def _cannot_read(provider: Provider, model: str) -> bool:
	# OpenRouter reads documents itself for models that cannot.
	return provider.api != "openrouter" and model_info.known(provider, model).documents is False


def data_of(part: dict[str, Any]) -> tuple[str, str]:
	"""Returns the media type and the base64 of a document, of audio, or of an image that is no link."""
	if part["type"] == "input_audio":
		return f"audio/{part['input_audio']['format']}", part["input_audio"]["data"]
	url: str = part["image_url"]["url"] if part["type"] == "image_url" else part["file"]["file_data"]
	kind, _, data = url.removeprefix("data:").partition(";base64,")
	return kind, data
