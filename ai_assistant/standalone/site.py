"""The site's HTTP side: a WSGI application that answers as Frappe's web server does.

It serves `/api/method/<dotted path>`, the pages of `pages.py` and one plain page. Order, statuses and bodies are those of
frappe/app.py, frappe/handler.py and frappe/utils/response.py of Frappe 15.72.
"""

from __future__ import annotations

import json
import re
import sys
import traceback
from collections.abc import Callable, Iterable, Mapping
from functools import lru_cache
from inspect import Parameter, signature
from typing import TYPE_CHECKING, Any

from werkzeug.exceptions import HTTPException, NotFound
from werkzeug.test import Client
from werkzeug.wrappers import Request, Response
from werkzeug.wsgi import ClosingIterator

from ai_assistant import hooks

from . import pages, stand_in
from .auth import UNSAFE_METHODS, Cookies, authenticate, get_logged_user, get_user_info, logout
from .credentials import Logins
from .exceptions import (
	AppNotInstalledError,
	AuthenticationError,
	DoesNotExistError,
	PermissionError,
	Redirect,
)
from .jobs import Jobs
from .sessions import Sessions
from .site_config import SiteConfig
from .sqlite import Database, SqliteStore

# `local` belongs to the request, like frappe.local: the site writes to it.
# nosemgrep: frappe-monkey-patching-not-allowed
from .stand_in import (
	Emit,
	Transaction,
	_,
	_dict,
	cint,
	destroy,
	get_attr,
	get_csrf_token,
	local,
	session,
	throw,
)

if TYPE_CHECKING:
	from _typeshed.wsgi import StartResponse, WSGIEnvironment

APP = "ai_assistant"
MAX_BODY = 25 * 1024 * 1024

_METHOD_PATH = re.compile(r"/api(?:/v1)?/method/([^/]+)(?:/.*)?", re.DOTALL)


@stand_in.whitelist(allow_guest=True)
def ping() -> str:
	"""Answer a check that the site is running."""
	return "pong"


FRAPPE_METHODS: Mapping[str, Callable[..., Any]] = {
	"frappe.auth.get_logged_user": get_logged_user,
	"frappe.handler.logout": logout,
	"frappe.ping": ping,
	"frappe.realtime.get_user_info": get_user_info,
	"logout": logout,
	"ping": ping,
}


class Site:
	"""A site: a WSGI application with a name, settings, a database and an outlet for realtime events."""

	def __init__(self, name: str, config: SiteConfig, database: Database, emit: Emit) -> None:
		self.name = name
		self.config = config
		self.store = SqliteStore(database)
		self._database = database
		self._emit = emit
		self.jobs = Jobs(self.run)
		self._logins = Logins()
		self._sessions = Sessions(database)
		self._auth_hooks = [get_attr(hook) for hook in hooks.auth_hooks]
		self._before_request = [get_attr(hook) for hook in hooks.before_request]
		self._after_request = [get_attr(hook) for hook in hooks.after_request]

	def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
		if "HTTP_TRANSFER_ENCODING" in environ:
			# Otherwise werkzeug reads no chunked body. The server marks its end.
			environ["wsgi.input_terminated"] = True
		# By default werkzeug puts the request into its environment. It would keep the body until the garbage collector
		# finds the cycle, which may be a hundred requests later.
		response = self._respond(Request(environ, populate_request=False))
		# `local` lasts until the response has been sent, because its body may be a generator.
		return ClosingIterator(response(environ, start_response), destroy)

	def max_body(self) -> int:
		"""The largest body of a request, in bytes."""
		return _max_body(self.config.current().values)

	def get_user_info(self, authorization: str | None, sid: str | None) -> tuple[int, Any]:
		"""Find the user of an Authorization header, or else of a sid, as a bench's realtime server does over HTTP.

		Returns:
			The HTTP status and the body of `frappe.realtime.get_user_info`.
		"""
		response = Client(self, use_cookies=False).get(
			"/api/method/frappe.realtime.get_user_info",
			query_string={} if authorization or not sid else {"sid": sid},
			headers={"Authorization": authorization} if authorization else {},
			buffered=True,
		)
		return response.status_code, response.json

	def _respond(self, request: Request) -> Response:
		self._init(cookies=Cookies(request), form_dict=_dict(), request=request, response=_dict())
		try:
			if request.headers.get("X-Frappe-Site-Name", self.name) != self.name:
				raise NotFound
			_read_form(request)
			if request.method == "OPTIONS":
				return Response()
			for hook in self._before_request:
				hook()
			authenticate(request, self._auth_hooks)
			response = self._answer(request)
			if request.method in UNSAFE_METHODS or local.flags.commit:
				local.db.commit()
		except HTTPException as error:
			# As in Frappe, werkzeug's own exceptions are answered by werkzeug.
			response = Response.force_type(error.get_response(request.environ), request.environ)
		except Redirect as error:
			response = pages.redirect(error.http_status_code)
		except Exception as error:
			response = _refusal(error)
		finally:
			local.db.rollback()
		for hook in self._after_request:
			hook(response=response, request=request)
		local.cookies.send_with(response)
		return response

	def run(self, job: Callable[[], None], user: str = "Administrator") -> None:
		"""Run a job as Frappe's scheduler and workers do: as a user, without a request, with a commit at the end."""
		self._init()
		local.session.user = user
		try:
			job()
			local.db.commit()
		finally:
			destroy()

	def _init(self, **of_request: Any) -> None:
		settings = self.config.current()
		stand_in.init(
			conf=_dict(settings.values),
			db=Transaction(self._database.commit, self._database.rollback, self._emit),
			flags=_dict(),
			jobs=self.jobs,
			lang="en",
			logins=self._logins,
			message_log=[],
			roles_of=settings.roles_of,
			session=_dict(data=_dict()),
			sessions=self._sessions,
			settings=settings,
			site=self.name,
			store=self.store,
			**of_request,
		)

	def _answer(self, request: Request) -> Response:
		if match := _METHOD_PATH.fullmatch(request.path):
			return _call_and_answer(match[1])
		if request.path.startswith("/api/"):
			raise DoesNotExistError
		if request.method not in ("GET", "HEAD"):
			raise NotFound
		if request.path == "/":
			local.flags.redirect_location = "/ai-assistant"
			raise Redirect(302)
		if request.path == "/app":
			return self._desk()
		if request.path in pages.PAGES:
			return pages.page(request.path)
		if request.path.startswith(pages.ASSETS):
			return pages.asset(request.path, request.environ)
		raise NotFound

	def _desk(self) -> Response:
		"""A page in the place of Desk, which shows the user and creates the CSRF token of the session."""
		lines = [f"AI Assistant, the standalone site {self.name}.", f"You are {session.user}."]
		if token := get_csrf_token():
			lines.append(f"The CSRF token of your session is {token}.")
		return Response("\n".join(lines) + "\n", headers={"Cache-Control": "no-store"})


