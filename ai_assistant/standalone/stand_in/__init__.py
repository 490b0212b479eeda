"""A stand-in for frappe where no Frappe is installed, with the names, signatures and answers that this app uses.

`install()` makes it importable as `frappe`. It has only the calls that the app makes: another name raises an
AttributeError that says what is missing. What belongs to one request is in `local`, which
`ai_assistant.standalone.site` fills as `frappe.init()` and `frappe.connect()` do.

It behaves as frappe/__init__.py of Frappe 15.72, unless a docstring names another file.
"""

from __future__ import annotations

import importlib
import sys
from types import ModuleType
from typing import Any, NoReturn

from ..exceptions import EXCEPTIONS
from .context import (
	_,
	_dict,
	conf,
	db,
	destroy,
	flags,
	form_dict,
	get_all_translations,
	get_attr,
	get_cached_value,
	get_csrf_token,
	get_hooks,
	get_roles,
	init,
	local,
	message_log,
	request,
	response,
	session,
	set_user,
	throw,
)
from .jobs import enqueue, is_job_enqueued
from .logs import keep_logs_in, logger
from .memory import cache
from .realtime import Emit, Transaction, publish_realtime
from .utils import as_json, cint, convert_utc_to_system_timezone, json_value, now
from .whitelist import (
	allowed_http_methods_for_whitelisted_func,
	guest_methods,
	whitelist,
	whitelisted,
)

__all__ = [
	"Emit",
	"Transaction",
	"_",
	"_dict",
	"allowed_http_methods_for_whitelisted_func",
	"cint",
	"db",
	"destroy",
	"form_dict",
	"get_attr",
	"get_csrf_token",
	"get_roles",
	"guest_methods",
	"init",
	"install",
	"json_value",
	"keep_logs_in",
	"local",
	"logger",
	"now",
	"session",
	"set_user",
	"throw",
	"whitelist",
	"whitelisted",
]


def _module(name: str, contents: dict[str, Any]) -> ModuleType:
	module = ModuleType(name, "The part of it that the standalone site has.")

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
_translate = _module("frappe.translate", {"get_all_translations": get_all_translations})
_frappe = _module(
	"frappe",
	{
		"_": _,
		"_dict": _dict,
		"as_json": as_json,
		"cache": cache,
		"conf": conf,
		"db": db,
		"destroy": destroy,
		"enqueue": enqueue,
		"exceptions": _module("frappe.exceptions", _exceptions),
		"flags": flags,
		"form_dict": form_dict,
		"get_attr": get_attr,
		"get_cached_value": get_cached_value,
		"get_hooks": get_hooks,
		"get_roles": get_roles,
		"local": local,
		"logger": logger,
		"message_log": message_log,
		"publish_realtime": publish_realtime,
		"request": request,
		"response": response,
		"session": session,
		"set_user": set_user,
		"sessions": _sessions,
		"throw": throw,
		"translate": _translate,
		"utils": _utils,
		"whitelist": whitelist,
		**_exceptions,
	},
)


def install() -> bool:
	"""Make the stand-in importable as frappe. Call it before a module of the app is imported.

	Returns:
		True if the stand-in is in place, False if a real Frappe is installed, which is left alone.

	Raises:
		Exception: What a real Frappe raises if its import fails.
	"""
	try:
		module = importlib.import_module("frappe")
	except ModuleNotFoundError as error:
		if error.name != "frappe":
			raise
	else:
		if module is _frappe:
			return True
		# The placeholder on PyPI and a folder of that name can be imported too, but have no `whitelist`.
		if hasattr(module, "whitelist"):
			return False
	for part in (_frappe, _frappe.exceptions, _sessions, _translate, _utils, _background_jobs):
		sys.modules[part.__name__] = part
	return True
