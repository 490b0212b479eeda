"""What `bench --site S ai-assistant doctor` looks at. Each is a Check, and can be made by itself."""

import importlib.metadata
import logging
import shutil
import socket
import subprocess
import time
from collections import Counter
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import replace
from datetime import datetime, timezone
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import frappe
from frappe.utils import cint

from ai_assistant import __version__, hooks
from ai_assistant.chat import queue
from ai_assistant.chat.errors import ChatError, provider_failure
from ai_assistant.chat.request import be_ready
from ai_assistant.config import settings
from ai_assistant.gateway import Provider, ProviderError, first_chunk_ms, preload
from ai_assistant.log import logger
from ai_assistant.realtime import redis_health

from .. import canary
from . import proxy_timeouts, remote_checks
from .check import Check, Ill, counted

REDIS_S = 3.0
# Above the deadlines of what is looked at: those know better what they have waited for.
LONG_S = 60.0
# RQ's own limit for a worker's sign of life, and its leeway (rq/worker.py, `heartbeat`); an idle one gives one in 405 s.
HEARTBEAT_S = 480.0
# The app's job comes each minute; one of another app that takes long may keep it waiting.
MINUTE_S = 300.0
# MariaDB's access denied to a user or a database, and unknown database.
REFUSED = (1044, 1045, 1049, 1698)
APP = hooks.app_name
START = "bench start, or supervisorctl restart all"
CORRECT = "Correct it in Desk (AI Provider, AI Assistant Settings), or in site_config.json, which wins."


def of_bench(frozen: Ill | None = None) -> list[Check]:
	"""The checks of this site, in the order in which they are best read.

	Where the cache is `frozen` Frappe could not be started, and nothing else can be looked at.
	"""
	found = [
		Check("database", database),
		Check("redis_cache", lambda: redis("redis_cache")),
		Check("redis_queue", lambda: redis("redis_queue")),
		Check("maintenance", maintenance),
		Check("configuration", configuration, needs=("database",), then=providers),
		Check(
			"web server",
			web_server,
			needs=("database", "redis_cache", "maintenance"),
			deadline_s=2 * canary.HTTP_TIMEOUT_S + 2,
		),
		Check("realtime server", realtime_server, needs=("redis_queue",)),
		Check("event", event, needs=("web server", "realtime server"), deadline_s=LONG_S),
		Check("workers", workers, needs=("redis_queue",)),
		Check("scheduler", scheduler, needs=("database", "redis_queue", "maintenance")),
		Check("timeouts", timeouts, needs=("configuration",)),
		Check("log", log),
		Check("versions", versions, needs=("database", "redis_queue")),
	]
	if not frozen:
		return found

	def repeat() -> str:
		raise frozen

	rest = [replace(each, needs=("redis_cache",)) for each in found if each.name != "redis_cache"]
	return [Check("redis_cache", repeat), *rest]


def frozen_cache(url: str) -> Ill | None:
	"""What is wrong with a cache that does not answer: Frappe would wait for it for ever as it starts."""
	try:
		redis("redis_cache", url)
	except Ill as found:
		return found if isinstance(found.__cause__, TimeoutError) else None
	return None


def database() -> str:
	began = time.monotonic()
	try:
		((version,),) = frappe.db.sql("SELECT VERSION()")
		isolation = dict(frappe.db.sql("SHOW VARIABLES LIKE 'innodb_snapshot_isolation'"))
	except Exception as error:
		if error.args and error.args[0] in REFUSED:
			raise Ill(
				f"the database refuses the site ({_where('db_name', 'db_user')})",
				"Correct db_name and db_password in site_config.json.",
			)
		raise Ill(
			f"the database cannot be reached ({type(error).__name__})",
			f"Start MariaDB; see db_host and db_port in the site's configuration: {_where('db_host', 'db_port')}.",
		)
	strict = isolation.get("innodb_snapshot_isolation") == "ON"
	warned = "; innodb_snapshot_isolation is on: a user's parallel logins may answer 500" if strict else ""
	return f"{version}, {_ms(began)}{warned}"


