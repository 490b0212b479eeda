"""Marks the blocks at which the cached part of a request to Anthropic ends.

There are at most four markers: the end of the tools and the system prompt, the end of the history before this turn, an
anchor in a long history, and the last message. The API looks for a cached
beginning only in the 20 blocks before a marker. Without an anchor it would not find the beginning that it cached a few
rounds earlier.
"""

import json
from itertools import accumulate
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
	tools, system, messages = sent.get("tools") or [], sent.get("system") or [], sent["messages"]
	contents = (tools, system, *(message["content"] for message in messages))
	own = [block for blocks in contents for block in blocks if MARKER in block]
	for block in own[:-MOST]:
		del block[MARKER]
	if own or setting == "off" or listed.get("supports_prompt_caching") is False:
		return
	minimum = listed.get("prompt_cache_min_tokens") or MIN_TOKENS
	# The tokens are estimated. No more is read once it is certain that there are enough.
	sizes = accumulate(len(json.dumps(part)) for part in (tools, system, *messages))
	if not any(estimated_tokens(size) >= minimum for size in sizes):
		return
	short = {"type": "ephemeral"}
	for block in (system or tools)[-1:]:
		block[MARKER] = {**short, "ttl": "1h"} if setting == "1h" else short
	newest = len(messages) - 1
	# The last message before the newest whose number is a multiple of 15.
	anchor = newest // ANCHOR * ANCHOR - 1
	for index in {_history_end(messages), anchor, newest}:
		if index >= 0:
			# A thought takes no marker.
			markable = [block for block in messages[index]["content"] if block["type"] not in THINKING]
			for block in markable[-1:]:
				block[MARKER] = short


def _history_end(messages: list[dict[str, Any]]) -> int:
	"""Returns the index of the last message before this turn, -1 if there is none.

	A turn begins with the last message in which the user writes something.
	"""
	for index in range(len(messages) - 1, -1, -1):
		message = messages[index]
		if message["role"] == "user" and any(block["type"] != "tool_result" for block in message["content"]):
			return index - 1
	return -1
