"""Calls the hooks of this app that other apps of a bench declare in their hooks.py; docs/hooks.md describes them."""

from queue import Empty, SimpleQueue
from typing import Any

import frappe

from ai_assistant import own_connection
from ai_assistant.log import fields, logger

BEFORE_REQUEST = "ai_assistant_before_request"
AFTER_RESPONSE = "ai_assistant_after_response"
MODELS = "ai_assistant_models"
TOOLS = "ai_assistant_tools"
LIMIT_S = 5.0


class Skipped(Exception):
	"""A hook failed or took too long. The log says so."""


class Refused(Exception):
	"""A hook refuses the request, with a sentence for the user."""


def declared(hook: str) -> list[str]:
	"""Returns the dotted paths of the functions that apps declare for a hook, in the order in which the apps were installed."""
	paths: list[str] = frappe.get_hooks(hook)
	return paths


def call(hook: str, path: str, user: str, *arguments: Any) -> Any:
	"""Calls one function on a thread with its own connection, and waits for it at most LIMIT_S seconds.

	What the function writes is committed when it returns. A function that takes longer goes on, and its result is ignored.

	Args:
		hook: the name of the hook.
		path: the dotted path of the function.
		user: the user of the thread's session.
		arguments: what the function gets. They are no longer the caller's: the function may change them at any time.

	Returns:
		What the function returns.

	Raises:
		Refused: a BEFORE_REQUEST function raised a ValidationError or a PermissionError.
		Skipped: the function failed or took too long.
	"""
	results: SimpleQueue[Any] = SimpleQueue()

	def run() -> Any:
		result = frappe.get_attr(path)(*arguments)
		frappe.db.commit()  # nosemgrep: frappe-manual-commit
		return result

	own_connection.start(run, results.put, user)
	try:
		result = results.get(timeout=LIMIT_S)
	except Empty:
		raise skipped(hook, path, f"takes longer than {LIMIT_S:g} s", user) from None
	if hook == BEFORE_REQUEST and isinstance(result, frappe.ValidationError | frappe.PermissionError):
		# A document that the function does not find is a ValidationError too, and a failure of the function.
		if not isinstance(result, frappe.DoesNotExistError):
			raise Refused(str(result))
	if isinstance(result, Exception):
		raise skipped(hook, path, "failed", user, result) from result
	return result


def skipped(hook: str, path: str, reason: str, user: str, error: Exception | None = None) -> Skipped:
	"""Logs that a function of another app is skipped, and makes the exception for it."""
	logger().error(f"[Hook] {hook}: {path} {reason}; it is skipped {fields(user=user)}", exc_info=error)
	return Skipped(path)
