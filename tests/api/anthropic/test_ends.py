"""Tests the ends of messages that Anthropic's API documents, with an Anthropic provider behind the site."""

from typing import Any

import pytest

from tests.support import script, unique
from tests.support.provider import ScriptedProvider
from tests.support.site import Site
from tests.support.v1 import ask, events, streaming

MODEL = "claude-sonnet-4-5"


def body(*steps: dict[str, Any], **more: Any) -> dict[str, Any]:
	return {
		"model": MODEL,
		"max_tokens": 100,
		"messages": [{"role": "user", "content": script(*steps)}],
		**more,
	}


@pytest.mark.parametrize("streams", [False, True])
def test_the_sequence_at_which_anthropic_stopped_reaches_the_client(site: Site, streams: bool) -> None:
	end = {"finish": "stop_sequence", "stop_sequence": "END"}
	sent = body({"text": "Until here "}, end, stop_sequences=["END", "STOP"])
	if streams:
		with streaming(site, "/messages", sent) as response:
			message = next(data["delta"] for name, data in events(response) if name == "message_delta")
	else:
		message = ask(site, "/messages", sent).json()
	assert (message["stop_reason"], message["stop_sequence"]) == ("stop_sequence", "END")


def test_a_cache_is_warmed_with_one_token_and_an_empty_message(
	site: Site, provider: ScriptedProvider
) -> None:
	marker = unique("marker")
	system = [{"type": "text", "text": marker, "cache_control": {"type": "ephemeral"}}]
	message = ask(
		site, "/messages", body({"text": "So"}, {"finish": "length"}, max_tokens=0, system=system)
	).json()
	assert (message["content"], message["stop_reason"]) == ([], "max_tokens")
	asked = provider.wait_for(marker).body
	assert asked["max_tokens"] == 1 and asked["system"][0]["cache_control"] == {"type": "ephemeral"}
