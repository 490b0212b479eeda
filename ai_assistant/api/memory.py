"""Frees the memory of a request when the request ends."""

from werkzeug.wrappers import Request, Response

from ai_assistant.keys import METHODS


def free_request(response: Response | None = None, request: Request | None = None) -> None:
	"""Ends the cycle of a request of this app and its WSGI environment, in which werkzeug puts the request.

	The body may be a conversation of megabytes. With the cycle it stays in memory until the garbage collector runs. Frappe
	makes that seldom (`gc.set_threshold` in frappe/__init__.py, in Frappe 16 in frappe/_optimizations.py). Frappe calls
	this hook after every request.
	"""
	if request is not None and METHODS.fullmatch(request.path):
		request.environ.pop("werkzeug.request", None)
