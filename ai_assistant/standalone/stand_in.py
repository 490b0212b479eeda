"""What this app uses of frappe, where no Frappe is installed: the same names, signatures and answers.

`install()` makes it importable as `frappe`. It holds the calls the app makes and nothing else: anything
more raises an AttributeError that names what is missing. What belongs to one request hangs on `local`,
which `ai_assistant.standalone.site` fills as `frappe.init()` and `frappe.connect()` do.

Behaviour is that of Frappe 15.72, out of frappe/__init__.py unless a docstring names another file.
"""

from __future__ import annotations

import importlib
import json
import logging
import secrets
import sys
from collections.abc import Callable, Iterable, Sequence
from datetime import date, datetime, time, timezone
from decimal import Decimal
from functools import lru_cache, partial, wraps
from inspect import Parameter, isclass, signature
from logging.handlers import RotatingFileHandler
from pathlib import Path
from time import monotonic
from types import ModuleType
from typing import Any, ForwardRef, NoReturn, TypeVar, Union

import pydantic
from werkzeug.local import Local

from .exceptions import EXCEPTIONS, DoesNotExistError, FrappeTypeError, ValidationError

Method = TypeVar("Method", bound=Callable[..., Any])

Emit = Callable[[str, Any, str], object]
"""Sends `(event, message, room)` to the sockets in a room; it never blocks."""

local = Local()
conf: Any = local("conf")
db: Any = local("db")
flags: Any = local("flags")
form_dict: Any = local("form_dict")
message_log: Any = local("message_log")
request: Any = local("request")
response: Any = local("response")
session: Any = local("session")


class _dict(dict[str, Any]):
	"""A dict whose keys can be read and set as attributes; a missing one reads as None."""

	def __getattr__(self, key: str) -> Any:
		if key.startswith("__") and key.endswith("__"):
			# What copy and pickle look for is not there, rather than None.
			raise AttributeError(key)
		return self.get(key)

	def __setattr__(self, key: str, value: Any) -> None:
		self[key] = value


def _(msg: str, lang: str | None = None, context: str | None = None) -> str:
	"""The message itself: this site speaks English alone."""
	return msg


# Whitelisted methods


whitelisted: list[Callable[..., Any]] = []
guest_methods: list[Callable[..., Any]] = []
xss_safe_methods: list[Callable[..., Any]] = []
allowed_http_methods_for_whitelisted_func: dict[Callable[..., Any], Sequence[str]] = {}


def whitelist(
	allow_guest: bool = False, xss_safe: bool = False, methods: Sequence[str] | None = None
) -> Callable[[Method], Method]:
	"""Let a function be called over HTTP; its annotated arguments are checked while a request is on.

	Without `methods` it may be called by GET, POST, PUT and DELETE. Frappe strips markup out of what a
	guest sends to a method that is not `xss_safe`; this site does not, and has no such method.
	"""

	def register(function: Method) -> Method:
		checked = _check_types(function)
		whitelisted.append(checked)
		allowed_http_methods_for_whitelisted_func[checked] = methods or ["GET", "POST", "PUT", "DELETE"]
		if allow_guest:
			guest_methods.append(checked)
			if xss_safe:
				xss_safe_methods.append(checked)
		return checked

	return register


def _check_types(function: Method) -> Method:
	"""Check and convert arguments by their annotations, as frappe/utils/typing_validations.py does."""
	parameters = signature(function).parameters
	positional = [
		name
		for name, parameter in parameters.items()
		if parameter.kind in (Parameter.POSITIONAL_ONLY, Parameter.POSITIONAL_OR_KEYWORD)
	]

	@wraps(function)
	def checked(*args: Any, **kwargs: Any) -> Any:
		if getattr(local, "request", None):
			args = tuple(
				_converted(parameters[name], value) for name, value in zip(positional, args, strict=False)
			) + tuple(args[len(positional) :])
			for name in kwargs.keys() & parameters.keys():
				kwargs[name] = _converted(parameters[name], kwargs[name])
		return function(*args, **kwargs)

	return checked  # type: ignore[return-value]


