"""The page `/ai-assistant`. Guests are sent to the login; a user without the role is told so."""

from typing import Any

import frappe
import frappe.sessions
from frappe.utils import cint

from ai_assistant.languages import language
from ai_assistant.permissions import may_use

no_cache = 1
sitemap = 0


def get_context(context: Any) -> None:
	"""Sets the context of the template and its script. Raises frappe.Redirect for a guest."""
	if frappe.session.user == "Guest":
		frappe.local.flags.redirect_location = "/login?redirect-to=/ai-assistant"
		# Frappe's default is 301, which a browser remembers for good.
		raise frappe.Redirect(302)
	allowed = may_use()
	if not allowed:
		context.http_status_code = 403
	context.boot = {
		"site": frappe.local.site,
		"user": frappe.session.user,
		"csrf_token": frappe.sessions.get_csrf_token(),
		"socketio_port": _socketio_port(),
		"may_use": allowed,
		# Website users have no Desk.
		"desk": "/app" if frappe.session.data.user_type == "System User" else None,
		**language(),
		"theme": (frappe.get_cached_value("User", frappe.session.user, "desk_theme") or "Automatic").lower(),
	}
	# A GET is rolled back, and the token with it.
	frappe.db.commit()  # nosemgrep: frappe-manual-commit


def _socketio_port() -> int | None:
	"""The port of the realtime server; None if it answers at the page's own address.

	With nginx both have one address (`bench setup nginx`). A browser that uses the web server's own port goes around nginx.
	"""
	port = frappe.request.host.rpartition(":")[2]
	direct = cint(port) and cint(port) == cint(frappe.conf.get("webserver_port"))
	return cint(frappe.conf.get("socketio_port") or 9000) if direct else None