def redis(key: str, url: str | None = None) -> str:
	"""Redis as `key` of the configuration names it, redis_cache or redis_queue, where its address is not given."""
	url = url or frappe.conf.get(key)
	if not url:
		raise Ill(f"{key} is not configured", f"Put {key} into common_site_config.json: bench setup redis.")
	from redis import exceptions

	began, at = time.monotonic(), _address(url)
	try:
		version = redis_health.connection(url, REDIS_S).info("server")["redis_version"]
	except ValueError:
		raise Ill(
			f"{key} is no address of a Redis",
			"common_site_config.json accepts redis://host:port, rediss://host:port and unix:///path.",
		)
	except exceptions.AuthenticationError:
		raise Ill(f"{at} refuses the password", f"Correct {key} in common_site_config.json.")
	except exceptions.ResponseError as error:
		raise Ill(f"{at} refuses a command ({type(error).__name__})", "Let its user ask INFO and PUBSUB.")
	except exceptions.TimeoutError:
		raise Ill(
			f"{at} does not answer within {REDIS_S:.0f} s", "Restart it: it hangs, or the way there is shut."
		) from TimeoutError()
	except exceptions.RedisError as error:
		if remote_checks.untrusted(error):
			raise Ill(
				f"the certificate of {at} is not trusted here",
				f"Name the file of its authority in {key}: ?ssl_ca_certs=….",
			)
		raise Ill(f"{at} cannot be reached", f"Start it: {START}.")
	return f"{version} at {at}, {_ms(began)}"


def installed() -> str:
	"""Whether the app is on this site: the commands are there on every site of the bench."""
	if APP not in frappe.get_installed_apps():
		site = frappe.local.site
		raise Ill(f"the site {site} has no app {APP}", f"bench --site {site} install-app {APP}.")
	return "yes"


def maintenance() -> str:
	if frappe.conf.get("maintenance_mode"):
		raise Ill(
			"the site is in maintenance: it answers nobody, and its scheduler stands",
			f"bench --site {frappe.local.site} set-maintenance-mode off.",
		)
	return "off"


def configuration(load: Callable[[], settings.Settings] = settings.load) -> str:
	try:
		found = load()
	except (frappe.DoesNotExistError, frappe.db.ProgrammingError, frappe.db.OperationalError) as error:
		site = frappe.local.site
		raise Ill(
			f"the site has not the tables of this version of the app ({type(error).__name__})",
			f"bench --site {site} install-app ai_assistant, or where it is installed bench --site {site} migrate.",
		)
	try:
		be_ready(found)
	except ChatError as error:
		if found.set_aside:
			raise Ill(str(error), CORRECT)
		raise Ill("no provider is configured", "Enable one in Desk: AI Provider → New.")
	first, model = found.first_for(found.modes["chat"])
	off = "" if found.realtime.enabled else "; realtime.enabled is off: answers come whole, without events"
	return f"{counted(len(found.providers), 'provider')}; {first and first.name} is asked first, for {model}{off}"


def provider(asked: Provider) -> str:
	"""Whether a provider takes its key and answers."""
	# Else it would be timed with what the process has to load first, for seconds.
	preload([asked])
	try:
		took = first_chunk_ms(asked)
	except ProviderError as error:
		raise Ill(provider_failure(error, True)["message"], _remedy(error, asked))
	if took is None:
		raise Ill(
			f"{asked.name} ended its answer without a word", f"Try another model than {asked.default_model}."
		)
	return f"{asked.default_model} answered; its first chunk came after {took} ms"


def web_server() -> str:
	began = time.monotonic()
	with canary.client() as connected:
		return f"the site answers at {connected.url}, {_ms(began)}"


def realtime_server() -> str:
	"""Whether a realtime server hears what the site publishes."""
	if reason := redis_health.why_not():
		raise Ill(
			reason,
			"Start the realtime server: bench start, or supervisorctl restart frappe-bench-web:frappe-bench-node-socketio;"
			" its log is logs/node-socketio.log.",
		)
	return f"subscribed to {redis_health.CHANNEL}{_sockets()}"


def event() -> str:
	return f"came back through a socket after {canary.delivery_ms():.0f} ms"


