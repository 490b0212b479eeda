"""AI Keys, which a client sends instead of a login. A key authenticates only for the chat methods of this app.

A key is `aik-` and 256 random bits. The store keeps its SHA-256 hash, never the key, so a key is shown only once, when
it is made. Frappe calls `authenticate` for every request (`auth_hooks` in hooks.py).
"""

import hashlib
import hmac
import json
import re
import secrets
from dataclasses import dataclass
from typing import Any, NoReturn

import frappe
from frappe import _
from werkzeug.exceptions import Unauthorized
from werkzeug.wrappers import Response

from ai_assistant import store
from ai_assistant.log import fails_quietly

PREFIX = "aik-"
RANDOM_BYTES = 32
# The number of characters that are stored in plain text. By them the owner recognises the key.
SHOWN_CHARS = 8

# Frappe calls the method named before the first slash (frappe/api/v1.py). A key may call those that chat, not those of
# the forms, which make keys and test providers.
METHODS = re.compile(r"/api(/v1)?/method/ai_assistant\.(v1|api\.[^/]+)(/.*)?", re.DOTALL)
NAME = re.compile(r"v1|[a-z_.]{1,40}")
AUTHORIZATION = "HTTP_AUTHORIZATION"


@dataclass(frozen=True)
class Key:
	"""An AI Key that may be used, and the limits that count besides those of its user. 0 is no limit."""

	name: str
	"""The store's name of the key. It is no secret."""
	user: str
	models: tuple[str, ...] = ()
	"""Allowed models as `model`, `provider/model` or an alias; empty for all that the user may use."""
	requests_per_minute: int = 0
	tokens_per_day: int = 0
	tokens_per_month: int = 0
	cost_per_day: float = 0
	cost_per_month: float = 0
	site_tools: bool = False
	"""Whether its requests may use the tools of the site."""


def generate() -> str:
	"""A new key. Nothing is stored."""
	return PREFIX + secrets.token_urlsafe(RANDOM_BYTES)


def digest(key: str) -> str:
	"""The hash that a key is stored and looked up by: SHA-256, in 64 hexadecimal digits.

	A slow hash protects passwords, which can be guessed; 256 random bits cannot.
	"""
	return hashlib.sha256(key.encode(errors="surrogatepass")).hexdigest()


def current() -> Key | None:
	"""Returns the key of the current HTTP request, or of the queued request that a worker runs."""
	key: Key | None = getattr(frappe.local, "ai_key", None)
	return key


def named(name: str) -> Key | None:
	"""Returns the key with this name in the store; None if it is deleted, revoked or expired."""
	row = store.current().key_named(name)
	return _key(row) if row and row["usable"] else None


def use(key: Key | None) -> None:
	"""Make `key` the current one."""
	frappe.local.ai_key = key


def drop_elsewhere() -> None:
	"""Removes an AI Key from the `Authorization` of a request that calls no method for keys.

	Frappe answers 401 to a bearer token that it does not know (frappe/auth.py, `validate_auth`). Without the header it
	treats the client as a guest. Frappe calls this hook (`before_request`) before it authenticates.
	"""
	if not _is_for_keys() and _bearer().startswith(PREFIX):
		del frappe.local.request.environ[AUTHORIZATION]


def authenticate() -> None:
	"""Logs the key's user in for this request, if it contains a key and calls a method that accepts keys.

	It ignores other paths, on which the client is a guest. If the request has a session, the session remains. Raises
	werkzeug's Unauthorized if the key cannot be used.
	"""
	use(None)
	key = _sent()
	if key is None or not _is_for_keys() or frappe.session.user not in ("", "Guest"):
		return
	key_hash = digest(key)
	row = store.current().key_of_hash(key_hash)
	if row is None or not hmac.compare_digest(row["key_hash"], key_hash):
		_refuse(_("This AI Key is not known; make one on the page Connect your editor."))
	if not row["usable"]:
		_refuse(
			_("This AI Key is revoked or has expired; make another on the page Connect your editor."),
			row["name"],
		)
	# `set_user` empties the parameters of the request.
	form_dict = frappe.local.form_dict
	frappe.set_user(row["user"])
	frappe.local.form_dict = form_dict
	use(_key(row))
	if not row["used_lately"]:
		_note_use(row["name"])


def called_method(path: str) -> str | None:
	"""Returns the method of this app that a path calls: `v1`, or a name in `ai_assistant.api`. None for all other paths.

	A client may put anything behind `api.`, also its key. The log has the name, so what cannot be a name is `api` here.
	"""
	if (match := METHODS.fullmatch(path)) is None:
		return None
	name: str = match[2].removeprefix("api.")
	return name if NAME.fullmatch(name) else "api"


def _sent() -> str | None:
	"""The AI Key in the headers of the request, None where there is none."""
	key = _bearer()
	if not key.startswith(PREFIX):
		key = frappe.local.request.headers.get("x-api-key", "")
	return key if key.startswith(PREFIX) else None


def _bearer() -> str:
	"""The bearer token of the request, "" where there is none."""
	header: str = frappe.local.request.environ.get(AUTHORIZATION, "")
	scheme, _space, token = header.partition(" ")
	return token if scheme.lower() == "bearer" else ""


def _is_for_keys() -> bool:
	"""Whether the request calls one of METHODS.

	With a parameter `cmd` Frappe calls the method of that name, whatever the path (frappe/app.py, `application`).
	"""
	return called_method(frappe.local.request.path) is not None and "cmd" not in frappe.local.form_dict


def _key(row: dict[str, Any]) -> Key:
	return Key(**{field: row[field] for field in Key.__dataclass_fields__})


@fails_quietly
def _note_use(name: str) -> None:
	"""Store when the key was last used. A maintenance mode that allows reads refuses the write."""
	if frappe.flags.read_only:
		return
	with store.transaction() as rows:
		rows.key_used(name)


def _refuse(message: str, name: str | None = None) -> NoReturn:
	"""Answers 401 in a form that the clients of OpenAI's and of Anthropic's API read.

	Frappe's own AuthenticationError has no sentence, and Frappe returns an HTTPException of werkzeug unchanged. Frappe 16
	passes it to `ai_assistant.api.v1.after_request`, which reads the sentence from `frappe.flags`.

	Args:
		message: the sentence.
		name: the store's name of the key, if the store has it.
	"""
	# `refusals` reads the current key, so it imports this module.
	from ai_assistant.chat import refusals

	refusals.record("unauthenticated", called_method(frappe.local.request.path) or "api", name)
	frappe.flags.refused_key = message
	error = {"type": "authentication_error", "code": "invalid_api_key", "message": message, "param": None}
	response = Response(
		json.dumps({"type": "error", "error": error}), status=401, mimetype="application/json"
	)
	response.headers["WWW-Authenticate"] = "Bearer"
	raise Unauthorized(response=response)
