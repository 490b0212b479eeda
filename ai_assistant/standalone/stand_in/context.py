"""The state of the current request: `frappe.local` and its shortcuts, with roles, errors and the session."""

from __future__ import annotations

import importlib
import secrets
from contextvars import ContextVar
from typing import Any, NoReturn

from werkzeug.local import Local, release_local

from ..exceptions import DoesNotExistError, ValidationError

_state: ContextVar[dict[str, Any]] = ContextVar("frappe.local")
local = Local(_state)
conf: Any = local("conf")
db: Any = local("db")
flags: Any = local("flags")
form_dict: Any = local("form_dict")
message_log: Any = local("message_log")
request: Any = local("request")
response: Any = local("response")
session: Any = local("session")


def init(**state: Any) -> None:
	"""Begin a request whose `frappe.local` has this state."""
	_state.set(state)


def destroy() -> None:
	"""End the request at hand. What it has not committed is lost."""
	if hasattr(local, "db"):
		local.db.rollback()
	release_local(local)


class _dict(dict[str, Any]):
	"""A dict whose keys are also attributes. A missing attribute is None."""

	def __getattr__(self, key: str) -> Any:
		if key.startswith("__") and key.endswith("__"):
			# copy and pickle ask for special methods, and must not get None.
			raise AttributeError(key)
		return self.get(key)

	def __setattr__(self, key: str, value: Any) -> None:
		self[key] = value


def _(msg: str, lang: str | None = None, context: str | None = None) -> str:
	"""Return the message itself: this site has only English."""
	return msg


def get_all_translations(lang: str) -> dict[str, str]:
	"""Return no translations: this site has only English. frappe/translate.py."""
	return {}


def get_roles(username: str | None = None) -> list[str]:
	"""The roles of a user, by default of the current one.

	As in frappe/permissions.py, every logged-in user also has All and Guest, a System User has Desk User, and
	Administrator has every role.
	"""
	of_request = getattr(local, "session", None)
	if not of_request or not of_request.user:
		return ["Guest"]
	roles: list[str] = local.roles_of(username or of_request.user)
	return roles


def get_cached_value(doctype: str, name: str, fieldname: str = "name") -> Any:
	"""A field of a user, or None if the user does not exist. In Frappe it reads any document."""
	if doctype != "User":
		throw(_("DocType {0} not found").format(doctype), DoesNotExistError)
	return getattr(local.settings.users.get(name), fieldname, None)


def get_attr(method_string: str) -> Any:
	"""What a dotted path names; the module is imported."""
	module, _dot, name = method_string.rpartition(".")
	return getattr(importlib.import_module(module), name)


def get_hooks(hook: str) -> list[Any]:
	"""What the apps of a bench declare for a hook in their hooks.py. This site has no other apps."""
	return []


def set_user(username: str) -> None:
	"""Make a user the one who asks. The form is emptied, as in frappe/__init__.py."""
	local.session = _dict(user=username, sid=username, data=_dict())
	local.form_dict = _dict()


def throw(msg: str, exc: type[Exception] | Exception = ValidationError, title: str | None = None) -> NoReturn:
	"""Raise `exc` with the message, and add it to the response's `_server_messages`."""
	message_log.append(
		_dict(
			message=msg,
			title=title or _("Message"),
			indicator="red",
			raise_exception=1,
			__frappe_exc_id=secrets.token_hex(28),
		)
	)
	if isinstance(exc, Exception):
		exc.args = (msg,)
		raise exc
	raise exc(msg)


def get_csrf_token() -> str | None:
	"""The CSRF token of the current session, or None for a guest or an API key.

	The first call creates it. From then on, POSTs of that session must contain it in X-Frappe-CSRF-Token or as
	`csrf_token`. frappe/sessions.py, which creates one for an API key too.
	"""
	if session.data.user_type is None:
		return None
	if not session.data.csrf_token:
		session.data.csrf_token = local.sessions.give_csrf_token(session.sid)
	token: str = session.data.csrf_token
	return token
