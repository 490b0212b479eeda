"""Restores the continuation for clients that do not send it. A continuation is data of the last answer, such as signed
reasoning, that the provider needs in the next request.

A provider signs its reasoning and wants it back together with the results of its tool calls (`gateway.continuation`).
Most editors send back only the tool calls. Their ids identify the stored answer with the continuation.
"""

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import frappe

from ai_assistant import store
from ai_assistant.config import forms
from ai_assistant.gateway.strict_json import object_of

from .messages import MAX_CONTINUATION
from .request import ChatRequest

# How long a continuation is remembered, in seconds, on a site that keeps no content.
REMEMBERED_S = 3600
# The id of a call is unique if it has so many letters and digits, and does not end with a short number.
MIN_UNIQUE_CHARS, NUMBERED = 8, re.compile(r"[:_.-][0-9]{1,4}$")


def key_of(calls: list[dict[str, Any]] | None) -> str | None:
	"""Returns the key of an answer, which is a hash of the id of its first tool call. None without tool calls.

	Some models number their calls in each conversation anew (Kimi: `functions.read_file:0`). The key of such a call is a
	hash of all calls with their arguments. Clients may write these arguments in another form.
	"""
	if not calls:
		return None
	first = calls[0]
	number = first["id"].replace(first["function"]["name"], "")
	if sum(char.isalnum() for char in number) >= MIN_UNIQUE_CHARS and not NUMBERED.search(number):
		named = first["id"]
	else:
		named = json.dumps([[call["id"], call["function"]["name"], _arguments(call)] for call in calls])
	return hashlib.sha256(named.encode()).hexdigest()


def _arguments(call: Mapping[str, Any]) -> str:
	text: str = call["function"]["arguments"]
	arguments = object_of(text)
	return text if arguments is None else json.dumps(arguments, sort_keys=True)


def remember(user: str, row: Mapping[str, Any]) -> None:
	"""Keeps the continuation of a request in the cache for REMEMBERED_S seconds, for a site whose rows keep no content.

	It is encrypted with the site's key, because it may be the text of the model's reasoning.

	Args:
		user: the user of the request.
		row: the values of the request at its end.
	"""
	if row.get("continuation") and row.get("call_key"):
		encrypted = _encrypted(row["continuation"])
		frappe.cache.set_value(_cached(user, row["call_key"]), encrypted, expires_in_sec=REMEMBERED_S)


def restore(request: ChatRequest, user: str, keep_content: bool) -> ChatRequest:
	"""Adds the continuation to each assistant message that has tool calls and no continuation.

	The newest messages come first, up to MAX_CONTINUATION characters in all.

	Args:
		request: the valid request.
		user: its user. Only the user's own answers are searched.
		keep_content: whether the site keeps content in its rows. The cache is asked only if not: a conversation may have
			hundreds of calls.

	Returns:
		The request with the continuations that were found.
	"""
	keys = keys_in(request)
	if not keys:
		return request
	known = store.current().continuations(user, list(keys.values()))
	messages, room = list(request.messages), MAX_CONTINUATION
	for n, key in reversed(keys.items()):
		# Without `expires`, Frappe remembers a miss for the rest of the HTTP request.
		continuation = known.get(key)
		if not continuation and not keep_content:
			continuation = _decrypted(frappe.cache.get_value(_cached(user, key), expires=True))
		room -= len(continuation or "")
		if room < 0:
			break
		if continuation:
			messages[n] = {**messages[n], "continuation": continuation}
	return replace(request, messages=messages)


def keys_in(request: ChatRequest) -> dict[int, str]:
	"""Returns the keys of the assistant messages that have tool calls and no continuation, by their number in the request."""
	return {
		n: key
		for n, message in enumerate(request.messages)
		if not message.get("continuation") and (key := key_of(message.get("tool_calls")))
	}


def _encrypted(text: str) -> str:
	"""Encrypts a text on a bench. The standalone site has no key, and its cache is in the memory of its process."""
	if not forms.exist():
		return text
	from frappe.utils.password import encrypt

	forms.know_encryption_key()
	return str(encrypt(text))


def _decrypted(text: str | None) -> str | None:
	"""Returns None if there is no text, or if it was encrypted with another key."""
	if not text or not forms.exist():
		return text
	from frappe.utils.password import decrypt

	try:
		with forms.decrypting():
			return str(decrypt(text))
	except frappe.ValidationError:
		return None


def _cached(user: str, key: str) -> str:
	return f"ai_assistant:continuation:{user}:{key}"
