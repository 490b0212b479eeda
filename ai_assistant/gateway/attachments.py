"""The parts of a message's content, and the data of documents, audio and images.

These are parts of a user's message, as in the OpenAI chat API: `file` with a PDF as a data URL, and `input_audio` with
base64.
"""

from typing import Any

Parts = list[dict[str, Any]]


def parts_of(content: str | Parts | None) -> Parts:
	"""Returns the content of a message as a list of parts, a single one if the content is a text."""
	return [{"type": "text", "text": content}] if isinstance(content, str) else content or []


def data_of(part: dict[str, Any]) -> tuple[str, str]:
	"""Returns the media type and the base64 of a document, of audio, or of an image that is no link."""
	if part["type"] == "input_audio":
		return f"audio/{part['input_audio']['format']}", part["input_audio"]["data"]
	url: str = part["image_url"]["url"] if part["type"] == "image_url" else part["file"]["file_data"]
	kind, _, data = url.removeprefix("data:").partition(";base64,")
	return kind, data
