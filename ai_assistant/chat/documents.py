"""Validates the documents and the audio in a message: the parts `file` and `input_audio` of the OpenAI chat API."""

import re
from typing import Any

from frappe import _

from .errors import invalid
from .validators import decoded, one_of

MAX_FILES, MAX_FILE_MB = 20, 5
PDF = re.compile(r"data:application/pdf[^,]{0,100};base64,")
PDF_BEGINS = b"%PDF-"
DATA_URL = re.compile(r"data:[^,]{0,200};base64,")
FORMATS = ("wav", "mp3")
DEFAULT_NAME = "document.pdf"
NAME = re.compile(r"[^\x00-\x1f\x7f]{1,255}")
FILE = '{"type": "file", "file": {"filename", "file_data"}}'
AUDIO = '{"type": "input_audio", "input_audio": {"data", "format"}}'


def part_of(part: dict[str, Any], where: str) -> dict[str, Any]:
	"""Validates a part whose type is `file` or `input_audio`.

	Returns:
		The part with its known fields. A file without a name gets one, because OpenAI refuses it without.

	Raises:
		ChatError: `invalid_request`.
	"""
	kind = part["type"]
	content = part.get(kind)
	if not isinstance(content, dict):
		raise invalid(_("{0} accepts an object {1}."), where, FILE if kind == "file" else AUDIO)
	where = f"{where}.{kind}"
	if kind == "file":
		return {"type": kind, kind: _file(content, where)}
	named = one_of(content.get("format"), f"{where}.format", FORMATS)
	if not _decoded(content.get("data")):
		raise invalid(_("{0} accepts at most {1} MB of audio as base64."), f"{where}.data", MAX_FILE_MB)
	return {"type": kind, kind: {"data": content["data"], "format": named}}


def data_of(part: Any) -> Any:
	"""Returns the data of a part that has not been validated, if it is a document or audio."""
	kind = part.get("type") if isinstance(part, dict) else None
	content = part.get(kind) if kind in ("file", "input_audio") else None
	return content.get("file_data" if kind == "file" else "data") if isinstance(content, dict) else None


def text_of(url: str) -> str | None:
	"""Returns the text of a data URL with a file in UTF-8, None for any other file."""
	head = DATA_URL.match(url)
	content = _decoded(url[head.end() :]) if head else b""
	try:
		text = content.decode("utf-8-sig")
	except UnicodeDecodeError:
		return None
	# Text has no NUL, but the header of many binary files does.
	return None if not text or "\0" in text else text


def _file(content: dict[str, Any], where: str) -> dict[str, str]:
	url, name = content.get("file_data"), content.get("filename")
	head = PDF.match(url) if isinstance(url, str) else None
	data = head.string[head.end() :] if head else ""
	if not _decoded(data).startswith(PDF_BEGINS):
		raise invalid(
			_("{0} accepts a data URL with the base64 of a PDF of at most {1} MB."),
			f"{where}.file_data",
			MAX_FILE_MB,
		)
	filename = name if isinstance(name, str) and NAME.fullmatch(name) else DEFAULT_NAME
	return {"filename": filename, "file_data": f"data:application/pdf;base64,{data}"}


def _decoded(data: Any) -> bytes:
	"""Decodes base64 of at most MAX_FILE_MB; empty for anything else."""
	fits = isinstance(data, str) and len(data) <= MAX_FILE_MB * 2**20 * 4 // 3 + 4
	return decoded(data) if fits else b""
