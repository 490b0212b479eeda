"""The site's pages and files: the templates that Frappe renders on a bench, and what its nginx serves under /assets.

They are rendered as frappe/website/page_renderers/template_page.py does, without the cache.
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
PAGES = {"/ai-assistant": "ai-assistant.html", "/login": "login.html"}


def page(path: str) -> Response:
	"""The page of a path in PAGES, for the user at hand. Raises frappe.Redirect where the page sends elsewhere."""
	name = PAGES[path]
	context = _dict()
	if (_APP / "www" / name).exists():
		# Where Frappe looks for it: dashes are no part of a module's name.
		module = importlib.import_module(f"ai_assistant.www.{Path(name).stem.replace('-', '_')}")
		module.get_context(context)
	html = _templates.get_template(name).render(context)
	status = context.http_status_code or 200
	return Response(html, status=status, mimetype="text/html", headers={"Cache-Control": "no-store"})


def asset(path: str, environ: Any) -> Response:
	"""A file of `public/`. Raises NotFound."""
	found = safe_join(str(_PUBLIC), path.removeprefix(ASSETS))
	if found is None or not Path(found).is_file():
		raise NotFound
	response = send_file(found, environ)
	# A new version of the app is seen at once; until then the answer is 304.
	response.headers["Cache-Control"] = "no-cache"
	return response


def redirect(status: int) -> Response:
	"""The answer to a frappe.Redirect."""
	return Response(status=status, headers={"Location": local.flags.redirect_location})


def _include_script(name: str) -> str:
	return f'<script src="{ASSETS}{_BUNDLES}/{name}"></script>'


def _include_style(name: str) -> str:
	return f'<link rel="stylesheet" href="{ASSETS}{_BUNDLES}/{name}">'


# Without autoescape, as in Frappe: a template that forgets to escape does so on both sites.
_templates = jinja2.Environment(
	loader=jinja2.FileSystemLoader([_APP / "www", Path(__file__).parent]),
	undefined=jinja2.StrictUndefined,
)
_templates.globals.update(_=_, include_script=_include_script, include_style=_include_style)
