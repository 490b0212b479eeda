"""The site's pages and files: the templates that Frappe renders on a bench, and the files that nginx serves under /assets.

Pages are rendered as in frappe/website/page_renderers/template_page.py, without a cache.
"""

from __future__ import annotations

import importlib
from pathlib import Path
from typing import Any

import jinja2
from werkzeug.exceptions import NotFound
from werkzeug.security import safe_join
from werkzeug.utils import send_file
from werkzeug.wrappers import Response

from .stand_in import _, _dict, local

_APP = Path(__file__).parent.parent
_PUBLIC = _APP / "public"
_BUNDLES = "dist/standalone"

ASSETS = "/assets/ai_assistant/"
PAGES = {
	"/ai-assistant": "ai-assistant.html",
	"/ai-assistant/connect": "ai-assistant-connect.html",
	"/login": "login.html",
}


def page(path: str) -> Response:
	"""The page at a path of PAGES, for the current user. Raises frappe.Redirect if the page redirects."""
	name = PAGES[path]
	context = _dict()
	if (_APP / "www" / name).exists():
		# As Frappe finds it: a module's name has no dashes.
		module = importlib.import_module(f"ai_assistant.www.{Path(name).stem.replace('-', '_')}")
		module.get_context(context)
	html = _templates.get_template(name).render(context)
	status = context.http_status_code or 200
	return Response(html, status=status, mimetype="text/html", headers={"Cache-Control": "no-store"})


def asset(path: str, environ: Any) -> Response:
	"""A file of `public/`. Raises NotFound."""
	file = safe_join(str(_PUBLIC), path.removeprefix(ASSETS))
	if file is None or not Path(file).is_file():
		raise NotFound
	response = send_file(file, environ)
	# Browsers ask each time and get 304 until the file changes.
	response.headers["Cache-Control"] = "no-cache"
	return response


def redirect(status: int) -> Response:
	"""The response to a frappe.Redirect."""
	return Response(status=status, headers={"Location": local.flags.redirect_location})


def _include_script(name: str) -> str:
	return f'<script src="{ASSETS}{_BUNDLES}/{name}"></script>'


def _include_style(name: str) -> str:
	return f'<link rel="stylesheet" href="{ASSETS}{_BUNDLES}/{name}">'


# Without autoescape, as in Frappe. So a template that does not escape shows on both sites.
_templates = jinja2.Environment(
	loader=jinja2.FileSystemLoader([_APP / "www", Path(__file__).parent]),
	undefined=jinja2.StrictUndefined,
)
_templates.globals.update(
	_=_, include_script=_include_script, include_style=_include_style, is_rtl=lambda: False
)
