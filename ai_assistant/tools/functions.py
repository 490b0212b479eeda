"""Turns Python functions into tools. The annotations define the parameters, and pydantic checks the arguments."""

import inspect
from collections.abc import Callable
from concurrent.futures import Future
from contextlib import suppress
from functools import partial
from typing import Any

import frappe
from frappe import _
from pydantic import TypeAdapter, ValidationError
from pydantic_core import ArgsKwargs

from ai_assistant import keys, own_connection
from ai_assistant.gateway.schemas import Inliner
from ai_assistant.log import fields, logger
from ai_assistant.store.mariadb import forbid_writes

from .tool import MAX_DESCRIPTION_CHARS, READS_ONLY, Caller, Tool, ToolError, as_text

# The seconds of one statement in the database. The thread of a call that takes too long ends with its statement.
STATEMENT_S = 15


def tool_of(function: Callable[..., Any]) -> Tool:
	"""Makes a tool of a function: its name, its docstring, and the schema of its annotations.

	Raises:
		ValueError: the parameters have no names, or annotations that JSON cannot express.
	"""
	name = function.__name__
	adapter: TypeAdapter[Any] = TypeAdapter(function)  # type: ignore[arg-type]
	schema = adapter.json_schema()
	if schema.get("type") != "object":
		raise ValueError(f"the parameters of {name} are not given by name")
	reads_only = bool(getattr(function, READS_ONLY, False))
	start = partial(_start, name, adapter, reads_only)
	description = (inspect.getdoc(function) or "")[:MAX_DESCRIPTION_CHARS]
	return Tool(name, description, Inliner().inlined(schema), not reads_only, start)


def _start(
	name: str, adapter: "TypeAdapter[Any]", reads_only: bool, arguments: dict[str, Any], caller: Caller
) -> "Future[str]":
	"""Calls a function on a thread with its own connection, as the user of the request.

	The Future stays pending while the function runs, so it can be cancelled until the function has returned. What a
	cancelled function has written is rolled back.
	"""
	future: Future[str] = Future()

	def run() -> str:
		keys.use(caller.key)
		frappe.db.set_execution_timeout(STATEMENT_S)
		if reads_only:
			forbid_writes()
		text = as_text(adapter.validate_python(ArgsKwargs((), arguments)))
		if not future.set_running_or_notify_cancel():
			frappe.db.rollback()
		elif not reads_only:
			frappe.db.commit()  # nosemgrep: frappe-manual-commit
		return text

	def done(result: Any) -> None:
		if future.cancelled():
			return
		# The call may be cancelled at this moment.
		with suppress(Exception):
			if isinstance(result, Exception):
				future.set_exception(_explained(name, caller, result))
			else:
				future.set_result(result)

	own_connection.start(run, done, caller.user)
	return future


def _explained(name: str, caller: Caller, error: Exception) -> ToolError:
	"""Returns what the model is told of an exception: the sentence of a refusal, and nothing of a defect."""
	if isinstance(error, ToolError):
		return error
	if isinstance(error, ValidationError):
		faults = (
			f"{'.'.join(str(part) for part in fault['loc'])}: {fault['msg']}" for fault in error.errors()[:5]
		)
		return ToolError(_("The arguments are not valid: {0}").format("; ".join(faults)))
	if isinstance(error, frappe.InReadOnlyMode):
		return ToolError(_("The tool may only read, and it tried to write."))
	if isinstance(error, frappe.ValidationError | frappe.PermissionError):
		return ToolError(frappe.utils.strip_html(str(error)) or _("The site refuses it."))
	logger().error(f"[Tool] failed {fields(tool=name, user=caller.user)}", exc_info=error)
	return ToolError(_("The tool failed; an administrator finds the reason in the log."))
