"""The page `/ai-assistant`. Guests are sent to the login; a user without the role is told so."""

from typing import Any

import frappe
from frappe.utils import cint

from ai_assistant import page
from ai_assistant.config.settings import load

no_cache = 1
sitemap = 0


def get_context(context: Any) -> None:
	"""Sets the context of the template and its script. Raises frappe.Redirect for a guest."""
	retention = load().retention
	context.boot = {
		**page.boot(context, "/ai-assistant"),
		"site": frappe.local.site,
		"user": frappe.session.user,
		"socketio_port": _socketio_port(),
		"keeps_questions": retention.keep_content and retention.keep_questions,
		# Website users have no Desk.
		"desk": "/app" if frappe.session.data.user_type == "System User" else None,
	}


def _socketio_port() -> int | None:
	"""The port of the realtime server; None if it answers at the page's own address.

	With nginx both have one address (`bench setup nginx`). A browser that uses the web server's own port goes around nginx.
	"""
	port = frappe.request.host.rpartition(":")[2]
	direct = cint(port) and cint(port) == cint(frappe.conf.get("webserver_port"))
	return cint(frappe.conf.get("socketio_port") or 9000) if direct else None
