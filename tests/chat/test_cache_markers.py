"""Tests which cache markers of a message are taken and which are refused."""

from typing import Any

import pytest

from ai_assistant.chat.errors import ChatError
from ai_assistant.chat.messages import (
	messages_of,
	with_system_prompt,
)
from ai_assistant.chat.tools import tools_of

from .test_messages import LIMITS


def test_a_system_prompt_with_cache_markers_stays_in_its_parts() -> None:
	mark = {"cache_control": {"type": "ephemeral"}}
	marked = [{"type": "text", "text": "Rules.", **mark}, {"type": "text", "text": "Mind."}]
	messages = [{"role": "system", "content": marked}, {"role": "system", "content": "More."}]
	(system,) = with_system_prompt("Be brief.", messages)
	texts = ["Be brief.", "Rules.", "Mind.", "More."]
	assert [part["text"] for part in system["content"]] == texts
	assert [part.get("cache_control") for part in system["content"]] == [
		None,
		mark["cache_control"],
		None,
		None,
	]


@pytest.mark.parametrize(
	("marker", "stored"),
	[
		({"type": "ephemeral"}, {"type": "ephemeral"}),
		({"type": "ephemeral", "ttl": "1h", "more": 1}, {"type": "ephemeral", "ttl": "1h"}),
		(None, None),
	],
)
def test_a_cache_marker_is_kept(marker: Any, stored: Any) -> None:
	part = {"type": "text", "text": "Hi", "cache_control": marker}
	(message,) = messages_of([{"role": "user", "content": [part]}], *LIMITS)
	assert message["content"][0].get("cache_control") == stored
	tool = {"type": "function", "function": {"name": "read"}, "cache_control": marker}
	assert (tools_of([tool]) or [{}])[0].get("cache_control") == stored


@pytest.mark.parametrize("marker", [5, {}, {"type": "forever"}, {"type": "ephemeral", "ttl": "2h"}, []])
def test_a_cache_marker_that_is_none_is_refused(marker: Any) -> None:
	part = {"type": "text", "text": "Hi", "cache_control": marker}
	with pytest.raises(ChatError, match=r"messages\[0\]\.content\[0\]\.cache_control"):
		messages_of([{"role": "user", "content": [part]}], *LIMITS)
