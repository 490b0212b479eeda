"""Lets other apps of the bench change or refuse a request, and tells them of its answer."""

from contextlib import suppress
from copy import deepcopy
from dataclasses import replace
from typing import Any

import frappe
from frappe import _

from ai_assistant import app_hooks
from ai_assistant.app_hooks import AFTER_RESPONSE, BEFORE_REQUEST, Refused, Skipped
from ai_assistant.config.settings import Settings

from .errors import ChatError
from .messages import MAX_CHARS, messages_of
from .request import ChatRequest, limits_of

# A refusal is one sentence. A longer text is cut.
MAX_SENTENCE_CHARS = 500


def before(request: ChatRequest, settings: Settings) -> ChatRequest:
	"""Calls the `ai_assistant_before_request` hooks for a request of the session's user that is not accepted yet.

	Returns:
		The request with the messages that the hooks left.

	Raises:
		ChatError: `not_permitted` if a hook refuses the request.
	"""
	user = frappe.session.user
	for path in app_hooks.declared(BEFORE_REQUEST):
		offered = _offered(request, user)
		try:
			app_hooks.call(BEFORE_REQUEST, path, user, offered)
			if offered["messages"] != request.messages:
				request = replace(
					request, messages=_checked(offered["messages"], request, settings, path, user)
				)
		except Refused as refused:
			sentence = str(refused)[:MAX_SENTENCE_CHARS] or _(
				"A rule of this site does not permit this request."
			)
			raise ChatError("not_permitted", sentence) from None
		except Skipped:
			continue
	return request


def after(user: str, answer: dict[str, Any]) -> None:
	"""Calls the `ai_assistant_after_response` hooks for a request that has just ended.

	Args:
		user: the user of the request.
		answer: the answer object.
	"""
	for path in app_hooks.declared(AFTER_RESPONSE):
		with suppress(Skipped):
			app_hooks.call(AFTER_RESPONSE, path, user, deepcopy(answer))


def _offered(request: ChatRequest, user: str) -> dict[str, Any]:
	return {
		"user": user,
		"request_id": request.request_id,
		"task_id": request.task_id,
		"mode": request.mode,
		"provider": request.provider,
		"model": request.model or None,
		"reference_doctype": request.reference_doctype,
		"reference_name": request.reference_name,
		"messages": deepcopy(request.messages),
		"tools": deepcopy(request.tools),
	}


def _checked(
	messages: Any, request: ChatRequest, settings: Settings, path: str, user: str
) -> list[dict[str, Any]]:
	"""Returns the messages of a hook, validated as those of a client. Raises Skipped."""
	limits = limits_of(request.provider, request.model, settings.modes.get(request.mode), settings)
	# The mode's system prompt and what a hook adds do not count towards the limits of the client.
	limits = replace(
		limits, max_messages=2 * limits.max_messages, max_chars=2 * (limits.max_chars or MAX_CHARS)
	)
	try:
		return messages_of(messages, limits)
	except ChatError as error:
		raise app_hooks.skipped(
			BEFORE_REQUEST, path, f"left messages that are not valid: {error}", user
		) from None
