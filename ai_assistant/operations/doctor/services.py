"""Checks of what a site runs on: database, Redis, web server and realtime server."""

import time

import frappe
from frappe.utils import cint

from ai_assistant.realtime import redis_health
from ai_assistant.store import mariadb

from .. import canary
from .check import CheckFailed, counted, host_of, ms_since
from .remote_checks import untrusted

REDIS_TIMEOUT_S = 3.0
# MariaDB's errors: access denied to a database, to a user, unknown database, and access denied without a password.
ACCESS_DENIED = (1044, 1045, 1049, 1698)
START_ALL = "bench start, or supervisorctl restart all"


def database() -> str:
	"""Check that the database answers. Warn if it may refuse parallel logins (docs/troubleshooting.md)."""
	began = time.monotonic()
	try:
		version, isolated = mariadb.server()
	except Exception as error:
		if error.args and error.args[0] in ACCESS_DENIED:
			raise CheckFailed(
				f"the database refuses the site ({_settings('db_name', 'db_user')})",
				"Correct db_name and db_password in site_config.json.",
			)
		raise CheckFailed(
			f"the database cannot be reached ({type(error).__name__})",
			f"Start MariaDB. Check db_host and db_port in the site's configuration: {_settings('db_host', 'db_port')}.",
		)
	warning = "; innodb_snapshot_isolation is on: a user's parallel logins may answer 500" if isolated else ""
	return f"{version}, {ms_since(began)}{warning}"


def redis(key: str, url: str | None = None) -> str:
	"""Check that Redis answers.

	Args:
		key: The key of its address in the configuration: redis_cache or redis_queue.
		url: The address, if Frappe has not read the configuration yet.
	"""
	url = url or frappe.conf.get(key)
	if not url:
		raise CheckFailed(
			f"{key} is not configured", f"Put {key} into common_site_config.json: bench setup redis."
		)
	from redis import exceptions

	began, host = time.monotonic(), host_of(url)
	try:
		version = redis_health.connection(url, REDIS_TIMEOUT_S).info("server")["redis_version"]
	except ValueError:
		raise CheckFailed(
			f"{key} is no address of a Redis",
			"common_site_config.json accepts redis://host:port, rediss://host:port and unix:///path.",
		)
	except exceptions.AuthenticationError:
		raise CheckFailed(f"{host} refuses the password", f"Correct {key} in common_site_config.json.")
	except exceptions.ResponseError as error:
		raise CheckFailed(
			f"{host} refuses a command ({type(error).__name__})", "Allow its user INFO and PUBSUB."
		)
	except exceptions.TimeoutError:
		raise CheckFailed(
			f"{host} does not answer within {REDIS_TIMEOUT_S:.0f} s",
			"Restart it if it hangs, or open the way to it.",
		) from TimeoutError()
	except exceptions.RedisError as error:
		if untrusted(error):
			raise CheckFailed(
				f"the certificate of {host} is not trusted here",
				f"Name the file of its authority in {key}: ?ssl_ca_certs=….",
			)
		raise CheckFailed(f"{host} cannot be reached", f"Start it: {START_ALL}.")
	return f"{version} at {host}, {ms_since(began)}"


def frozen_cache(url: str) -> CheckFailed | None:
	"""Return the failure if the cache does not answer. Frappe would wait for it without limit when it starts."""
	try:
		redis("redis_cache", url)
	except CheckFailed as failure:
		return failure if isinstance(failure.__cause__, TimeoutError) else None
	return None


def web_server() -> str:
	"""Check that the site answers at its own address."""
	began = time.monotonic()
	with canary.client() as client:
		return f"the site answers at {client.url}, {ms_since(began)}"


def realtime_server() -> str:
	"""Check that a realtime server receives what the site publishes."""
	if reason := redis_health.why_not():
		raise CheckFailed(
			reason,
			"Start the realtime server: bench start, or supervisorctl restart frappe-bench-web:frappe-bench-node-socketio;"
			" its log is logs/node-socketio.log.",
		)
	return f"subscribed to {redis_health.CHANNEL}{_connections()}"


def event() -> str:
	"""Check that an event reaches a real Socket.IO client."""
	return f"came back through a socket after {canary.delivery_ms():.0f} ms"


def _connections() -> str:
	"""The number of connections to the realtime server, from the machine, because Frappe's server does not report it."""
	import psutil

	port = cint(frappe.conf.get("socketio_port")) or canary.SOCKETIO_PORT
	try:
		connections = psutil.net_connections("tcp")
	except (psutil.Error, OSError):
		return ""
	established = [one for one in connections if one.status == psutil.CONN_ESTABLISHED]
	number = sum(one.laddr.port == port for one in established)
	return f"; {counted(number, 'connection')} to its port {port}"


def _settings(*keys: str) -> str:
	return ", ".join(f"{key} {frappe.conf.get(key) or 'not set'}" for key in keys)