def _converted(parameter: Parameter, value: Any) -> Any:
	expected = parameter.annotation
	# Annotations that are strings are not looked at, so a `from __future__ import annotations` in an API
	# module silently turns the check off: the same must happen here.
	if any(isinstance(part, str | ForwardRef) for part in (expected, *getattr(expected, "__args__", ()))):
		return value
	if expected is Parameter.empty or parameter.kind in (Parameter.VAR_KEYWORD, Parameter.VAR_POSITIONAL):
		return value
	# typing.Union and not `|`: its name is part of the answer.
	if expected is bool:
		expected = Union[int, bool, float]  # noqa: UP007
	if parameter.default is not Parameter.empty:
		expected = Union[expected, type(parameter.default)]  # noqa: UP007
	try:
		return _adapter(expected).validate_python(value)
	except (TypeError, pydantic.ValidationError) as error:
		raise FrappeTypeError(
			f"Argument '{parameter.name}' should be of type '{_type_name(expected)}' but got "
			f"'{_type_name(value)}' instead."
		) from error


@lru_cache(maxsize=2048)
def _adapter(expected: Any) -> pydantic.TypeAdapter[Any]:
	return pydantic.TypeAdapter(expected, config=pydantic.ConfigDict(arbitrary_types_allowed=True))


def _type_name(thing: object) -> object:
	kind = thing if isclass(thing) else type(thing)
	if kind.__module__ in ("typing", "types"):
		return thing
	return kind.__qualname__ if kind.__module__ == "builtins" else f"{kind.__module__}.{kind.__qualname__}"


# Users and errors


def get_roles(username: str | None = None) -> list[str]:
	"""The roles of a user, by default of the one who asks. frappe/permissions.py: everybody who is logged
	in has All and Guest too, a System User Desk User, and Administrator every role there is."""
	if not getattr(local, "session", None) or not local.session.user:
		return ["Guest"]
	roles: list[str] = local.roles_of(username or local.session.user)
	return roles


def get_cached_value(doctype: str, name: str, fieldname: str = "name") -> Any:
	"""A field of a user, None where there is no such user. frappe/__init__.py, where it is that of any document."""
	if doctype != "User":
		throw(_("DocType {0} not found").format(doctype), DoesNotExistError)
	return getattr(local.settings.users.get(name), fieldname, None)


def throw(msg: str, exc: type[Exception] | Exception = ValidationError, title: str | None = None) -> NoReturn:
	"""Raise `exc` with the message, and show it to the user in the response's `_server_messages`."""
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


# Transactions and realtime


class Transaction:
	"""`frappe.db`, as far as this app goes: the end of a transaction, on which realtime events wait.

	frappe/database/database.py and frappe/realtime.py: a commit sends what waits, a rollback drops it.
	"""

	def __init__(self, commit: Callable[[], None], rollback: Callable[[], None], emit: Emit) -> None:
		self._commit = commit
		self._rollback = rollback
		self.emit = emit
		self.waiting: list[tuple[str, Any, str]] = []

	def commit(self) -> None:
		"""Make what was written durable and visible, then let the events go, in their order."""
		self._commit()
		waiting, self.waiting = self.waiting, []
		for event in waiting:
			_emit(self.emit, *event)

	def rollback(self) -> None:
		"""Undo what was written, and forget the events that waited for it."""
		self.waiting = []
		self._rollback()


def publish_realtime(
	event: str | None = None,
	message: dict[str, Any] | None = None,
	room: str | None = None,
	user: str | None = None,
	doctype: str | None = None,
	docname: str | None = None,
	task_id: str | None = None,
	after_commit: bool = False,
) -> None:
	"""Send an event to one room: `room`, else that of `task_id`, `user`, `doctype` and `docname`, else all
	System Users. With `after_commit` it waits for the commit, unless an equal one is waiting already.

	Like frappe/realtime.py it says nothing where nobody listens: what could not be delivered is lost.
	"""
	message = {} if message is None else message
	task_id = task_id or getattr(local, "task_id", None)
	if event is None:
		event = "task_progress" if task_id else "global"
	elif event == "msgprint" and not user:
		user = session.user
	elif event == "list_update":
		room = f"doctype:{doctype or message.get('doctype')}"
	elif event == "docinfo_update":
		room = f"doc:{doctype}/{docname}"

	if not room:
		if task_id:
			after_commit = False
			message.setdefault("task_id", task_id)
			room = f"task_progress:{task_id}"
		elif user:
			room = f"user:{user}"
		elif doctype and docname:
			room = f"doc:{doctype}/{docname}"
		else:
			room = "all"

	if not after_commit:
		_emit(db.emit, event, message, room)
	elif (event, message, room) not in db.waiting:
		db.waiting.append((event, message, room))


