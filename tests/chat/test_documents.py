"""Tests documents and audio in messages: valid ones stay unchanged, wrong ones are refused by name."""

from base64 import b64encode
from typing import Any

import pytest

from ai_assistant.chat.documents import MAX_FILE_MB, MAX_FILES
from ai_assistant.chat.errors import ChatError
from ai_assistant.chat.messages import MAX_IMAGE_CHARS, messages_of

from .test_messages import LIMITS

PDF = b64encode(b"%PDF-1.4\n").decode()
URL = f"data:application/pdf;base64,{PDF}"
SOUND = b64encode(b"RIFF").decode()
LARGE = b64encode(b"%PDF-" + bytes(MAX_FILE_MB * 2**20)).decode()


def user_message(*parts: Any, role: str = "user") -> list[dict[str, Any]]:
	return [{"role": role, "content": [{"type": "text", "text": "?"}, *parts]}]


def file(**fields: Any) -> dict[str, Any]:
	return {"type": "file", "file": {"filename": "a.pdf", "file_data": URL, **fields}}


def audio(**fields: Any) -> dict[str, Any]:
	return {"type": "input_audio", "input_audio": {"data": SOUND, "format": "wav", **fields}}


@pytest.mark.parametrize("part", [file(), audio(), audio(format="mp3")])
def test_a_document_and_audio_stay_as_they_were_sent(part: dict[str, Any]) -> None:
	assert messages_of(user_message({**part, "unknown": 1}), *LIMITS)[0]["content"][1] == part


def test_a_document_has_a_name_and_its_type_alone() -> None:
	parts = [
		file(filename=None),
		file(filename="a\nb"),
		file(file_data=URL.replace("pdf;", "pdf;name=b;")),
		{**file(), "cache_control": {"type": "ephemeral"}},
	]
	taken = messages_of(user_message(*parts), *LIMITS)[0]["content"][1:]
	assert [part["file"]["filename"] for part in taken] == ["document.pdf", "document.pdf", "a.pdf", "a.pdf"]
	assert {part["file"]["file_data"] for part in taken} == {URL}
	assert taken[3]["cache_control"] == {"type": "ephemeral"}


@pytest.mark.parametrize(
	("parts", "message"),
	[
		([{"type": "file"}], r'content\[1\] accepts an object {"type": "file"'),
		(
			[{"type": "input_audio", "input_audio": "x"}],
			r'content\[1\] accepts an object {"type": "input_audio"',
		),
		(
			[file(file_data=None)],
			r"file\.file_data accepts a data URL with the base64 of a PDF of at most 5 MB",
		),
		([file(file_data="https://example.com/a.pdf")], r"file\.file_data accepts a data URL"),
		([file(file_data="data:application/pdf;base64,!")], r"file\.file_data accepts a data URL"),
		([file(file_data=f"data:application/pdf;base64,{SOUND}")], r"file\.file_data accepts a data URL"),
		([file(file_data=f"data:application/pdf;base64,{LARGE}")], r"file\.file_data accepts a data URL"),
		([audio(data="")], r"input_audio\.data accepts at most 5 MB of audio as base64"),
		([audio(data=LARGE)], r"input_audio\.data accepts at most 5 MB of audio as base64"),
		([audio(format="exe")], r"input_audio\.format accepts one of"),
		([file()] * (MAX_FILES + 1), f"at most {MAX_FILES} files in all; these are 21"),
		([file(file_data="x" * MAX_IMAGE_CHARS), audio()], "characters of images and files in all"),
	],
)
def test_what_is_no_document_and_no_audio_is_refused(parts: list[Any], message: str) -> None:
	with pytest.raises(ChatError, match=message) as refused:
		messages_of(user_message(*parts), *LIMITS)
	assert refused.value.code == "invalid_request"


@pytest.mark.parametrize("role", ["system", "assistant"])
def test_only_a_user_sends_documents(role: str) -> None:
	with pytest.raises(ChatError, match=r"content\[1\] accepts an object"):
		messages_of(user_message(file(), role=role), *LIMITS)