def workers() -> str:
	"""Whether the queue for chats in the background is served, and by processes that run."""
	from frappe.utils.background_jobs import get_queue, get_workers

	name = queue.queue_name()
	serving = get_queue(name)
	# Each worker listens to a channel of its own for as long as its process lives; in Redis' list it stays for minutes more.
	listening_on = {channel.decode() for channel in serving.connection.pubsub_channels("rq:pubsub:*")}
	found = [worker for worker in get_workers(serving) if f"rq:pubsub:{worker.name}" in listening_on]
	if not found:
		if forgotten := listening_on - {f"rq:pubsub:{worker.name}" for worker in get_workers()}:
			raise Ill(
				f"Redis has forgotten {counted(len(forgotten), 'worker')}, of {name} or not: it has lost its data since",
				"Have them restart, and register: supervisorctl restart frappe-bench-workers:.",
			)
		raise Ill(
			f"nobody serves the queue {name}; {serving.count} wait in it",
			f"Start workers: bench --site {frappe.local.site} ai-assistant worker (docs/reliability.md).",
		)
	if frozen := sorted(f"pid {worker.pid} {why}" for worker in found if (why := _frozen(worker))):
		raise Ill(
			f"{len(frozen)} of {len(found)} workers of {name} are frozen: {'; '.join(frozen)}",
			"Continue them (kill -CONT) or restart them: supervisorctl restart frappe-bench-workers:.",
		)
	busy = Counter(worker.get_state() for worker in found)["busy"]
	return f"{len(found)} of {name}, {busy} busy; {serving.count} wait in it"


def scheduler() -> str:
	"""Whether the site's minute comes: the scheduler is on, runs, and somebody does its jobs."""
	from frappe.utils.scheduler import is_scheduler_inactive

	site = frappe.local.site
	if is_scheduler_inactive(verbose=False):
		raise Ill(
			"it is off: requests of processes that died are not ended in time, nobody is alerted, and old logs stay",
			f"bench --site {site} scheduler enable; pause_scheduler in the site's configuration stops it too.",
		)
	(method,) = hooks.scheduler_events["cron"]["* * * * *"]
	ours = {"method": method, "stopped": 0}
	times = frappe.db.get_value("Scheduled Job Type", ours, ["last_execution", "creation"])
	if not times:
		raise Ill(
			"the app's job is not there, or stopped",
			f"bench --site {site} migrate; see Stopped in Scheduled Job Type.",
		)
	last, created = times
	if (age := (frappe.utils.now_datetime() - (last or created)).total_seconds()) > MINUTE_S:
		raise Ill(
			f"it is enabled, and the app's job of each minute has not been done for {age / 60:.0f} minutes",
			"Let bench schedule run, and workers of the queue default: bench start, or supervisorctl restart"
			" frappe-bench-workers:.",
		)
	return f"the job of each minute was done {max(age, 0):.0f} s ago"


def timeouts() -> str:
	"""Whether the web servers wait longer than the longest chat, as far as that can be read."""
	total_s = settings.load().timeouts.total_s
	http_timeout = cint(frappe.conf.get(settings.HTTP_TIMEOUT)) or settings.HTTP_TIMEOUT_S
	servers = proxy_timeouts.gunicorn(_sites())
	limits = {
		"gunicorn": min((each.timeout_s for each in servers if each.timeout_s is not None), default=None)
	}
	with suppress(OSError):
		configuration = (_sites().parent / "config" / "nginx.conf").read_text()
		limits["nginx"] = proxy_timeouts.nginx_s(configuration)
	known = {name: seconds for name, seconds in limits.items() if seconds is not None}
	if short := [f"{name} {seconds:g} s" for name, seconds in known.items() if seconds <= total_s]:
		raise Ill(
			f"a chat may take {total_s:g} s, and {', '.join(short)} ends it before",
			f"bench set-config -g http_timeout {http_timeout}, then bench setup nginx and bench setup supervisor, and restart both.",
		)
	web_servers = ", ".join(f"{name} {seconds:g} s" for name, seconds in known.items())
	finding = (
		f"a chat takes at most {total_s:g} s; {web_servers or 'the timeouts of the web servers are unknown'}"
	)
	if any(each.threads == 1 for each in servers):
		finding += "; a gunicorn process has one thread, which a chat holds (docs/deployment.md, Threads)"
	return finding


