"""What `ai-assistant doctor --url` looks at: a site from outside, as its clients have it. It knows no Frappe."""

import time
from collections.abc import Callable, Iterable

import httpx
import socketio

from ai_assistant.client.client import ApiError, ChatStream, Client
from ai_assistant.gateway.probe import QUESTION

from .check import Check, Ill

PATIENCE_S = 5.0
# Above the deadline of a site's chats, which knows better what it has waited for.
CHAT_S = 125.0


def of_site(url: str, socketio_url: str, log_in: Callable[[], Client]) -> list[Check]:
	"""The checks of a site that runs; `log_in` makes a client of it, as `Client()` does."""
	url, socketio_url = url.rstrip("/"), socketio_url.rstrip("/")
	return [
		Check("web server", lambda: web_server(url)),
		Check(
			"login",
			lambda: login(log_in),
			needs=("web server",),
			then=lambda: providers(log_in),
			deadline_s=30,
		),
		Check("realtime server", lambda: realtime_server(socketio_url), needs=("web server",)),
		Check("event", lambda: event(log_in), needs=("login", "realtime server"), deadline_s=30),
	]


def web_server(url: str) -> str:
	began = time.monotonic()
	try:
		answer = httpx.get(f"{url}/api/method/ping", timeout=PATIENCE_S)
	except httpx.HTTPError as error:
		if untrusted(error):
			raise Ill(
				f"the certificate of {url} is not trusted here",
				"Have it signed by an authority that is known here, or name the file of yours in SSL_CERT_FILE.",
			)
		raise Ill(
			f"nobody answers at {url} ({type(error).__name__})",
			"Start the site; see that the address is right and that nothing shuts the way there.",
		)
	if "pong" not in answer.text[:100]:
		raise Ill(
			f"no Frappe site answers at {url} (HTTP {answer.status_code})",
			"Give the site's own address; behind a proxy see that it passes Host on.",
		)
	return f"answers at {url}, {_ms(began)}"


def login(log_in: Callable[[], Client]) -> str:
	with _logged_in(log_in) as client:
		found = client.get("list_models")["default"]
	if not found["provider"]:
		raise Ill("no provider is configured", "Enable one in Desk (AI Provider), or in site_config.json.")
	return f"accepted; {found['provider']} is asked first, for {found['model']}"


def providers(log_in: Callable[[], Client]) -> Iterable[Check]:
	"""A check for each provider that this user may ask."""

	def check(name: str) -> Check:
		return Check(f"provider {name}", lambda: provider(log_in, name), deadline_s=CHAT_S)

	with log_in() as client:
		return [check(each["name"]) for each in client.get("list_models")["providers"]]


def provider(log_in: Callable[[], Client], name: str) -> str:
	"""Whether one answers; that another would in its place is not asked."""
	remedy = "An administrator finds more with bench --site … ai-assistant doctor, or Test connection of the provider."
	with log_in() as client:
		stream = client.chat(QUESTION, provider=name)
		try:
			answer = stream.wait()
		except (ApiError, httpx.HTTPError) as error:
			raise Ill(str(error), remedy)
	if failed := next((each for each in answer["attempts"] if each["provider"] == name), None):
		raise Ill(
			f"{name} failed: {failed['error']}; {answer['provider'] or 'nobody'} answered in its place",
			remedy,
		)
	if answer["status"] == "failed":
		raise Ill(answer["error"]["message"], remedy)
	return f"{answer['model']} answered; its first word came after {answer['timing']['first_text_ms']} ms"


def realtime_server(socketio_url: str) -> str:
	"""Whether one answers at all; whom it lets in, `event` finds out."""
	began = time.monotonic()
	remedy = "Start it; name its own port by --socketio-url (bench: 9000), or let nginx pass /socket.io on."
	try:
		answer = httpx.get(f"{socketio_url}/socket.io/?EIO=4&transport=polling", timeout=PATIENCE_S)
	except httpx.HTTPError as error:
		raise Ill(f"nobody answers at {socketio_url} ({type(error).__name__})", remedy)
	if not answer.text.startswith("0{"):
		raise Ill(f"what answers at {socketio_url} is no realtime server (HTTP {answer.status_code})", remedy)
	return f"answers at {socketio_url}, {_ms(began)}"


def event(log_in: Callable[[], Client]) -> str:
	"""Event 1 of a chat over the socket; the chat is cancelled then."""
	with _logged_in(log_in) as client:
		try:
			client.connect()
		except socketio.exceptions.ConnectionError as error:
			raise refused(client, str(error))
		began = time.monotonic()
		stream = client.chat(QUESTION)
		for _first in stream:
			break
		# What comes after the first event is read back, as this left the stream.
		took, was_read_back = _ms(began), stream.read_back
		_give_up(client, stream)
		if was_read_back:
			raise Ill(
				f"a socket is connected at {client.socketio_url}, and event 1 had to be read from the journal",
				"Where `web server` took seconds the network is slow. Else the socket was let in as a guest (the session's"
				" cookie is another site's), or the site's realtime server is not the one it publishes to: bench --site …"
				" ai-assistant doctor tells.",
			)
		if stream.answer and not stream.answer["realtime"]["last_seq"]:
			return "realtime is switched off on this site"
	return f"event 1 came through a socket after {took}"


def refused(client: Client, words: str) -> Ill:
	"""What the realtime server's refusal of a socket says."""
	at = client.socketio_url
	if "Invalid origin" in words or "Invalid namespace" in words:
		return Ill(
			f"the realtime server at {at} refuses the Origin {client.url} for {client.site}: {words}",
			"Use the address that browsers use (host_name of the site); nginx passes Host, Origin and"
			" X-Frappe-Site-Name on (bench setup nginx).",
		)
	if "Unauthorized" in words:
		return Ill(
			f"the realtime server cannot find out at {client.url} whose a socket is: {words}",
			"That address, port included, must be the web server's and be reached from the realtime server's machine.",
		)
	return Ill(
		f"no socket could be opened at {at}: {words}",
		"Open that port to those who use the site, or let nginx pass /socket.io on (bench setup nginx).",
	)


def untrusted(error: Exception) -> bool:
	"""Whether a connection failed at the other side's certificate."""
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
		raise Ill(f"refused: {error}", remedy)
	return client


def _give_up(client: Client, stream: ChatStream) -> None:
	try:
		client.post("cancel", request_id=stream.request_id)
		stream.wait()
	except (ApiError, httpx.HTTPError):
		pass


def _ms(began: float) -> str:
	return f"{(time.monotonic() - began) * 1000:.0f} ms"
