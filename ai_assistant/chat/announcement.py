"""Tells those who listen that a request has ended: webhooks, Frappe's doc events, and hooks of other apps."""

from collections.abc import Sequence
from typing import Any

from ai_assistant.config.settings import Webhook

from . import conversations, doc_events, other_apps, webhooks


def announce(name: str, user: str, answer: dict[str, Any], addresses: Sequence[Webhook]) -> None:
	"""Tells them of the end of a request that is stored. Nothing that fails here fails the request.

	Args:
		name: the name of the request's row.
		user: the user of the request.
		answer: the answer object.
		addresses: the webhooks, whose deliveries are stored.
	"""
	if addresses:
		webhooks.start()
	doc_events.start(name)
	conversations.start_title(name, user, answer)
	other_apps.after(user, answer)
