"""Finds out how long the web servers in front of a chat wait for its answer, from the processes and the configuration files
of a bench."""

import re
import shlex
from contextlib import suppress
from pathlib import Path

import frappe
from frappe.utils import cint

from ai_assistant.config import settings
from ai_assistant.config.gunicorn import Gunicorn, read

from .check import CheckFailed


def timeouts() -> str:
	"""Check that the web servers wait longer than the longest chat, as far as their timeouts can be read."""
	total_s = settings.load().timeouts.total_s
	sites = Path(frappe.local.sites_path).resolve()
	servers = gunicorn(sites)
	of_gunicorn = [server.timeout_s for server in servers if server.timeout_s is not None]
	limits = {"gunicorn": min(of_gunicorn, default=None)}
	with suppress(OSError):
		limits["nginx"] = nginx_s((sites.parent / "config" / "nginx.conf").read_text())
	known = {name: seconds for name, seconds in limits.items() if seconds is not None}
	if short := [f"{name}'s limit of {seconds:g} s" for name, seconds in known.items() if seconds <= total_s]:
		http_timeout = cint(frappe.conf.get(settings.HTTP_TIMEOUT)) or settings.HTTP_TIMEOUT_S
		raise CheckFailed(
			f"a chat may take {total_s:g} s, but it is ended earlier by {' and '.join(short)}",
			f"bench set-config -g http_timeout {http_timeout}, then bench setup nginx and bench setup supervisor, and"
			" restart both.",
		)
	web_servers = ", ".join(f"{name} {seconds:g} s" for name, seconds in known.items())
	finding = (
		f"a chat takes at most {total_s:g} s; {web_servers or 'the timeouts of the web servers are unknown'}"
	)
	if any(server.threads == 1 for server in servers):
		finding += "; a gunicorn process has one thread, which a chat holds (docs/deployment.md, Threads)"
	return finding


def gunicorn(sites: Path) -> list[Gunicorn]:
	"""The bench's gunicorn processes, or what supervisor will start if none can be read.

	Args:
		sites: The `sites` folder of the bench, in which its gunicorn is started.
	"""
	return _running(sites) or _supervised(sites)


def nginx_s(configuration: str) -> float | None:
	"""The shortest `proxy_read_timeout`, in seconds, in the form that `bench setup nginx` writes. None without one."""
	timeouts = re.findall(r"^\s*proxy_read_timeout\s+(\d+)s?;", configuration, re.MULTILINE)
	return min((float(timeout) for timeout in timeouts), default=None)


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
