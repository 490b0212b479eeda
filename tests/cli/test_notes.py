"""Tests what the command line prints besides the text of an answer."""

from types import SimpleNamespace
from typing import Any

import click
import pytest
from click.testing import CliRunner

from ai_assistant.cli import actions
from ai_assistant.cli.conversation import converse
from ai_assistant.cli.errors import as_click_error
from ai_assistant.cli.program import main
from ai_assistant.client import ApiError

EVIL = "\x1b[2J\x1b]0;title\x07gone"


@pytest.mark.parametrize(
	("trimmed", "expected"),
	[
		(
			{"tool_results": 34, "tokens": 61_200},
			[
				"Left out: 34 results of tools, about 61200 tokens, because the model's context window is full."
			],
		),
		({"tool_results": 1, "tokens": 90}, ["Left out: 1 result of tools, about 90 tokens"]),
		(None, []),
	],
)
def test_what_was_left_out_of_the_conversation_is_said(
	trimmed: dict[str, int] | None, expected: list[str]
) -> None:
	answer: dict[str, Any] = {"status": "completed", "model": "m", "provider": "p", "usage": None}
	answer["realtime"] = {"last_seq": 0}
	if trimmed:
		answer["trimmed"] = trimmed
	stream: Any = SimpleNamespace(answer=answer, read_back=0)
	code, lines = actions.verdict(stream, [], 1.0)
	assert code == actions.SUCCESS and len(lines) == len(expected) + 1
	assert all(line.startswith(start) for line, start in zip(lines, expected, strict=False))


class Failed(list[dict[str, Any]]):
	"""A chat without events, whose site answers with control characters."""

	request_id = "request-1"
	answer: dict[str, Any] = {"status": "failed", "response": "", "error": {"message": EVIL}}  # noqa: RUF012


def test_a_site_cannot_control_the_terminal(capsys: pytest.CaptureFixture[str]) -> None:
	client: Any = SimpleNamespace(chat=lambda _messages, **_fields: Failed())
	assert converse(client, "hello", None, True, {}) == actions.FAILED
	assert capsys.readouterr().err == "✗ [2J]0;titlegone\n"
	with pytest.raises(click.ClickException) as refused, as_click_error():
		raise ApiError(417, {"message": EVIL})
	assert refused.value.message == r"\x1b[2J\x1b]0;title\x07gone (HTTP 417)"


def test_a_site_cannot_forge_a_line_of_an_error() -> None:
	with pytest.raises(click.ClickException) as refused, as_click_error():
		raise ApiError(417, {"message": "no\n✓ all is well"})
	assert refused.value.message == r"no\n✓ all is well (HTTP 417)"


def test_the_name_of_a_check_cannot_control_the_terminal(
	capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
	monkeypatch.setattr("sys.stderr.isatty", lambda: True)
	actions._show_progress(EVIL)
	assert EVIL not in capsys.readouterr().err


def test_a_wrong_url_is_refused_although_the_site_is_named() -> None:
	arguments = ["doctor", "--url", "http://[::1", "--site", "x", "--token", "a:b"]
	result = CliRunner().invoke(main, arguments)
	assert result.exit_code == 1 and "--url accepts an address such as" in result.output