def log() -> str:
	if not logger().isEnabledFor(logging.INFO):
		level = logging.getLevelName(logger().getEffectiveLevel())
		raise Ill(
			f"its level is {level}: events leave no line",
			"Leave the level of the logger ai_assistant to the app.",
		)
	return "INFO: an event leaves a line in logs/ai_assistant.log"


def versions() -> str:
	found = {"ai_assistant": __version__, "frappe": frappe.__version__}
	for name in ("litellm", "python-socketio", "redis", "rq"):
		with suppress(importlib.metadata.PackageNotFoundError):
			found[name] = importlib.metadata.version(name)
	if node := shutil.which("node"):
		with suppress(OSError, subprocess.SubprocessError):
			asked = subprocess.run([node, "--version"], capture_output=True, text=True, timeout=REDIS_S)
			found["node"] = asked.stdout.strip().removeprefix("v")
	return ", ".join(f"{name} {version}" for name, version in found.items())


def providers(load: Callable[[], settings.Settings] = settings.load) -> Iterable[Check]:
	"""A check for each provider of the settings, and one that fails for whatever is set aside."""

	def looks(asked: Provider) -> Callable[[], str]:
		return lambda: provider(asked)

	def aside(reason: str) -> Callable[[], str]:
		def look() -> str:
			raise Ill(f"not used: {reason}", CORRECT)

		return look

	found = load()
	return [
		*(Check(name, aside(reason)) for name, reason in found.set_aside),
		*(Check(f"provider {each.name}", looks(each), deadline_s=LONG_S) for each in found.providers),
	]


def _remedy(error: ProviderError, asked: Provider) -> str:
	code = error.code
	if error.kind == "out_of_credit":
		return f"Add credit to its account, or raise its spending limit: AI Provider {asked.name}."
	if error.kind == "country":
		return "Disable it, or ask it through an address of a country that it serves."
	if code == "provider_auth":
		return f"Enter its API key anew: AI Provider {asked.name}."
	if code in ("provider_unavailable", "timeout"):
		base = "its own"
		if asked.api_base:
			parts = urlsplit(asked.api_base)
			base = f"{parts.scheme}://{_address(asked.api_base)}{parts.path}"
		return f"See its API Base ({base}), and whether the way out to it is open from here."
	if code in ("rate_limited", "budget_exceeded"):
		return "Wait, or raise the limit at the provider."
	return f"See its model ({asked.default_model}) and extra parameters: AI Provider {asked.name}, Test connection."


def _frozen(worker: Any) -> str | None:
	"""Why a worker of RQ does nothing any more, as far as can be told from here.

	Its heartbeat tells only after eight minutes; of a process of this machine the kernel tells at once.
	"""
	if worker.hostname == socket.gethostname():
		import psutil

		# Containers may share a host's name and none of its processes.
		with suppress(psutil.NoSuchProcess):
			status = psutil.Process(worker.pid).status()
			if status in (psutil.STATUS_STOPPED, psutil.STATUS_TRACING_STOP):
				return f"is {status}"
	if worker.last_heartbeat is None:
		return None
	age = (datetime.now(timezone.utc) - worker.last_heartbeat.replace(tzinfo=timezone.utc)).total_seconds()
	return f"has not been heard of for {age:.0f} s" if age > HEARTBEAT_S else None


def _sites() -> Path:
	return Path(frappe.local.sites_path).resolve()


def _sockets() -> str:
	"""How many there are: Frappe's realtime server does not tell, so the machine's connections are counted."""
	import psutil

	port = cint(frappe.conf.get("socketio_port")) or canary.SOCKETIO_PORT
	try:
		found = [
			each
			for each in psutil.net_connections("tcp")
			if each.status == psutil.CONN_ESTABLISHED and each.laddr.port == port
		]
	except (psutil.Error, OSError):
		return ""
	return f"; {counted(len(found), 'connection')} to its port {port}"


def _where(*keys: str) -> str:
	return ", ".join(f"{key} {frappe.conf.get(key) or 'not set'}" for key in keys)


def _address(url: str) -> str:
	"""Without what is secret in it: a user and their password, or options after a `?`."""
	parts = urlsplit(url)
	return parts.netloc.rpartition("@")[2] or parts.path


def _ms(began: float) -> str:
	return f"{(time.monotonic() - began) * 1000:.0f} ms"
