"""How long the web servers in front of a chat wait for it, as far as a bench's processes and files tell."""

import re
import shlex
from contextlib import suppress
from pathlib import Path

from ai_assistant.config.gunicorn import Gunicorn, read


def gunicorn(sites: Path) -> list[Gunicorn]:
	"""The bench's gunicorn processes, or what supervisor will start if none can be read.

	Args:
		sites: The `sites` folder of the bench, in which its gunicorn is started.
	"""
	return _running(sites) or _supervised(sites)


def nginx_s(configuration: str) -> float | None:
	"""The shortest `proxy_read_timeout`, in seconds, in the form that `bench setup nginx` writes. None without one."""
	timeouts = re.findall(r"^\s*proxy_read_timeout\s+(\d+)s?;", configuration, re.MULTILINE)
	return min(map(float, timeouts), default=None)


def _running(sites: Path) -> list[Gunicorn]:
	import psutil

	servers = []
	for process in psutil.process_iter():
		# Processes end meanwhile, or belong to other users.
		with suppress(psutil.Error):
			command = process.cmdline()
			# With setproctitle, which Frappe 16 brings, a title replaces the command and hides its options.
			if command and command[0].startswith("gunicorn: "):
				continue
			# `gunicorn …`, `python …/gunicorn …` or `python -m gunicorn …`.
			program = next((index for index, word in enumerate(command[:3]) if "gunicorn" in word), None)
			if program is not None and Path(process.cwd()) == sites:
				environment = process.environ().get("GUNICORN_CMD_ARGS", "")
				servers.append(read(command[program + 1 :], environment, sites))
	return servers


def _supervised(sites: Path) -> list[Gunicorn]:
	with suppress(OSError, ValueError):
		configuration = (sites.parent / "config" / "supervisor.conf").read_text()
		commands = re.findall(r"^command=\S*gunicorn\b(.*)$", configuration, re.MULTILINE)
		return [read(shlex.split(command), "", sites) for command in commands]
	return []
