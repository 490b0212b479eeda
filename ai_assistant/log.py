"""Writes the contract's log lines to `logs/ai_assistant.log` and to standard error. They never hold the text of a user."""

import functools
import logging
import re
import sys
import threading
from collections.abc import Callable
from contextlib import suppress
from typing import ParamSpec
from urllib.parse import quote

import frappe

from ai_assistant.printing import printable

P = ParamSpec("P")

# What could end the line of a log or look like another field.
UNSAFE = re.compile(r"[^\w@.:/+-]")

copy_to_stderr = True
"""Whether log lines also go to standard error. `ai-assistant chat` draws there and switches it off."""

MARKS = {
	"reasoning": "💭 REASONING",
	"text": "📝 TEXT",
	"tool_call_start": "🔧 TOOL_CALL_START",
	"tool_call_delta": "🔧 TOOL_CALL_DELTA",
	"tool_call": "🔧 TOOL_CALL",
	"tool_approval": "🔧 TOOL_APPROVAL",
	"tool_result": "🔧 TOOL_RESULT",
	"completion": "✅ COMPLETION",
}


class _Line(logging.Formatter):
	"""Formats a record as one line, with its traceback indented below, so that no exception text looks like a record."""

	def format(self, record: logging.LogRecord) -> str:
		# Several handlers format the same record.
		line: str | None = getattr(record, "line", None)
		if line is None:
			line = "\n\t".join(printable(part) for part in super().format(record).split("\n"))
			record.line = line
		return line


_setting_up = threading.Lock()
LINE = _Line("[%(asctime)s] %(message)s", "%Y-%m-%d %H:%M:%S")


def logger() -> logging.Logger:
	"""Returns Frappe's logger of the app, at INFO, with a copy on standard error.

	`frappe.logger` makes a logger for each site at ERROR (frappe/utils/logger.py), which would drop these lines.
	"""
	log: logging.Logger = frappe.logger("ai_assistant")
	if not _is_set_up(log):
		with _setting_up:
			# Another thread may have set it up. A second copy would write every line twice.
			if not _is_set_up(log):
				_set_up(log)
	return log


def _is_set_up(log: logging.Logger) -> bool:
	return any(handler.formatter is LINE for handler in log.handlers)


def _set_up(log: logging.Logger) -> None:
	if copy_to_stderr:
		log.addHandler(logging.StreamHandler(sys.stderr))
	for handler in log.handlers:
		handler.setFormatter(LINE)
	if log.level == logging.ERROR:
		log.setLevel(logging.INFO)


def escaped(value: object) -> str:
	"""Escapes a value, so that it cannot end the line or look like another field."""
	return UNSAFE.sub(lambda match: quote(match[0], safe="", errors="replace"), str(value))


def fields(**values: object) -> str:
	"""Formats values as `name=value`, escaped and separated by spaces."""
	return " ".join([f"{name}={escaped(value)}" for name, value in values.items()])


def fails_quietly(job: Callable[P, None]) -> Callable[P, None]:
	"""Rolls a job that fails back, and writes its traceback only to our log.

	Frappe stores the values of all variables of a traceback in an Error Log or a Scheduled Job Log
	(frappe/utils/error.py). They would hold questions, answers and keys; Frappe masks only those named `key`.
	"""

	@functools.wraps(job)
	def run(*args: P.args, **kwargs: P.kwargs) -> None:
		try:
			job(*args, **kwargs)
		except Exception:
			with suppress(Exception):
				frappe.db.rollback()
			logger().exception(f"[Job] {job.__name__} failed")

	return run
