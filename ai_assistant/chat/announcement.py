"""Tells those who listen that a request has ended: webhooks, Frappe's doc events, and hooks of other apps."""

from typing import Any

from ai_assistant.config.settings import Settings

from . import conversations, doc_events, other_apps, webhooks


def announce(name: str, user: str, answer: dict[str, Any], settings: Settings) -> None:
	"""Tells them of the end of a request that is stored. Nothing that fails here fails the request.

	Args:
		name: the name of the request's row.
		user: the user of the request.
		answer: the answer object.
		settings: the settings with which it ended. The deliveries to its webhooks are stored.
	"""
	if settings.webhooks:
		webhooks.start()
	doc_events.start(name)
	conversations.start_title(name, user, answer, settings.retention)
	other_apps.after(user, answer)
