"""The checks of `bench --site S ai-assistant doctor`."""

import importlib.metadata
import logging
import subprocess
from contextlib import suppress
from dataclasses import replace

import frappe

from ai_assistant import __version__, hooks
from ai_assistant.log import logger

from .. import canary
from .background import scheduler, workers
from .check import Check, CheckFailed
from .providers import asked, configuration, providers, resting
from .proxy_timeouts import timeouts
from .services import database, event, realtime_server, redis, web_server
from .tools import tools

APP = hooks.app_name
# Longer than the timeouts inside the check, because their failures name the cause.
EVENT_DEADLINE_S = 60.0
NODE_TIMEOUT_S = 3.0


def of_bench(frozen: CheckFailed | None = None) -> list[Check]:
	"""The checks of this site, in the order in which they are printed.

	Args:
		frozen: The failure of a cache that does not answer. Frappe cannot start then, and all other checks are skipped.
	"""
	checks = [
		Check("database", database),
		Check("redis_cache", lambda: redis("redis_cache")),
		Check("redis_queue", lambda: redis("redis_queue")),
		Check("maintenance", maintenance),
		Check(
			"configuration",
			configuration,
			needs=("database",),
			then=lambda: [*providers(), *resting(), *asked(), *tools()],
		),
		Check(
			"web server",
			web_server,
			needs=("database", "redis_cache", "maintenance"),
			deadline_s=2 * canary.HTTP_TIMEOUT_S + 2,
		),
		Check("realtime server", realtime_server, needs=("redis_queue",)),
		Check("event", event, needs=("web server", "realtime server"), deadline_s=EVENT_DEADLINE_S),
		Check("workers", workers, needs=("redis_queue",)),
		Check("scheduler", scheduler, needs=("database", "redis_queue", "maintenance")),
		Check("timeouts", timeouts, needs=("configuration",)),
		Check("log", log),
		Check("versions", versions, needs=("database", "redis_queue")),
	]
	if not frozen:
		return checks

	def fail() -> str:
		raise frozen

	others = [replace(check, needs=("redis_cache",)) for check in checks if check.name != "redis_cache"]
	return [Check("redis_cache", fail), *others]


def installed() -> None:
	"""Check that the app is on this site. Its commands are there on every site of the bench."""
	if APP not in frappe.get_installed_apps():
		site = frappe.local.site
		raise CheckFailed(f"the site {site} has no app {APP}", f"bench --site {site} install-app {APP}.")


def maintenance() -> str:
	"""Check that the site is not in maintenance mode."""
	if frappe.conf.get("maintenance_mode"):
		raise CheckFailed(
			"the site is in maintenance: it answers no request, and its scheduler does not run",
			f"bench --site {frappe.local.site} set-maintenance-mode off.",
		)
	return "off"


def log() -> str:
	"""Check that each event leaves a log line."""
	if not logger().isEnabledFor(logging.INFO):
		level = logging.getLevelName(logger().getEffectiveLevel())
		raise CheckFailed(
			f"its level is {level}: events leave no line",
			"Do not set the level of the logger ai_assistant: the app sets it.",
		)
	return "INFO: an event leaves a line in logs/ai_assistant.log"


def versions() -> str:
	"""The versions that matter in a report of an error."""
	versions = {"ai_assistant": __version__, "frappe": frappe.__version__}
	for name in ("litellm", "python-socketio", "redis", "rq"):
		with suppress(importlib.metadata.PackageNotFoundError):
			versions[name] = importlib.metadata.version(name)
	with suppress(OSError, subprocess.SubprocessError):
		done = subprocess.run(["node", "--version"], capture_output=True, text=True, timeout=NODE_TIMEOUT_S)
		versions["node"] = done.stdout.strip().removeprefix("v")
	return ", ".join(f"{name} {version}" for name, version in versions.items())
