"""What a site answers over REST: a message, or an error."""

from typing import Any

import httpx


class ApiError(Exception):
	"""The server refused a request.

	Attributes:
		status: The HTTP status.
		body: The JSON of the answer, or None.
		answer: The answer object in that body, empty if there is none.
	"""

	def __init__(self, status: int, body: Any) -> None:
		self.status = status
		self.body = body
		message = body.get("message") if isinstance(body, dict) else None
		self.answer: dict[str, Any] = message if isinstance(message, dict) else {}
		sentence = self.answer.get("error", {}).get("message") or message or _sentence_for_frappe(body)
		super().__init__(f"{sentence} (HTTP {status})")


def _sentence_for_frappe(body: Any) -> str:
	"""An answer of Frappe's own, which did not reach the app, in a sentence."""
	kind = body.get("exc_type") if isinstance(body, dict) else None
	if kind == "SessionStopped":
		return "the site is in maintenance mode; to end it: bench --site … set-maintenance-mode off"
	# The message is translated, but always contains the name of the unknown method.
	if kind in ("ValidationError", "AppNotInstalledError") and "ai_assistant.api." in str(body):
		return "the site has no app ai_assistant; to install it: bench --site … install-app ai_assistant"
	return "the server gave no reason"


def message_of(response: httpx.Response) -> Any:
	"""The `message` of an answer. Raises ApiError, or RemoteProtocolError if it does not come from a site of Frappe."""
	try:
		body = response.json()
	except ValueError:
		body = None
	if response.is_error:
		raise ApiError(response.status_code, body)
	if not isinstance(body, dict) or "message" not in body:
		# For instance the login page of a network or of a proxy.
		raise httpx.RemoteProtocolError(
			f"something else answers in the place of the site (HTTP {response.status_code})"
		)
	return body["message"]
