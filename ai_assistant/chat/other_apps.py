"""Lets other apps of the bench change or refuse a request, and tells them of its answer."""

from contextlib import suppress
from copy import deepcopy
from dataclasses import replace
from itertools import dropwhile, takewhile
from typing import Any

import frappe
from frappe import _

from ai_assistant import app_hooks
from ai_assistant.app_hooks import AFTER_RESPONSE, BEFORE_REQUEST, Refused, Skipped
from ai_assistant.config.settings import Settings

from .errors import ChatError
from .messages import messages_of, with_system_prompt
from .reference import FIELDS
from .request import ChatRequest, max_chars_of

# A refusal is one sentence. A longer text is cut.
MAX_SENTENCE_CHARS = 500


def before(request: ChatRequest, settings: Settings) -> ChatRequest:
	"""Calls the `ai_assistant_before_request` hooks for a request of the session's user that is not accepted yet.

	Returns:
		The request with the messages that the hooks left, also in the input that a standard API keeps.

	Raises:
		ChatError: `not_permitted` if a hook refuses the request.
	"""
	paths = app_hooks.declared(BEFORE_REQUEST)
	if not paths:
		return request
	user = frappe.session.user
	before_input, own = _split(request, settings)
	messages = unchanged = [*before_input, *own]
	for path in paths:
		offered = _offered(request, messages, user)
		try:
			app_hooks.call(BEFORE_REQUEST, path, user, offered)
			if offered["messages"] != messages:
				messages = _checked(offered["messages"], request, settings, path, user)
		except Refused as refused:
			sentence = str(refused)[:MAX_SENTENCE_CHARS] or _(
				"A rule of this site does not permit this request."
			)
			raise ChatError("not_permitted", sentence) from None
		except Skipped:
			continue
	if messages == unchanged:
		return request
	sent = _sent(request.sent, messages, len(before_input))
	return replace(request, messages=with_system_prompt(None, messages), sent=sent)


def after(user: str, answer: dict[str, Any]) -> None:
	"""Calls the `ai_assistant_after_response` hooks for a request that has just ended.

	Args:
		user: the user of the request.
		answer: the answer object.
	"""
	for path in app_hooks.declared(AFTER_RESPONSE):
		with suppress(Skipped):
			app_hooks.call(AFTER_RESPONSE, path, user, deepcopy(answer))


def _split(request: ChatRequest, settings: Settings) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
	"""Returns the system prompt and instructions that come before the input that a standard API keeps, and this input.

	If it keeps none, the first list is empty and the second one has all messages.
	"""
	if not request.sent or "messages" not in request.sent:
		return [], request.messages
	mode = settings.modes.get(request.mode)
	texts = (mode and mode.system_prompt, request.sent["repeated"].get("instructions"))
	before_input = [{"role": "system", "content": text} for text in texts if text]
	# The request has one system message for all.
	own = takewhile(_is_system, request.sent["messages"])
	return before_input, [*own, *dropwhile(_is_system, request.messages)]


def _sent(
	sent: dict[str, Any] | None, messages: list[dict[str, Any]], before_input: int
) -> dict[str, Any] | None:
	"""Returns what a standard API keeps of a request, with the messages that the hooks left.

	Args:
		sent: what it would keep without hooks.
		messages: the messages that the hooks left.
		before_input: the number of messages before the input.
	"""
	if not sent or "messages" not in sent:
		return sent
	# A hook may have left out the system prompt or the instructions.
	leading = [*takewhile(_is_system, messages)][:before_input]
	repeated = dict(sent["repeated"])
	if repeated.get("instructions"):
		text = leading[-1]["content"] if len(leading) == before_input else None
		repeated["instructions"] = text if isinstance(text, str) else None
	return {**sent, "messages": messages[len(leading) :], "repeated": repeated}


def _is_system(message: dict[str, Any]) -> bool:
	return bool(message["role"] == "system")


def _offered(request: ChatRequest, messages: list[dict[str, Any]], user: str) -> dict[str, Any]:
	return {
		"user": user,
		**{name: getattr(request, name) for name in ("request_id", "task_id", "mode", "provider", *FIELDS)},
		"model": request.model or None,
		"messages": deepcopy(messages),
		"tools": deepcopy(request.tools),
	}


def _checked(
	messages: Any, request: ChatRequest, settings: Settings, path: str, user: str
) -> list[dict[str, Any]]:
	"""Returns the messages of a hook, validated as those of a client. Raises Skipped."""
	max_chars = max_chars_of(request.provider, request.model, settings.modes.get(request.mode), settings)
	# The mode's system prompt and what a hook adds do not count towards the limits of the client.
	try:
		return messages_of(messages, 2 * settings.limits.max_messages, 2 * max_chars)
	except ChatError as error:
		raise app_hooks.skipped(
			BEFORE_REQUEST, path, f"left messages that are not valid: {error}", user
		) from None