def _emit(emit: Emit, event: str, message: Any, room: str) -> None:
	# Through JSON and back: a client must get the same values, and the caller the same TypeError, as
	# where the message travels through Redis. Not by `as_json`: who indents is not written in C.
	emit(event, json.loads(json.dumps(message, sort_keys=True, default=json_value)), room)


def as_json(obj: Any, indent: int | None = 1) -> str:
	"""JSON with sorted keys. frappe/utils/response.py: dates become strings, Decimals floats, iterables
	lists. Raises TypeError for anything else that JSON does not know."""
	return json.dumps(obj, indent=indent, sort_keys=True, default=json_value, separators=(",", ": "))


def json_value(obj: object) -> object:
	"""`default` of json.dumps for what a method may return."""
	if isinstance(obj, date | datetime | time):
		return str(obj)
	if isinstance(obj, Decimal):
		return float(obj)
	if isinstance(obj, Iterable):
		return list(obj)
	raise TypeError(f"Object of type {type(obj)} with value of {obj!r} is not JSON serializable")


# The cache


class _Cache:
	"""Values in this process's memory. frappe/utils/redis_wrapper.py, where they are in Redis and may be evicted.

	One cache serves all sites that run in a process, one after another: keys are prefixed with the site.
	"""

	def __init__(self) -> None:
		self._values: dict[tuple[str, str], tuple[float, Any]] = {}

	def set_value(self, key: str, val: Any, *, expires_in_sec: float) -> None:
		"""Keep a value for `expires_in_sec` seconds."""
		now = monotonic()
		for old in [old for old, (until, _value) in list(self._values.items()) if until <= now]:
			self._values.pop(old, None)
		self._values[local.site, key] = now + expires_in_sec, val

	def get_value(self, key: str, *, expires: bool) -> Any:
		"""The value, None once it has expired."""
		until, value = self._values.get((local.site, key), (0.0, None))
		return value if monotonic() < until else None


cache = _Cache()


# Jobs


QUEUES = ("short", "default", "long")


def enqueue(
	method: str,
	queue: str = "default",
	timeout: int | None = None,
	*,
	job_id: str | None = None,
	deduplicate: bool = False,
	**kwargs: Any,
) -> None:
	"""Run a method soon, as the user who asks and outside of the request. frappe/utils/background_jobs.py: a queue of
	its own must be declared under `workers`; `deduplicate` leaves out a job whose id is queued or runs.

	This site ends no job after its `timeout`, in seconds.
	"""
	known = (*QUEUES, *(conf.get("workers") or {}))
	if queue not in known:
		throw(_("Queue should be one of {0}").format(", ".join(known)))
	if deduplicate and not job_id:
		throw(_("`job_id` paramater is required for deduplication."))
	if deduplicate and is_job_enqueued(str(job_id)):
		return
	module, _dot, name = method.rpartition(".")
	job = partial(getattr(importlib.import_module(module), name), **kwargs)
	local.jobs.put(job_id or secrets.token_hex(8), session.user, job)


def is_job_enqueued(job_id: str) -> bool:
	"""Whether a job of this id waits or runs. frappe/utils/background_jobs.py."""
	there: bool = job_id in local.jobs
	return there


# Logs


_loggers: dict[str, tuple[logging.Logger, _LogFile]] = {}
_log_folder: Path | None = None


class _LogFile(RotatingFileHandler):
	"""A logger's file in the folder of the site that runs; nothing where none does."""

	def __init__(self, name: str, max_size: int, file_count: int) -> None:
		super().__init__(
			name,
			maxBytes=max_size,
			backupCount=file_count,
			encoding="utf-8",
			errors="backslashreplace",
			delay=True,
		)
		self._name = name
		self.move()

	def move(self) -> None:
		self.close()
		if _log_folder:
			self.baseFilename = str(_log_folder / self._name)

	def emit(self, record: logging.LogRecord) -> None:
		if _log_folder:
			super().emit(record)


def logger(
	module: str, *, allow_site: str | bool = True, max_size: int = 100_000, file_count: int = 20
) -> logging.Logger:
	"""The logger of `logs/<module>.log`; `max_size` is in bytes. frappe/utils/logger.py: it passes errors
	alone until its level is set, and hands nothing on to the root logger."""
	site = getattr(local, "site", None) if allow_site is True else allow_site
	name = f"{module}-{site or 'all'}"
	if name not in _loggers:
		file = _LogFile(f"{module}.log", max_size, file_count)
		file.setFormatter(logging.Formatter(f"%(asctime)s %(levelname)s {module} %(message)s"))
		made = logging.getLogger(name)
		made.setLevel(logging.ERROR)
		made.propagate = False
		made.addHandler(file)
		_loggers[name] = made, file
	return _loggers[name][0]


