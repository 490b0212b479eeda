"""The log lines that operators look for, and that no value can forge."""

import logging
import re

from hypothesis import given
from hypothesis import strategies as st

from ai_assistant import log


@given(st.text(min_size=1))
def test_no_value_can_end_the_line_or_look_like_the_next_field(value: str) -> None:
	line = log.fields(task=value, user="a@example.com")
	assert len(line.splitlines()) == 1
	assert line.endswith(" user=a@example.com")
	assert re.fullmatch(r"task=\S*", line.removesuffix(" user=a@example.com"))
	assert line.count("=") == 2


def test_ids_as_they_usually_are_stay_readable() -> None:
	line = log.fields(task="Chat-7/ü", user="a@example.com", seq=3)
	assert line == "task=Chat-7/ü user=a@example.com seq=3"


def test_the_level_an_operator_sets_is_left_alone() -> None:
	logger = log.logger()
	assert logger.level == logging.INFO
	try:
		logger.setLevel(logging.DEBUG)
		assert log.logger().level == logging.DEBUG
	finally:
		logger.setLevel(logging.INFO)
