"""Restores the continuation of clients that do not send it back.

A provider signs its thoughts and wants them back with the answers to its tool calls (`gateway.continuation`). Most editors
keep the calls and drop the rest. The calls have ids, by which the site finds the answer that they came with.
"""

import hashlib
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import frappe

from ai_assistant import store

from .messages import MAX_CONTINUATION
from .request import ChatRequest

# How long a continuation is remembered, in seconds, on a site that keeps no content.
REMEMBERED_S = 3600


def key_of(calls: list[dict[str, Any]] | None) -> str | None:
	"""The key of an answer by its tool calls: a hash of the first one's id. None without calls."""
	return hashlib.sha256(calls[0]["id"].encode()).hexdigest() if calls else None


def remember(user: str, row: Mapping[str, Any]) -> None:
	"""Remembers the continuation of an ended request for a while, in memory, where its row does not keep it.

	Args:
		row: The values of the request at its end.
	"""
	if row.get("continuation") and row.get("call_key"):
		frappe.cache.set_value(
			_cached(user, row["call_key"]), row["continuation"], expires_in_sec=REMEMBERED_S
		)


def restore(request: ChatRequest, user: str) -> ChatRequest:
	"""Returns the request with the continuation of each assistant message that has tool calls and came without one.

	The newest come first, up to the size that a request may have of them.
	"""
	keys: dict[int, str] = {}
	for n, message in enumerate(request.messages):
		key = key_of(message.get("tool_calls"))
		if key and not message.get("continuation"):
			keys[n] = key
	if not keys:
		return request
	known = store.current().continuations(user, list(keys.values()))
	messages, room = list(request.messages), MAX_CONTINUATION
	for n, key in reversed(keys.items()):
		# With `expires`, Frappe does not remember for the rest of the request that there is none.
		continuation = known.get(key) or frappe.cache.get_value(_cached(user, key), expires=True)
		room -= len(continuation or "")
		if room < 0:
			break
		if continuation:
			messages[n] = {**messages[n], "continuation": continuation}
	return replace(request, messages=messages)


def _cached(user: str, key: str) -> str:
	return f"ai_assistant:continuation:{user}:{key}"
