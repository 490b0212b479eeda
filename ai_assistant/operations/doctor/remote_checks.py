"""What `ai-assistant doctor --url` checks: a site from outside, as its clients see it. It does not need Frappe."""

import time
from collections.abc import Callable, Iterable
from contextlib import suppress

import httpx
import socketio

from ai_assistant.client import ApiError, Client
from ai_assistant.gateway.probe import QUESTION

from .check import Check, CheckFailed, ms_since

HTTP_TIMEOUT_S = 5.0
LOGIN_DEADLINE_S = 30.0
# Longer than the deadline of the site's chats, whose failure says more.
CHAT_DEADLINE_S = 125.0


def of_site(url: str, socketio_url: str, log_in: Callable[[], Client]) -> list[Check]:
	"""The checks of a running site.

	Args:
		url: The address of the site.
		socketio_url: The address of its realtime server.
		log_in: Returns a new client, and raises as `Client()` does.
	"""
	url, socketio_url = url.rstrip("/"), socketio_url.rstrip("/")
	return [
		Check("web server", lambda: web_server(url)),
		Check(
			"login",
			lambda: login(log_in),
			needs=("web server",),
			then=lambda: providers(log_in),
			deadline_s=LOGIN_DEADLINE_S,
		),
		Check("realtime server", lambda: realtime_server(socketio_url), needs=("web server",)),
		Check(
			"event", lambda: event(log_in), needs=("login", "realtime server"), deadline_s=LOGIN_DEADLINE_S
		),
	]


def web_server(url: str) -> str:
	"""Check that a Frappe site answers at the URL."""
	began = time.monotonic()
	try:
		answer = httpx.get(f"{url}/api/method/ping", timeout=HTTP_TIMEOUT_S)
	except httpx.HTTPError as error:
		if untrusted(error):
			raise CheckFailed(
				f"the certificate of {url} is not trusted here",
				"Use a certificate of an authority that this machine knows, or name its file in SSL_CERT_FILE.",
			)
		raise CheckFailed(
			f"nothing answers at {url} ({type(error).__name__})",
			"Start the site. Check the address, and that no firewall blocks it.",
		)
	if "pong" not in answer.text[:100]:
		raise CheckFailed(
			f"no Frappe site answers at {url} (HTTP {answer.status_code})",
			"Use the site's own address. A proxy must pass Host on.",
		)
	return f"answers at {url}, {ms_since(began)}"


def login(log_in: Callable[[], Client]) -> str:
	"""Check that the user may chat and that the site has a provider."""
	with _logged_in(log_in) as client:
		default = client.get("list_models")["default"]
	if not default["provider"]:
		raise CheckFailed(
			"no provider is configured", "Enable one in Desk (AI Provider), or in site_config.json."
		)
	return f"accepted; {default['provider']} is asked first, for {default['model']}"


def providers(log_in: Callable[[], Client]) -> Iterable[Check]:
	"""A check for each provider that this user may use."""

	def check(name: str) -> Check:
		return Check(f"provider {name}", lambda: provider(log_in, name), deadline_s=CHAT_DEADLINE_S)

	with log_in() as client:
		return [check(provider["name"]) for provider in client.get("list_models")["providers"]]


def provider(log_in: Callable[[], Client], name: str) -> str:
	"""Check that a provider answers. It fails if a fallback answers in its place."""
	remedy = "On the bench, `bench --site … ai-assistant doctor` and the provider's Test connection say more."
	with log_in() as client:
		stream = client.chat(QUESTION, provider=name)
		try:
			answer = stream.wait()
		except (ApiError, httpx.HTTPError) as error:
			raise CheckFailed(str(error), remedy)
	failed = next((attempt for attempt in answer["attempts"] if attempt["provider"] == name), None)
	if failed:
		fallback = (
			f"{answer['provider']} answered in its place" if answer["provider"] else "no other answered"
		)
		raise CheckFailed(f"{name} failed: {failed['error']}; {fallback}", remedy)
	if answer["status"] == "failed":
		raise CheckFailed(answer["error"]["message"], remedy)
	return f"{answer['model']} answered; its first word came after {answer['timing']['first_text_ms']} ms"


