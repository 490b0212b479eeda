"""Authentication of a request: session, API key, AI Key, login and cookies.

It works on `local`, which `ai_assistant.standalone.site` has filled for the current request. The order, the answers and
the cookies are those of frappe/auth.py and frappe/sessions.py.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import datetime, timedelta
from typing import NoReturn
from urllib.parse import quote, unquote

from werkzeug.sansio.http import parse_cookie
from werkzeug.wrappers import Request, Response

from .credentials import user_of_key
from .exceptions import AuthenticationError, CSRFTokenError
from .sessions import EXPIRY_S, Session
from .site_config import GUEST, User

# `local` belongs to the request, like frappe.local: the site writes to it.
# nosemgrep: frappe-monkey-patching-not-allowed
from .stand_in import _, _dict, form_dict, local, throw, whitelist

LOGIN_PATH = "/api/method/login"
MAX_PASSWORD = 512
UNSAFE_METHODS = ("POST", "PUT", "DELETE", "PATCH")


class Cookies(dict[str, str]):
	"""The cookies that a response sets, and whether it deletes all of them."""

	names = ("sid", "system_user", "full_name", "user_id", "user_image")

	def __init__(self, request: Request) -> None:
		super().__init__()
		self.deleted = False
		self._secure = request.scheme == "https"

	def send_with(self, response: Response) -> None:
		"""Write them to a response."""
		for name, value in self.items():
			response.set_cookie(
				name,
				quote(value),
				max_age=EXPIRY_S if name == "sid" else None,
				secure=self._secure,
				httponly=name == "sid",
				samesite="Lax",
			)
		for name in self.names if self.deleted else ():
			response.set_cookie(name, "", expires=datetime.now() - timedelta(days=1))


def authenticate(request: Request, hooks: Iterable[Callable[[], None]]) -> None:
	"""Set `frappe.session` from the login, the sid, the API key or the AI Key of a request.

	Args:
		request: the request at hand.
		hooks: the app's auth_hooks.

	Raises:
		AuthenticationError: The credentials are wrong.
		CSRFTokenError: A POST lacks the CSRF token of its session.
		Exception: What the app's auth_hooks raise.
	"""
	if request.path == LOGIN_PATH:
		_log_in(request)
	else:
		_resume(request)
	_check_csrf_token(request)

	header = request.headers.get("Authorization", "")
	# Frappe ignores a header that does not consist of two words.
	names_user = header.count(" ") == 1
	user = user_of_key(header, local.settings.users) if names_user else None
	if user and local.session.user == "Guest":
		local.session = _dict(user=user.name, sid=user.name, data=_dict())
	for hook in hooks:
		hook()
	if names_user and local.session.user == "Guest":
		raise AuthenticationError


@whitelist()
def get_logged_user() -> str:
	"""The name of the current user."""
	name: str = local.session.user
	return name


@whitelist(allow_guest=True)
def get_user_info() -> dict[str, str]:
	"""The name and the type of the current user, who may be a guest. frappe/realtime.py."""
	user = local.settings.users.get(local.session.user, GUEST)
	return {"user": user.name, "user_type": user.user_type}


@whitelist(allow_guest=True)
def logout() -> None:
	"""End the session. The current user is a guest afterwards."""
	local.sessions.end(local.session.sid)
	_set_user(GUEST, None)
	local.cookies.deleted = True
	_greet(GUEST)


def _resume(request: Request) -> None:
	cookies = parse_cookie(request.headers.get("Cookie"))
	sid = str(local.form_dict.get("sid") or unquote(cookies.get("sid", "Guest")))
	stored = local.sessions.find(sid) if sid != "Guest" else None
	user = local.settings.users.get(stored.user) if stored else None
	if user:
		_set_user(user, stored)
		return
	if sid != "Guest":
		local.response.session_expired = 1
		local.cookies.deleted = True
	_set_user(GUEST, None)


def _log_in(request: Request) -> None:
	name, password = form_dict.get("usr"), form_dict.pop("pwd", None)
	if not (name and password and isinstance(name, str) and isinstance(password, str)):
		_fail(_("Incomplete login details"))
	if len(password) > MAX_PASSWORD:
		_fail(_("Password size exceeded the maximum allowed size"))
	user = local.logins.check(name, password, request.remote_addr or "", local.settings.users)
	if user is None:
		_fail(_("Invalid login credentials"))
	_set_user(user, local.sessions.start(user.name))
	_greet(user)


def _fail(message: str) -> NoReturn:
	local.response.message = message
	raise AuthenticationError


def _set_user(user: User, stored: Session | None) -> None:
	data, sid = _dict(user=user.name), stored.sid if stored else "Guest"
	if stored:
		data.update(user_type=user.user_type, csrf_token=stored.csrf_token)
	local.session = _dict(user=user.name, sid=sid, data=data)
	local.cookies.update(
		sid=sid,
		system_user="yes" if user.user_type == "System User" else "no",
		full_name=user.name,
		user_id=user.name,
		user_image="",
	)


def _greet(user: User) -> None:
	"""Write the answer of a login or a logout."""
	if user.user_type == "System User":
		local.response.update(message="Logged In", home_page="/app")
	else:
		local.response.update(message="No App", home_page="/login" if user is GUEST else "/me")
	local.response.full_name = user.name


def _check_csrf_token(request: Request) -> None:
	if request.method not in UNSAFE_METHODS or not (token := local.session.data.csrf_token):
		return
	sent = request.headers.get("X-Frappe-CSRF-Token") or form_dict.pop("csrf_token", None)
	if sent != token:
		local.flags.disable_traceback = True
		throw(_("Invalid Request"), CSRFTokenError)
