"""The canary: an event that the site sends to itself, through a real Socket.IO client.

Its client logs in with the API key of a user of its own (`canary_user.py`), so no user's session is touched.
"""

import time
import uuid
from collections.abc import Mapping
from queue import Empty
from urllib.request import getproxies

import frappe
import httpx
import socketio
from frappe.utils import cint

from ai_assistant.client import Client
from ai_assistant.realtime import redis_health

from . import canary_user
from .doctor.check import CheckFailed
from .doctor.remote_checks import socket_refused, untrusted

# The first request to a web process on a busy machine takes seconds.
HTTP_TIMEOUT_S = 10.0
EVENT_TIMEOUT_S = 3.0
EVENT = "ai_canary"
WEB_PORT, SOCKETIO_PORT = 8000, 9000
UNTRUSTED = "its certificate is not trusted"


def client() -> Client:
	"""A client of this site, logged in as the canary's user. Its socket is not connected yet.

	Raises:
		CheckFailed: The site does not answer at its address, or does not accept the user's API key.
	"""
	token = canary_user.token()
	url = _url(token)
	return Client(url, frappe.local.site, _socketio_url(url), token=token)


def delivery_ms() -> float:
	"""Send an event to the canary's user as chats send theirs, and wait for it on a real socket.

	Returns:
		Milliseconds from publishing to arrival.

	Raises:
		CheckFailed: The socket is refused, or the event does not arrive within EVENT_TIMEOUT_S seconds.
	"""
	with client() as connected:
		try:
			connected.connect()
		except socketio.exceptions.ConnectionError as error:
			raise socket_refused(connected, str(error)) from None
		request_id = str(uuid.uuid4())
		with connected.inbox(request_id) as inbox, redis_health.bounded():
			began = time.monotonic()
			frappe.publish_realtime(EVENT, {"request_id": request_id}, user=canary_user.USER)
			try:
				inbox.get(timeout=EVENT_TIMEOUT_S)
			except Empty:
				raise CheckFailed(
					f"a socket is connected at {connected.socketio_url}, and an event sent to its user did not arrive"
					f" within {EVENT_TIMEOUT_S:.0f} s",
					"Restart the realtime server; check that it uses the redis_queue of the site's configuration.",
				) from None
			return (time.monotonic() - began) * 1000


def _url(token: str) -> str:
	"""The site's own address, if the site answers there.

	The realtime server asks the same address who a socket belongs to, so it must be reachable from here.

	Raises:
		CheckFailed: The site does not answer there; the message says whether it answers at the local port.
	"""
	url, site = str(frappe.utils.get_url()).rstrip("/"), frappe.local.site
	answer = _logged_in_user(url, token)
	if answer == canary_user.USER:
		return url
	if answer == UNTRUSTED:
		raise CheckFailed(
			f"the certificate of {url} is not trusted here",
			"Use a certificate of an authority that this machine knows, or name its file in SSL_CERT_FILE, and in"
			" NODE_EXTRA_CA_CERTS for the realtime server, which sends its own requests to this address.",
		)
	local = f"http://127.0.0.1:{cint(frappe.conf.get('webserver_port')) or WEB_PORT}"
	if _logged_in_user(local, token, {"Host": site, "X-Frappe-Site-Name": site}) == canary_user.USER:
		raise CheckFailed(
			f"the site does not answer at {url} ({answer}), but at {local}",
			f"Set host_name to the address that browsers use: bench --site {site} set-config host_name https://…",
		)
	proxied = " HTTP_PROXY sends this request elsewhere: name the site in NO_PROXY." if getproxies() else ""
	raise CheckFailed(
		f"the site does not answer at {url} ({answer})",
		"Start the web server (its log is logs/web.error.log). If it runs, set host_name to its address."
		+ proxied,
	)


def _socketio_url(url: str) -> str:
	"""Where browsers find the realtime server: at the site's own address, or at a port of its own."""
	try:
		answer = httpx.get(f"{url}/socket.io/?EIO=4&transport=polling", timeout=HTTP_TIMEOUT_S)
		if answer.text.startswith("0{"):
			return url
	except httpx.HTTPError:
		pass
	port = cint(frappe.conf.get("socketio_port")) or SOCKETIO_PORT
	return str(httpx.URL(url).copy_with(port=port)).rstrip("/")


def _logged_in_user(url: str, token: str, headers: Mapping[str, str] | None = None) -> str:
	"""The user that the site at `url` sees behind the token, or why it does not tell."""
	try:
		answer = httpx.get(
			f"{url}/api/method/frappe.auth.get_logged_user",
			headers={"Authorization": f"token {token}", **(headers or {})},
			timeout=HTTP_TIMEOUT_S,
		)
	except (httpx.HTTPError, httpx.InvalidURL) as error:
		return UNTRUSTED if untrusted(error) else type(error).__name__
	try:
		return str(answer.json()["message"])
	except (ValueError, TypeError, KeyError):
		return f"HTTP {answer.status_code}"
