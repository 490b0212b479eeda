"""What `ai-assistant chat` does with a call of a tool of the site that needs approval."""

from types import SimpleNamespace
from typing import Any

import click
import pytest

from ai_assistant.cli import conversation
from ai_assistant.cli.terminal import Answer
from ai_assistant.client import ApiError

ASKED = {
	"type": "tool_approval",
	"text": "",
	"name": "add_task",
	"arguments": '{"description": "Call Ann"}',
	"approval": "3f0c5a1b2c3d4e5f",
}
RAN = {**ASKED, "type": "tool_result", "outcome": "ok", "text": "x" * 1000}


class Stream(list[dict[str, Any]]):
	request_id = "request-1"


def decided(
	monkeypatch: pytest.MonkeyPatch, is_terminal: bool, answer: bool = True, as_json: bool = False
) -> list[dict[str, Any]]:
	"""Returns what was sent to `approve`."""
	sent: list[dict[str, Any]] = []

	def post(method: str, **fields: Any) -> None:
		assert method == "approve"
		sent.append(fields)
		raise ApiError(409, {"error": {"message": "too late"}})

	monkeypatch.setattr(conversation.sys, "stdin", SimpleNamespace(isatty=lambda: is_terminal))
	monkeypatch.setattr(click, "confirm", lambda *_text, **_options: answer)
	events = [*conversation._decided(SimpleNamespace(post=post), Stream([ASKED, RAN]), as_json)]  # type: ignore[arg-type]
	assert events == [ASKED, RAN]
	return sent


@pytest.mark.parametrize("answer", [True, False])
def test_a_person_decides_in_the_terminal(monkeypatch: pytest.MonkeyPatch, answer: bool) -> None:
	(sent,) = decided(monkeypatch, True, answer)
	assert sent == {"request_id": "request-1", "approval": ASKED["approval"], "approved": answer}


@pytest.mark.parametrize(("is_terminal", "as_json"), [(False, False), (True, True)])
def test_without_a_person_it_is_refused(
	monkeypatch: pytest.MonkeyPatch, is_terminal: bool, as_json: bool
) -> None:
	(sent,) = decided(monkeypatch, is_terminal, True, as_json)
	assert sent["approved"] is False


def test_the_call_is_shown_and_its_result_is_not() -> None:
	assert Answer().shown(ASKED) == '\n🔧 add_task {"description": "Call Ann"}\n'
	assert Answer().shown(RAN) == '\n🗂 add_task {"description": "Call Ann"} → ok\n'