def keep_logs_in(folder: Path | None) -> Path | None:
	"""Write all logs into this folder, or nowhere; returns the folder before.

	Not Frappe's: a bench has one folder for as long as it lives, a process may run one site after another.
	What the app has set on a logger stays.
	"""
	global _log_folder
	before, _log_folder = _log_folder, folder
	for _logger, file in _loggers.values():
		file.move()
	return before


# frappe.utils


def now() -> str:
	"""The local time as `2025-10-27 12:34:56.123456`. frappe/utils/data.py, where it is the time zone of
	System Settings; here it is the machine's."""
	return datetime.now().strftime("%Y-%m-%d %H:%M:%S.%f")


def convert_utc_to_system_timezone(utc_timestamp: datetime) -> datetime:
	"""The same moment on the site's clock. frappe/utils/data.py; the time zone is as in `now`."""
	if utc_timestamp.tzinfo is None:
		utc_timestamp = utc_timestamp.replace(tzinfo=timezone.utc)
	return utc_timestamp.astimezone()


def cint(s: Any, default: int = 0) -> int:
	"""The number as an int, `default` where it is none. frappe/utils/data.py."""
	for convert in (int, lambda value: int(float(value))):
		try:
			return int(convert(s))
		except (TypeError, ValueError, OverflowError):
			pass
	return default


# frappe.sessions


def get_csrf_token() -> str | None:
	"""The CSRF token of the session at hand, made at its first page; None for a guest or an API key.

	From now on the POSTs of that session must carry it, in X-Frappe-CSRF-Token or as `csrf_token`.
	frappe/sessions.py, which makes one for an API key too.
	"""
	if session.data.user_type is None:
		return None
	if not session.data.csrf_token:
		session.data.csrf_token = local.sessions.give_csrf_token(session.sid)
	token: str = session.data.csrf_token
	return token


# The module


def _module(name: str, contents: dict[str, Any]) -> ModuleType:
	module = ModuleType(name, "What the standalone site has of it.")

	def __getattr__(missing: str) -> NoReturn:
		raise AttributeError(f"the standalone site has no {name}.{missing}")

	module.__dict__.update(contents, __getattr__=__getattr__)
	return module


_exceptions = {exception.__name__: exception for exception in EXCEPTIONS}
_background_jobs = _module("frappe.utils.background_jobs", {"is_job_enqueued": is_job_enqueued})
_utils = _module(
	"frappe.utils",
	{
		"background_jobs": _background_jobs,
		"cint": cint,
		"convert_utc_to_system_timezone": convert_utc_to_system_timezone,
		"now": now,
	},
)
_sessions = _module("frappe.sessions", {"get_csrf_token": get_csrf_token})
_frappe = _module(
	"frappe",
	{
		"_": _,
		"_dict": _dict,
		"as_json": as_json,
		"cache": cache,
		"conf": conf,
		"db": db,
		"enqueue": enqueue,
		"exceptions": _module("frappe.exceptions", _exceptions),
		"flags": flags,
		"form_dict": form_dict,
		"get_cached_value": get_cached_value,
		"get_roles": get_roles,
		"local": local,
		"logger": logger,
		"message_log": message_log,
		"publish_realtime": publish_realtime,
		"request": request,
		"response": response,
		"session": session,
		"sessions": _sessions,
		"throw": throw,
		"utils": _utils,
		"whitelist": whitelist,
		**_exceptions,
	},
)


def install() -> bool:
	"""Put the stand-in in the place of frappe, before anything of the app is imported.

	Returns True where it is in place, False where a real Frappe is importable: that one is left alone.
	Raises what a real Frappe raises where it cannot be imported whole.
	"""
	try:
		found = importlib.import_module("frappe")
	except ModuleNotFoundError as error:
		if error.name != "frappe":
			raise
	else:
		if found is _frappe:
			return True
		# PyPI's placeholder, and a folder of that name, import as well: neither can whitelist.
		if hasattr(found, "whitelist"):
			return False
	for module in (_frappe, _frappe.exceptions, _sessions, _utils, _background_jobs):
		sys.modules[module.__name__] = module
	return True
