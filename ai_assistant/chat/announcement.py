"""Announces that a request has ended: to webhooks, Frappe's doc events, and hooks of other apps."""

from typing import Any

import frappe

from ai_assistant.config.settings import Settings

from . import conversations, doc_events, other_apps, webhooks


def announce(name: str, user: str, answer: dict[str, Any], settings: Settings) -> None:
	"""Announces the end of a request that is stored. A failure here does not change the request.

	Args:
		name: the name of the request's row.
		user: the user of the request.
		answer: the answer object.
		settings: the settings with which it ended. The deliveries to its webhooks are stored.
	"""

	def start_jobs() -> None:
		if settings.webhooks:
			webhooks.start()
		doc_events.start(name)
		conversations.start_title(name, user, answer, settings.retention)

	after_response = getattr(getattr(frappe.local, "request", None), "after_response", None)
	if after_response is None:
		start_jobs()
	else:
		# The client does not wait for it (frappe/app.py, `after_response_wrapper`).
		after_response.add(start_jobs)
	other_apps.after(user, answer)
