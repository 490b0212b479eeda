"""A client of the site that stands for its administrator, without a password, from a process of the bench.

Its session is in Redis alone, where Frappe looks first (frappe/sessions.py, `get_session_data_from_cache`), and by its
own words over after a few minutes: no row, no line in the Activity Log, nobody logged out, and nothing that a process
killed in the middle leaves behind for longer.
"""

import secrets
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta, timezone
from queue import Empty
from urllib.request import getproxies

import frappe
import httpx
import socketio
from frappe.utils import cint

from ai_assistant.client.client import Client
from ai_assistant.realtime import redis_health

from .doctor.check import Ill
from .doctor.remote_checks import refused, untrusted

# As long as the longest chat in a request, and some.
LIFE_S = 300
# The first request of a web process on a busy machine takes some.
PATIENCE_S = 10.0
# How long a canary may take before it is given up, and the one after it that asks whether a guest hears.
CANARY_S, GUEST_S = 3.0, 1.0
CANARY = "ai_canary"
WEB_PORT, SOCKET_PORT = 8000, 9000
UNTRUSTED = "its certificate is not trusted"

_SET_HOST_NAME = (
	"Set host_name to the address that browsers use: bench --site {site} set-config host_name https://…"
)


@contextmanager
def session() -> Iterator[tuple[str, str]]:
	"""The name of an administrator and a `sid` of theirs, which is good for as long as the context lasts.

	Raises Ill where the site has no enabled System Manager.
	"""
	user = _administrator()
	sid, now = secrets.token_hex(28), frappe.utils.now()
	data = frappe._dict(
		user=user,
		session_ip=None,
		last_updated=now,
		session_expiry=f"00:00:{LIFE_S}",
		session_end=(datetime.now(timezone.utc) + timedelta(seconds=LIFE_S)).isoformat(),
		user_type="System User",
	)
	frappe.cache.hset("session", sid, frappe._dict(user=user, sid=sid, data=data))
	# Else the first request would write it to the database (`Session.update`).
	frappe.cache.hset("last_db_session_update", sid, now)
	try:
		yield user, sid
	finally:
		for key in ("session", "last_db_session_update"):
			frappe.cache.hdel(key, sid)


@contextmanager
def client() -> Iterator[tuple[str, Client]]:
	"""The administrator's name and a client of theirs, which has no socket yet. Raises Ill."""
	with session() as (user, sid):
		url = _url(user, sid)
		with Client(url, frappe.local.site, _socketio_url(url), sid=sid) as made:
			yield user, made


def _url(user: str, sid: str) -> str:
	"""Where the site answers. Raises Ill where it does not, saying whether it does so elsewhere.

	The realtime server asks there, too, whose a socket is: it must be reached from here.
	"""
	url, site = str(frappe.utils.get_url()).rstrip("/"), frappe.local.site
	found = _logged_in(url, sid)
	if found == user:
		return url
	if found == UNTRUSTED:
		raise Ill(
			f"the certificate of {url} is not trusted here",
			"Have it signed by an authority that is known here, or name the file of yours in SSL_CERT_FILE, and in"
			" NODE_EXTRA_CA_CERTS for the realtime server, which asks there whose a socket is.",
		)
	local = f"http://127.0.0.1:{cint(frappe.conf.get('webserver_port')) or WEB_PORT}"
	if _logged_in(local, sid, {"Host": site, "X-Frappe-Site-Name": site}) == user:
		raise Ill(
			f"the site does not answer at {url} ({found}), but at {local}", _SET_HOST_NAME.format(site=site)
		)
	proxied = (
		" Here HTTP_PROXY leads to another place first: name the site in NO_PROXY." if getproxies() else ""
	)
	raise Ill(
		f"the site does not answer at {url} ({found})",
		"Start the web server (its log is logs/web.error.log); where it runs, set host_name to its address."
		+ proxied,
	)


def _socketio_url(url: str) -> str:
	"""Where browsers find the realtime server: behind the site's own address, or at a port of its own."""
	try:
		behind = httpx.get(f"{url}/socket.io/?EIO=4&transport=polling", timeout=PATIENCE_S)
		if behind.text.startswith("0{"):
			return url
	except httpx.HTTPError:
		pass
	port = cint(frappe.conf.get("socketio_port")) or SOCKET_PORT
	return str(httpx.URL(url).copy_with(port=port)).rstrip("/")


def canary() -> float:
	"""Sends an event to oneself as the app does, and gives the milliseconds until a real client has it. Raises Ill."""
	with client() as (user, made):
		try:
			made.connect()
		except socketio.exceptions.ConnectionError as error:
			raise refused(made, str(error)) from None
		if (took := _heard(made, user, CANARY_S)) is not None:
			return took
		if _heard(made, "Guest", GUEST_S) is not None:
			raise Ill(
				"the socket was let in as a guest, who hears no user's events",
				f"The site at {made.url} does not know the session it was given: {_SET_HOST_NAME.format(site=made.site)}",
			)
	raise Ill(
		f"a socket is connected at {made.socketio_url}, and an event sent to it did not come within {CANARY_S:.0f} s",
		"Restart the realtime server; see that it has the redis_queue of the site's configuration.",
	)


def _heard(made: Client, user: str, patience_s: float) -> float | None:
	name = str(uuid.uuid4())
	with made.inbox(name) as inbox, redis_health.bounded():
		began = time.monotonic()
		frappe.publish_realtime(CANARY, {"request_id": name}, user=user)
		try:
			inbox.get(timeout=patience_s)
		except Empty:
			return None
		return (time.monotonic() - began) * 1000


def _logged_in(url: str, sid: str, headers: dict[str, str] | None = None) -> str:
	"""Who a `sid` is at an address, or why it does not tell."""
	try:
		answer = httpx.get(
			f"{url}/api/method/frappe.auth.get_logged_user",
			headers=headers,
			cookies={"sid": sid},
			timeout=PATIENCE_S,
		)
	except (httpx.HTTPError, httpx.InvalidURL) as error:
		return UNTRUSTED if untrusted(error) else type(error).__name__
	try:
		return str(answer.json()["message"])
	except (ValueError, TypeError, KeyError):
		return f"HTTP {answer.status_code}"


def _administrator() -> str:
	found = frappe.db.sql(
		"SELECT u.name FROM `tabUser` u LEFT JOIN `tabHas Role` r"
		" ON r.parent = u.name AND r.parenttype = 'User' AND r.role = 'System Manager'"
		" WHERE u.enabled = 1 AND (u.name = 'Administrator' OR r.name IS NOT NULL)"
		" ORDER BY u.name = 'Administrator' DESC, u.name LIMIT 1"
	)
	if not found:
		raise Ill(
			"no System Manager of the site is enabled", "Enable one: bench --site … add-system-manager."
		)
	return str(found[0][0])
