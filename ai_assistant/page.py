"""What the app's pages have in common: who may open them, and the boot data of their scripts with the translations."""

import json
import re
from functools import lru_cache
from pathlib import Path
from typing import Any

import frappe
import frappe.sessions
from frappe.translate import get_all_translations

from ai_assistant.permissions import may_use

SCRIPTS = Path(__file__).parent / "public" / "js"
PAGES = ("page", "connect")
MESSAGE = re.compile(r'\b__\(\s*("(?:[^"\\]|\\.)*")')


def boot(context: Any, path: str) -> dict[str, Any]:
	"""Returns the boot data that each page has. A user without the role gets 403, with `may_use` false.

	`lang` is the user's language, as Frappe names it. `messages` has the translations of the scripts' sentences by their
	English, with those that an administrator has changed in the DocType Translation.

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
	lang = frappe.local.lang
	translations = get_all_translations(lang)
	return {
		"csrf_token": token,
		"may_use": allowed,
		"theme": (frappe.get_cached_value("User", frappe.session.user, "desk_theme") or "Automatic").lower(),
		"lang": lang,
		"messages": {message: translations[message] for message in sentences() if message in translations},
	}


@lru_cache
def sentences() -> tuple[str, ...]:
	"""Returns the English sentences that the scripts of the pages pass to `__()`, each once."""
	scripts = (
		script.read_text("utf-8") for page in PAGES for script in sorted((SCRIPTS / page).glob("*.js"))
	)
	return tuple(
		dict.fromkeys(json.loads(message) for script in scripts for message in MESSAGE.findall(script))
	)
