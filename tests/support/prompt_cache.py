"""A provider's prompt cache: how much of a request it has seen before.

The cache knows a prompt by its blocks (tools, system prompt, messages). As Anthropic does, it keeps the beginnings that end
at a marker and finds one in the 20 blocks before a marker; as the others do, it finds the longest beginning of any request.
"""

import hashlib
import json
from typing import Any

LOOK_BACK = 20
MAX_MARKERS = 4


class PromptCache:
	"""What one key of a provider has cached.

	Args:
		has_markers: whether a beginning is kept only up to a marker (`cache_control`), as at Anthropic.
	"""

	def __init__(self, has_markers: bool) -> None:
		self._has_markers = has_markers
		self._beginnings: set[str] = set()

	def look(self, body: dict[str, Any]) -> tuple[int, int, int]:
		"""Caches a request.

		Returns: the tokens of its prompt, of those the ones that were in the cache, and those that are written to it.
		"""
		blocks = _blocks(body)
		plain = [json.dumps(_unmarked(block)) for block in blocks]
		sizes = [len(text) // 4 for text in plain]
		beginnings, hashed = [], hashlib.sha256()
		for text in plain:
			hashed.update(text.encode())
			beginnings.append(hashed.hexdigest())
		read, write = self._read_and_written(["cache_control" in block for block in blocks], beginnings)
		prompt, cached = sum(sizes), sum(sizes[:read])
		return prompt, cached, max(0, sum(sizes[:write]) - cached)

	def _read_and_written(self, marked: list[bool], beginnings: list[str]) -> tuple[int, int]:
		"""Returns how many blocks are read from the cache, and up to which block it is written."""
		if not self._has_markers:
			known = [n + 1 for n, beginning in enumerate(beginnings) if beginning in self._beginnings]
			self._beginnings.update(beginnings)
			return max(known, default=0), 0
		markers = [n for n, mark in enumerate(marked) if mark]
		assert len(markers) <= MAX_MARKERS, "Anthropic refuses more than four markers"
		searched = {n for marker in markers for n in range(max(0, marker - LOOK_BACK + 1), marker + 1)}
		read = max((n + 1 for n in searched if beginnings[n] in self._beginnings), default=0)
		self._beginnings.update(beginnings[n] for n in markers)
		return read, max((n + 1 for n in markers), default=0)


def _blocks(body: dict[str, Any]) -> list[dict[str, Any]]:
	system = body.get("system") or body.get("systemInstruction")
	blocks = [*body.get("tools", ()), *([system] if isinstance(system, dict) else system or ())]
	for message in body.get("messages") or body.get("contents") or body.get("input") or ():
		content = message.get("content")
		blocks += content if isinstance(content, list) else [message]
	return blocks


def _unmarked(block: dict[str, Any]) -> dict[str, Any]:
	return {name: value for name, value in block.items() if name != "cache_control"}
