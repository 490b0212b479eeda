"""Counts the tokens of a question without asking a model. It stores no request and costs nothing."""

import math
import time
from dataclasses import replace

import frappe
from frappe import _

from ai_assistant import gateway, keys
from ai_assistant.config.settings import Limits, Settings
from ai_assistant.gateway import Gateway, Provider, TokenCount

from . import capacity, provider_health
from .errors import ChatError
from .request import ChatRequest

MINUTE_S = 60


def count_tokens(request: ChatRequest, settings: Settings) -> tuple[Provider, str, TokenCount]:
	"""Counts the tokens of a valid request.

	Returns:
		The provider and the model that the request would ask first, and the count.

	Raises:
		ChatError: `rate_limited` beyond the limit of the user or of the AI Key, `busy` if chats hold all web threads.
	"""
	_check_limits(settings.limits)
	provider, model = Gateway(settings.providers).route(request.provider, request.model)[0]
	with capacity.for_chat(settings.limits):
		return provider, model, gateway.count_tokens(provider, replace(request, model=model))


def _check_limits(limits: Limits) -> None:
	"""Counts this count. Raises ChatError `rate_limited` if there are too many in this minute of the clock.

	The limit is that of answers to tool calls, because agents count before they ask.
	"""
	key = keys.current()
	minute, seconds = divmod(time.time(), MINUTE_S)
	left = math.ceil(MINUTE_S - seconds)
	message = _("You may count tokens {0} times a minute; ask again in {1} seconds.")
	counted = [(f"user {frappe.session.user}", limits.continuations_per_minute, message)]
	if key and key.requests_per_minute:
		message = _("This AI Key may ask {0} times a minute; ask again in {1} seconds.")
		counted.append((f"key {key.name}", key.requests_per_minute, message))
	for who, limit, message in counted:
		if provider_health.state().add(f"counts:{minute:.0f}:{who}", MINUTE_S) > limit:
			raise ChatError("rate_limited", message.format(limit, left), left)
