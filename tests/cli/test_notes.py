"""Tests what the command line prints of an answer besides its text."""

from types import SimpleNamespace
from typing import Any

import pytest

from ai_assistant.cli import actions


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
