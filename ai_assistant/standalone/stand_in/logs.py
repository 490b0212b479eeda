"""`frappe.logger`."""

from __future__ import annotations

import logging
from logging.handlers import RotatingFileHandler
from pathlib import Path

from .context import local

_loggers: dict[str, tuple[logging.Logger, _LogFile]] = {}
_log_folder: Path | None = None


class _LogFile(RotatingFileHandler):
	"""The file of a logger, in the log folder of the running site. Without a running site it writes nothing."""

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

	def shouldRollover(self, record: logging.LogRecord) -> bool:
		"""Whether the file is full. The base class also looks twice at each line whether it is a regular file."""
		if self.stream is None:
			self.stream = self._open()
		return self.stream.tell() + len(self.format(record)) + len(self.terminator) >= self.maxBytes


def logger(
	module: str, *, allow_site: str | bool = True, max_size: int = 100_000, file_count: int = 20
) -> logging.Logger:
	"""The logger of `logs/<module>.log`. As in frappe/utils/logger.py its level is ERROR at first, and it does not
	propagate to the root logger.

	Args:
		module: The name of the logger.
		allow_site: The site in its name, True for the current one.
		max_size: The size in bytes at which the file is rotated.
		file_count: Number of rotated files.
	"""
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
	"""Write all logs into this folder from now on, or nowhere with None.

	Frappe has no such function, because a bench has one folder. A process may run one standalone site after another.
	Levels and handlers of the loggers stay.

	Returns:
		The folder before.
	"""
	global _log_folder
	before, _log_folder = _log_folder, folder
	for _logger, file in _loggers.values():
		file.move()
	return before
