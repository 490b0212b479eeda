"""What is written for providers is JSON in UTF-8, whatever a text holds."""

import json

import pytest

from ai_assistant.gateway import strict_json


@pytest.mark.parametrize(
	"value",
	['é\u2028\x00"\\', {"a": [None, True, 10**40, 1.5, {}], "é": ""}, "half \ud800 a pair", ["\udc00"]],
)
def test_what_is_written_is_read_again(value: object) -> None:
	assert json.loads(strict_json.dumps(value).decode()) == value


def test_other_characters_than_ascii_are_not_escaped() -> None:
	assert strict_json.dumps("é") == '"é"'.encode()
