"""The short base address of the standard APIs, `/ai/v1`.

It means the same as `/api/method/ai_assistant.v1`. A page renderer could answer it too, but Frappe asks renderers only
for GET, HEAD and POST, and looks for redirects and routes first.
"""

import frappe

SHORT, LONG = "/ai/v1", "/api/method/ai_assistant.v1"


def expand() -> None:
	"""Replaces the short address of a request with the long one.

	Frappe calls this hook (`before_request`) before it authenticates and before it looks at the path.
	"""
	request = frappe.local.request
	if request.path == SHORT or request.path.startswith(f"{SHORT}/"):
		request.path = LONG + request.path.removeprefix(SHORT)
		# Frappe reads the path of a method from the environment (frappe/api/__init__.py, `handle`).
		request.environ["PATH_INFO"] = request.path.encode().decode("latin1")
