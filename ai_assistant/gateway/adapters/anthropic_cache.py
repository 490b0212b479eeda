"""Marks the blocks of a request up to which Anthropic caches it.

There are at most four markers: the end of the tools and the system prompt, the end of the history before this turn, an
anchor in a long history, and the last message. The API looks for a cached
beginning only in the 20 blocks before a marker. Without an anchor it would not find the beginning that it cached a few
rounds earlier.
"""

import json
from collections.abc import Iterator
from typing import Any

from .. import models
from ..caching import MARKER
from ..usage import estimated_tokens
from .anthropic_stream import THINKING

MOST = 4
# Messages between two anchors.
ANCHOR = 15
# The shortest prompt that the API caches, for a model that is not listed.
MIN_TOKENS = 1024


def mark(sent: dict[str, Any], setting: str, listed: models.Entry) -> None:
	"""Sets the markers in the body of a request.

	If the client has set markers, its last four markers stay, and the app sets none.

	Args:
		sent: the body, with `messages` and perhaps `system` and `tools`.
		setting: how long the tools and the system prompt are kept: `5m`, `1h` or `off`. The messages are kept for 5 minutes.
		listed: what is known of the model.
	"""
	own = [block for block in _blocks(sent) if MARKER in block]
	for block in own[:-MOST]:
		del block[MARKER]
	if own or setting == "off" or listed.get("supports_prompt_caching") is False:
		return
	if not _has_tokens(sent, listed.get("prompt_cache_min_tokens") or MIN_TOKENS):
		return
	short = {"type": "ephemeral"}
	stable = {**short, "ttl": "1h"} if setting == "1h" else short
	for block in (sent.get("system") or sent.get("tools") or [])[-1:]:
		block[MARKER] = stable
	messages = sent["messages"]
	for index in sorted({_history_end(messages), _anchor(messages), len(messages) - 1}):
		if index >= 0 and (last := _last_markable(messages[index])):
			last[MARKER] = short


def _has_tokens(sent: dict[str, Any], minimum: int) -> bool:
	"""Whether a request has at least `minimum` tokens, estimated from its length. It stops reading once that is certain."""
	size = 0
	for part in (sent.get("tools") or (), sent.get("system") or (), *sent["messages"]):
		size += len(json.dumps(part))
		if estimated_tokens(size) >= minimum:
			return True
	return False


def _blocks(sent: dict[str, Any]) -> Iterator[dict[str, Any]]:
	yield from sent.get("tools") or ()
	yield from sent.get("system") or ()
	for message in sent["messages"]:
		yield from message["content"]


def _history_end(messages: list[dict[str, Any]]) -> int:
	"""Returns the index of the last message before this turn, -1 if there is none.

	A turn begins with the last message in which the user writes something.
	"""
	for index in range(len(messages) - 1, -1, -1):
		message = messages[index]
		if message["role"] == "user" and any(block["type"] != "tool_result" for block in message["content"]):
			return index - 1
	return -1


def _anchor(messages: list[dict[str, Any]]) -> int:
	"""Returns the index of the last message before the newest whose number is a multiple of 15; -1 if there is none."""
	return (len(messages) - 1) // ANCHOR * ANCHOR - 1


def _last_markable(message: dict[str, Any]) -> dict[str, Any] | None:
	"""Returns the last block that takes a marker: a thought takes none, and an empty text is refused."""
	return next((block for block in reversed(message["content"]) if block["type"] not in THINKING), None)
