"""What the app's pages have in common: who may open them, and the boot data of their scripts."""

from typing import Any

import frappe
import frappe.sessions

from ai_assistant.languages import language
from ai_assistant.permissions import may_use


def boot(context: Any, path: str) -> dict[str, Any]:
	"""Returns the boot data that each page has. A user without the role gets 403, with `may_use` false.

	Args:
		context: the context of the page's template.
		path: the path of the page, to which the login leads back.

	Raises:
		frappe.Redirect: to the login, for a guest.
	"""
	if frappe.session.user == "Guest":
		frappe.local.flags.redirect_location = f"/login?redirect-to={path}"
		# Frappe's default is 301, which a browser remembers for good.
		raise frappe.Redirect(302)
	allowed = may_use()
	if not allowed:
		context.http_status_code = 403
	token = frappe.sessions.get_csrf_token()
	# A GET is rolled back, and the token with it.
	frappe.db.commit()  # nosemgrep: frappe-manual-commit
	return {
		"csrf_token": token,
		"may_use": allowed,
		"theme": (frappe.get_cached_value("User", frappe.session.user, "desk_theme") or "Automatic").lower(),
		**language(),
	}
