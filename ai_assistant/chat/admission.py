"""Decides whether a request may begin: limits, budgets, and the request_id."""

import math

from frappe import _

from ai_assistant import keys, store
from ai_assistant.config.settings import Settings

from . import budgets
from .errors import BUSY_S, ChatError
from .request import ChatRequest

MINUTE_S = 60.0


def check(user: str, status: str, settings: Settings, is_continuation: bool = False) -> float:
	"""Checks the limits and budgets of a user, of the site, and of the AI Key of the request at hand.

	It takes the store's admission lock, so that of several requests at the same moment each counts the ones before
	it. The next commit or rollback releases the lock.
	A queued request counts towards the limit of its user, which bounds the queue. It counts towards the limit of the
	site once a worker runs it.

	Args:
		user: who asks.
		status: `running` or `queued`, the status that the request would have.
		settings: the site's settings.
		is_continuation: whether the request's last message answers a tool call.

	Returns:
		The UNIX time by the database's clock, in seconds.

	Raises:
		ChatError: `rate_limited` or `busy` beyond a limit, `budget_exceeded` beyond a budget.
	"""
	current, limits = store.current(), settings.limits
	per_minute = limits.continuations_per_minute if is_continuation else limits.requests_per_minute
	load = current.admission_load(user, MINUTE_S, per_minute, is_continuation)
	if seconds := _seconds_to_wait(load.nth_newest, load.now):
		# Frappe reads the translations from Redis for the first sentence of a request, so only a refusal translates one.
		message = (
			_("You may answer tool calls {0} times a minute; ask again in {1} seconds.")
			if is_continuation
			else _("You may ask {0} times a minute; ask again in {1} seconds.")
		)
		raise ChatError("rate_limited", message.format(per_minute, seconds), seconds)
	if load.own >= limits.concurrent_per_user:
		message = _(
			"You may have {0} chats at once, queued ones included; wait for one to end, or cancel it."
		)
		raise ChatError("busy", message.format(limits.concurrent_per_user), BUSY_S)
	if status == "running" and load.running >= limits.concurrent_per_site:
		message = _("The site answers {0} chats at once, and has as many; ask again in a moment.")
		raise ChatError("busy", message.format(limits.concurrent_per_site), BUSY_S)
	key = keys.current()
	if key and key.requests_per_minute:
		nth_newest = current.nth_newest_of_key(key.name, load.now - MINUTE_S, key.requests_per_minute)
		if seconds := _seconds_to_wait(nth_newest, load.now):
			message = _("This AI Key may ask {0} times a minute; ask again in {1} seconds.")
			raise ChatError("rate_limited", message.format(key.requests_per_minute, seconds), seconds)
	budgets.check(user, settings.budgets, key)
	return load.now


def _seconds_to_wait(nth_newest: float | None, now: float) -> int:
	"""Returns the seconds until fewer requests than a limit are younger than a minute, 0 if it is so now.

	Args:
		nth_newest: when the nth newest request began, n being the limit; None if that was more than a minute ago.
			Both times are UNIX times by the database's clock, in seconds.
		now: the time now.
	"""
	return 0 if nth_newest is None else max(1, math.ceil(nth_newest + MINUTE_S - now))


def conflict(request: ChatRequest) -> ChatError:
	"""Makes the refusal of a request_id that is already in use."""
	message = _("request_id {0} is running, or was used for another request; send another or none.")
	return ChatError("conflict", message.format(request.request_id))