def realtime_server(socketio_url: str) -> str:
	"""Check that a realtime server answers. Whether it accepts the user is checked by `event`."""
	began = time.monotonic()
	remedy = "Start it. Name its own port by --socketio-url (bench: 9000), or let nginx pass /socket.io on."
	try:
		answer = httpx.get(f"{socketio_url}/socket.io/?EIO=4&transport=polling", timeout=HTTP_TIMEOUT_S)
	except httpx.HTTPError as error:
		raise CheckFailed(f"nothing answers at {socketio_url} ({type(error).__name__})", remedy)
	if not answer.text.startswith("0{"):
		raise CheckFailed(
			f"what answers at {socketio_url} is no realtime server (HTTP {answer.status_code})", remedy
		)
	return f"answers at {socketio_url}, {ms_since(began)}"


def event(log_in: Callable[[], Client]) -> str:
	"""Check that event 1 of a chat arrives through the socket. The chat is cancelled then."""
	with _logged_in(log_in) as client:
		try:
			client.connect()
		except socketio.exceptions.ConnectionError as error:
			raise socket_refused(client, str(error))
		began = time.monotonic()
		stream = client.chat(QUESTION)
		next(iter(stream), None)
		# `read_back` also counts later events, because the iteration has ended.
		took, was_read_back = ms_since(began), stream.read_back
		with suppress(ApiError, httpx.HTTPError):
			client.post("cancel", request_id=stream.request_id)
			stream.wait()
		if was_read_back:
			raise CheckFailed(
				f"a socket is connected at {client.socketio_url}, and event 1 had to be read from the journal",
				"If the line `web server` shows seconds, the network is slow. Otherwise the socket was accepted as a guest (the session's"
				" cookie belongs to another site), or the site publishes to another realtime server: bench --site …"
				" ai-assistant doctor says which.",
			)
		if stream.answer and not stream.answer["realtime"]["last_seq"]:
			return "realtime is switched off on this site"
	return f"event 1 came through a socket after {took}"


def socket_refused(client: Client, reason: str) -> CheckFailed:
	"""The failure behind a socket that the realtime server has refused for `reason`."""
	at = client.socketio_url
	if "Invalid origin" in reason or "Invalid namespace" in reason:
		return CheckFailed(
			f"the realtime server at {at} refuses the Origin {client.url} for {client.site}: {reason}",
			"Use the address that browsers use (host_name of the site). nginx must pass Host, Origin and"
			" X-Frappe-Site-Name on (bench setup nginx).",
		)
	if "Unauthorized" in reason:
		return CheckFailed(
			f"the realtime server cannot find out at {client.url} whose a socket is: {reason}",
			"That address, port included, must be the web server's, and the realtime server's machine must reach it.",
		)
	return CheckFailed(
		f"no socket could be opened at {at}: {reason}",
		"Open that port to the users of the site, or let nginx pass /socket.io on (bench setup nginx).",
	)


def untrusted(error: Exception) -> bool:
	"""Whether a connection failed because of the server's certificate."""
	return "CERTIFICATE_VERIFY_FAILED" in str(error)


def _logged_in(log_in: Callable[[], Client]) -> Client:
	client = None
	try:
		client = log_in()
		client.get("list_models")
	except ApiError as error:
		if client:
			client.close()
		remedy = {
			400: "The session has a CSRF token: use an API key, or send X-Frappe-CSRF-Token.",
			401: "See --user and --password, or --token as key:secret (User → Settings → API Access).",
			403: "Give the user the role AI Assistant User.",
		}.get(error.status, "The site's log says more.")
		raise CheckFailed(f"refused: {error}", remedy)
	return client