def _max_body(conf: Mapping[str, Any]) -> int:
	return cint(conf.get("max_file_size", 0)) or MAX_BODY


def _read_form(request: Request) -> None:
	"""Set `frappe.form_dict` from a JSON body if the content type says so, else from the query and the form."""
	request.max_content_length = _max_body(local.conf)
	body = request.get_data(as_text=True)
	if body and request.is_json:
		form = json.loads(body)
	else:
		form = request.args.to_dict() | request.form.to_dict()
	if isinstance(form, list):
		form = {"data": form}
	elif not isinstance(form, dict):
		throw(_("Invalid request arguments"))
	# jQuery adds it to avoid caches.
	form.pop("_", None)
	local.form_dict = _dict(form)


def _call_and_answer(command: str) -> Response:
	# The authentication of the request has done the login.
	message = None if command == "login" else _call(command)
	if isinstance(message, Response):
		return message
	if message is not None:
		local.response.message = message
	return _json_response()


def _call(command: str) -> Any:
	method = _method(command)
	if method not in stand_in.whitelisted or (
		method not in stand_in.guest_methods and session.user == "Guest"
	):
		summary = _("You are not permitted to access this resource. Login to access")
		detail = _("Function {0} is not whitelisted.").format(f"<strong>{command}</strong>")
		throw(
			f"<details><summary>{summary}</summary>{detail}</details>",
			PermissionError,
			title=_("Method Not Allowed"),
		)
	if local.request.method not in stand_in.allowed_http_methods_for_whitelisted_func[method]:
		throw(_("Not permitted"), PermissionError)
	form = local.form_dict
	form.cmd = command
	return method(**_known_arguments(method, form))


def _method(command: str) -> Callable[..., Any]:
	command = hooks.override_whitelisted_methods.get(command, command)
	if command in FRAPPE_METHODS:
		return FRAPPE_METHODS[command]
	module, _dot, name = command.rpartition(".")
	app = command.partition(".")[0]
	try:
		if app not in (APP, "frappe"):
			throw(_("App {0} is not installed").format(app), AppNotInstalledError)
		# Frappe imports the module. Here the site has imported what clients may call when it started, so a name in a
		# request cannot run other code.
		if app != APP or module not in sys.modules:
			raise ModuleNotFoundError(f"No module named {module!r}")
		method: Callable[..., Any] = getattr(sys.modules[module], name)
	except Exception as error:
		throw(_("Failed to get method for command {0} with {1}").format(command, error))
	return method


def _known_arguments(method: Callable[..., Any], form: Mapping[str, Any]) -> dict[str, Any]:
	"""The arguments for which the method has parameters, without `ignore_permissions` and `flags`."""
	parameters = _signature(method).parameters
	takes_all = any(parameter.kind is Parameter.VAR_KEYWORD for parameter in parameters.values())
	return {
		name: value
		for name, value in form.items()
		if (takes_all or name in parameters) and name not in ("ignore_permissions", "flags")
	}


_signature = lru_cache(maxsize=1024)(signature)


def _refusal(error: Exception) -> Response:
	status = getattr(error, "http_status_code", 500)
	# A failed login has set no cookies, and must not delete those of an older session.
	if type(error) is AuthenticationError and local.cookies:
		local.cookies.deleted = True
	if not isinstance(local.response.get("message"), str):
		# The value that a method returned may be what cannot be written as JSON.
		local.response.pop("message", None)
	trace = "".join(traceback.format_exception(error))
	if status >= 500:
		stand_in.logger("frappe").error(trace)
	if not local.flags.disable_traceback and status != 404:
		local.response.exception = trace.splitlines()[-1]
		local.response.exc = json.dumps([trace])
	local.response.exc_type = type(error).__name__
	response = _json_response()
	response.status_code = status
	return response


def _json_response() -> Response:
	body = local.response
	status = body.pop("http_status_code", None)
	if local.message_log:
		body["_server_messages"] = json.dumps([json.dumps(message) for message in local.message_log])
	response = Response(mimetype="application/json", status=status)
	response.data = json.dumps(body, default=stand_in.json_value, separators=(",", ":"))
	return response
