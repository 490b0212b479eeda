"""How gunicorn was started: its timeout, its kind of worker and its threads."""

import argparse
import math
import shlex
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Gunicorn:
	"""Attributes:
	timeout_s: Seconds after which gunicorn kills a worker; `inf` for never, None if unknown.
	threads: Requests that one process serves at a time; None if unknown.
	"""

	timeout_s: float | None = None
	threads: int | None = None


def read(command: Sequence[str], environment: str, folder: Path) -> Gunicorn:
	"""Read the options with gunicorn's own parser.

	Options are on the command line, in GUNICORN_CMD_ARGS and in a configuration file. That file is Python code, which
	is not run here: what it may set is unknown.

	Args:
		command: The arguments of the command, without the program.
		environment: The value of GUNICORN_CMD_ARGS.
		folder: The folder in which gunicorn was started.

	Returns:
		What is known. Nothing is, if gunicorn would refuse the options.
	"""
	from gunicorn.config import Config

	config = Config()
	parser = config.parser()
	parser.exit_on_error = False
	try:
		options, _others = parser.parse_known_args([*shlex.split(environment), *command])
	except (argparse.ArgumentError, ValueError):
		return Gunicorn()
	if not options.config and not (folder / "gunicorn.conf.py").exists():
		for name in ("timeout", "threads", "worker_class"):
			if getattr(options, name) is None:
				setattr(options, name, config.settings[name].default)
	timeout_s = math.inf if options.timeout == 0 else options.timeout
	# Other workers serve any number of requests in one thread.
	threads = options.threads if options.worker_class in ("sync", "gthread") else None
	return Gunicorn(timeout_s, threads)
