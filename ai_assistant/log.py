"""The contract's log lines: in `logs/ai_assistant.log` and on standard error, never with the text itself."""

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

copy_to_stderr = True
"""False where standard error is drawn on (`ai-assistant chat`)."""

MARKS = {
	"reasoning": "💭 REASONING",
	"text": "📝 TEXT",
	"tool_call": "🔧 TOOL_CALL",
	"completion": "✅ COMPLETION",
}


class _Line(logging.Formatter):
	"""A line a record, and those of a traceback behind it indented: whatever an exception says, it looks like no record."""

	def format(self, record: logging.LogRecord) -> str:
		# Each handler asks for it, and one that looks whether its file is full twice.
		line: str | None = getattr(record, "line", None)
		if line is None:
			line = "\n\t".join(printable(each) for each in super().format(record).split("\n"))
			record.line = line
		return line


_setting_up = threading.Lock()
LINE = _Line("[%(asctime)s] %(message)s", "%Y-%m-%d %H:%M:%S")


def logger() -> logging.Logger:
	"""Frappe's logger of the app, at INFO, with a copy on standard error.

	`frappe.logger` makes one a site at ERROR (frappe/utils/logger.py), which would drop every line here.
	"""
	found: logging.Logger = frappe.logger("ai_assistant")
	if not _is_set_up(found):
		with _setting_up:
			# Another thread may have been faster; a second copy would say every line twice.
			if not _is_set_up(found):
				_set_up(found)
	return found


def _is_set_up(found: logging.Logger) -> bool:
	return any(handler.formatter is LINE for handler in found.handlers)


def _set_up(found: logging.Logger) -> None:
	if copy_to_stderr:
		found.addHandler(logging.StreamHandler(sys.stderr))
	for handler in found.handlers:
		handler.setFormatter(LINE)
	if found.level == logging.ERROR:
		found.setLevel(logging.INFO)


def escaped(value: object) -> str:
	"""A value that cannot end the line or look like the next field."""
	return re.sub(r"[^\w@.:/+-]", lambda found: quote(found[0], safe="", errors="replace"), str(value))


def fields(**values: object) -> str:
	return " ".join(f"{name}={escaped(value)}" for name, value in values.items())


def fails_quietly(job: Callable[P, None]) -> Callable[P, None]:
	"""Undoes a job that fails, and has its traceback in our log and nowhere else.

	Frappe keeps the values of all variables on the way to an exception, in an Error Log or a Scheduled Job Log
	(frappe/utils/error.py): questions, answers, and providers' keys, of which it masks those named `key` alone.
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
