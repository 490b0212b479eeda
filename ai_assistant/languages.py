"""The language of the app's pages, and the translations of the sentences in their scripts."""

import json
import re
from functools import lru_cache
from pathlib import Path
from typing import Any

import frappe
from frappe.translate import get_all_translations

SCRIPTS = Path(__file__).parent / "public" / "js"
PAGES = ("page", "connect")
MESSAGE = re.compile(r'\b__\(\s*("(?:[^"\\]|\\.)*")')


def language() -> dict[str, Any]:
	"""Returns the current user's language for the boot data of a page.

	Returns:
		`lang`, as Frappe names it, and `messages`: the translations of the scripts' sentences by their English, with those
		that an administrator has changed in the DocType Translation.
	"""
	lang: str = frappe.local.lang
	translations = get_all_translations(lang)
	messages = {message: translations[message] for message in sentences() if message in translations}
	return {"lang": lang, "messages": messages}


@lru_cache
def sentences() -> tuple[str, ...]:
	"""Returns the English sentences that the scripts of the pages pass to `__()`, each once."""
	scripts = (
		script.read_text("utf-8") for page in PAGES for script in sorted((SCRIPTS / page).glob("*.js"))
	)
	return tuple(
		dict.fromkeys(json.loads(message) for script in scripts for message in MESSAGE.findall(script))
	)
