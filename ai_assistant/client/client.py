"""The client's end: asks over REST, hears its events over Socket.IO, and gives them whole and in order.

No python-socketio client promises the order of events (engineio handles each packet on a thread of its own), so
they are put in order by `seq`. What the socket lost (while it was away, or because nothing is published) is asked
for by `get_events`: the journal has every event.
"""

import queue
import threading
import time
import uuid
import weakref
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any
from urllib.parse import urlsplit

import httpx
import socketio

from ai_assistant.realtime.event import EVENT, STATUS

# Longer than any request may run: gunicorn and nginx give it two minutes.
REQUEST_TIMEOUT_S = 180
# A gap may be an event still on its way; when it has not come by then, the journal is asked.
GAP_S = 1.0
# Without a socket the journal is followed: how long it may hold a question, and the pause where it does not.
WAIT_S = 20
RETRY_S = 0.25
# How long the answer is looked for when the connection of its POST has broken.
RECOVER_S = 120
# A server that is asked speaks every three seconds, if only to say that it waits, and at once the first time: a socket
# that is silent for longer has gone without a word, or is connected to nobody. (Frappe's realtime server forgets a
# site's namespace with its last socket: one that is being let in at that moment stays in the forgotten one, and no
# event ever reaches it. frappe/realtime/index.js, `cleanupEmptyChildNamespaces`; seen on 16-dev.)
SILENCE_S = 5.0
FIRST_S = 1.0
# How often somebody who waits looks whether the socket is still connected.
LOOK_S = 1.0
UNENDED = ("queued", "running")

Inbox = queue.SimpleQueue[tuple[str, Any]]


class ApiError(Exception):
	"""The server refused: `status` is HTTP's, `body` the JSON it answered, or None."""

	def __init__(self, status: int, body: Any) -> None:
		self.status = status
		self.body = body
		message = body.get("message") if isinstance(body, dict) else None
		self.answer: dict[str, Any] = message if isinstance(message, dict) else {}
		sentence = self.answer.get("error", {}).get("message") or message or _of_frappe(body)
		super().__init__(f"{sentence} (HTTP {status})")


def _of_frappe(body: Any) -> str:
	"""What is said of an answer that is Frappe's own, in which the app was not reached."""
	kind = body.get("exc_type") if isinstance(body, dict) else None
	if kind == "SessionStopped":
		return "the site is in maintenance mode; to end it: bench --site … set-maintenance-mode off"
	# It names the method that it does not find, in the words of whatever language.
	if kind in ("ValidationError", "AppNotInstalledError") and "ai_assistant.api." in str(body):
		return "the site has no app ai_assistant; to install it: bench --site … install-app ai_assistant"
	return "the server gave no reason"


def assistant_message(answer: Mapping[str, Any]) -> dict[str, Any]:
	"""An answer as the next request's `messages` take it: with its tool calls, and what its provider wants back."""
	message = {"role": "assistant", "content": answer["response"]}
	return message | {name: answer[name] for name in ("tool_calls", "continuation") if answer.get(name)}


class Client:
	"""A user of one site. A context manager: `close()` lets go of the socket and the connections."""

	def __init__(
		self,
		url: str,
		site: str,
		socketio_url: str | None = None,
		user: str | None = None,
		password: str | None = None,
		token: str | None = None,
		sid: str | None = None,
	) -> None:
		"""`url` is the web server's own; `socketio_url` the realtime server's, where it has a port of its own.

		Either `user` and `password`, or `token` as "key:secret", or the `sid` of a session. Raises ApiError where the
		login is refused, httpx.HTTPError where nobody answers.
		"""
		self.url = url.rstrip("/")
		self.site = site
		self.socketio_url = (socketio_url or url).rstrip("/")
		self.http = httpx.Client(base_url=self.url, timeout=REQUEST_TIMEOUT_S)
		self._inboxes: dict[str, list[Inbox]] = {}
		self._socket: Any = None
		if token:
			self.http.headers["Authorization"] = f"token {token}"
		elif sid:
			self.http.cookies.set("sid", sid)
		else:
			try:
				_checked(self.http.post("/api/method/login", data={"usr": user, "pwd": password}))
			except BaseException:
				self.close()
				raise

	def __enter__(self) -> "Client":
		return self

	def __exit__(self, *exc: object) -> None:
		self.close()

	def close(self) -> None:
		self._let_go_of_socket()
		self.http.close()

	def _let_go_of_socket(self) -> None:
		socket, self._socket = self._socket, None
		if socket:
			socket.client.shutdown()
			# The one who listens is told by neither of the two where it waits for an event.
			socket.connected = False
			socket.connected_event.set()
			socket.input_event.set()

	def connect(self) -> None:
		"""Opens the socket, which joins the user's room. Raises socketio's ConnectionError where it is refused.

		One that was open before is let go of.

		The realtime server compares the hosts of Origin and Host and calls back to the origin; it wants a
		Cookie header even beside a token, and takes a `sid` in it for the session, so a token goes with a
		dummy (frappe/realtime/middlewares/authenticate.js).
		"""
		parts = urlsplit(self.url)
		token = self.http.headers.get("Authorization")
		cookies = {"socket": "1"} if token else {each.name: each.value for each in self.http.cookies.jar}
		headers = {"Cookie": "; ".join(f"{name}={value}" for name, value in cookies.items())}
		if token:
			headers["Authorization"] = token
		socket = socketio.SimpleClient(
			websocket_extra_options={"origin": f"{parts.scheme}://{parts.netloc}"},
		)
		socket.client_class = _Socket
		self._let_go_of_socket()
		try:
			socket.connect(
				self.socketio_url,
				headers=headers,
				namespace=f"/{self.site}",
				transports=["websocket"],
				wait_timeout=10,
			)
		except socketio.exceptions.ConnectionError as error:
			# A server that hangs up in the middle is tried again otherwise, with nobody listening.
			socket.client.shutdown()
			raise socketio.exceptions.ConnectionError(socket.client.refusal or str(error)) from None
		self._socket = socket
		threading.Thread(target=self._listen, args=(socket,), name="ai-assistant-socket", daemon=True).start()

	@property
	def socket(self) -> Any:
		"""The socketio.SimpleClient, None before `connect()`."""
		return self._socket

	def get(self, method: str, **params: Any) -> Any:
		"""The `message` of a GET method of `ai_assistant.api`. Raises ApiError."""
		path = f"/api/method/ai_assistant.api.{method}"
		try:
			response = self.http.get(path, params=params)
		except (httpx.ReadError, httpx.WriteError, httpx.RemoteProtocolError):
			# A kept connection may end just as it is used.
			response = self.http.get(path, params=params)
		return _checked(response)

	def post(self, method: str, **fields: Any) -> Any:
		"""The `message` of a POST method of `ai_assistant.api`. Raises ApiError."""
		return _checked(self.http.post(f"/api/method/ai_assistant.api.{method}", json=fields))

	def chat(self, messages: list[dict[str, Any]] | str, **fields: Any) -> "ChatStream":
		"""Asks. Iterate over the result for its events; its `answer` or `error` is there afterwards.

		`messages` may be one user message as a string; `fields` are those of chat_completion.
		"""
		if isinstance(messages, str):
			messages = [{"role": "user", "content": messages}]
		request_id = fields.pop("request_id", None) or str(uuid.uuid4())
		given = {name: value for name, value in fields.items() if value is not None}
		return ChatStream(self, {"messages": messages, "request_id": request_id, **given})

	@contextmanager
	def inbox(self, request_id: str) -> Iterator[Inbox]:
		"""Where the socket's messages with this id arrive, as pairs of their name and themselves."""
		inbox: Inbox = queue.SimpleQueue()
		self.put_into(inbox, request_id)
		try:
			yield inbox
		finally:
			self.put_no_more_into(inbox, request_id)

	def put_into(self, inbox: Inbox, request_id: str) -> None:
		"""As `inbox`, until it is told otherwise."""
		self._inboxes.setdefault(request_id, []).append(inbox)

	def put_no_more_into(self, inbox: Inbox, request_id: str) -> None:
		inboxes = self._inboxes.get(request_id, [])
		if inbox in inboxes:
			inboxes.remove(inbox)
		if not inboxes:
			self._inboxes.pop(request_id, None)

	def _listen(self, socket: Any) -> None:
		while self._socket is socket:
			try:
				name, message = socket.receive()
			except socketio.exceptions.SocketIOError:
				return
			if isinstance(message, dict):
				self._deliver(name, message)

	def _deliver(self, name: str, message: dict[str, Any]) -> None:
		for inbox in list(self._inboxes.get(str(message.get("request_id")), [])):
			inbox.put((name, message))


class _Socket(socketio.Client):
	"""One that keeps the words with which the server refused it: the exception has none (socketio/client.py)."""

	refusal: str | None = None
	_let_go = False

	def connect(self, url: str, namespaces: Any = None, **options: Any) -> None:
		if self._let_go:
			raise socketio.exceptions.ConnectionError("let go of")
		for namespace in namespaces:
			self.on("connect_error", self._keep_refusal, namespace=namespace)
		super().connect(url, namespaces=namespaces, **options)

	def shutdown(self) -> None:
		"""Ends it for good, whatever it is doing: between two attempts, and where one of them has just made it."""
		self._let_go, self.reconnection_attempts = True, 1
		super().shutdown()
		if self.connected:
			self.disconnect()

	def _keep_refusal(self, said: Any = None) -> None:
		self.refusal = str(said.get("message")) if isinstance(said, dict) else None


class ChatStream:
	"""One chat as its client sees it: its events in the order of `seq`, each once, and then the answer.

	It can be iterated over in parts, and again: what has been given is not given twice. Between two parts nothing is kept
	for it; what it misses is read from the journal.
	"""

	def __init__(self, client: Client, body: dict[str, Any]) -> None:
		self.request_id: str = body["request_id"]
		self.answer: dict[str, Any] | None = None
		"""The answer object, of a failed chat too; None where the request was refused or got no answer."""
		self.error: Exception | None = None
		"""ApiError where the server refused or the chat failed, httpx.HTTPError where it did not answer."""
		self.read_back = 0
		"""How many events the journal had to make good, because the socket did not bring them."""
		self._client = client
		self._inbox: Inbox = queue.SimpleQueue()
		self._listens = True
		self._next = 1
		self._early: dict[int, dict[str, Any]] = {}
		self._gap_until: float | None = None
		self._heard = time.monotonic()
		self._sid = client.socket.sid if client.socket else None
		# The socket is connected, and has not brought what the journal had.
		self._deaf = False
		self._ended = threading.Event()
		self._done = False
		self._answered = threading.Event()
		client.put_into(self._inbox, self.request_id)
		# One that is dropped without having been iterated over.
		weakref.finalize(self, client.put_no_more_into, self._inbox, self.request_id).atexit = False
		threading.Thread(target=self._post, args=(body,), name="ai-assistant-post", daemon=True).start()
		if not client.socket:
			threading.Thread(target=self._follow, name="ai-assistant-journal", daemon=True).start()

	def __iter__(self) -> Iterator[dict[str, Any]]:
		"""The events; an `ai_status` comes between them, as it is, with the type `ai_status`."""
		if not self._listens:
			self._listens = True
			self._client.put_into(self._inbox, self.request_id)
		try:
			yield from self._events()
		finally:
			self._client.put_no_more_into(self._inbox, self.request_id)
			# As after a socket's absence: what comes by meanwhile is missing.
			self._listens, self._sid = False, None

	def _events(self) -> Iterator[dict[str, Any]]:
		while not self._done:
			try:
				kind, found = self._inbox.get(timeout=self._patience())
			except queue.Empty:
				if self._all_is_well():
					continue
				self._gap_until, self._heard = None, time.monotonic()
				answered = self._answered.is_set()
				known = answered or bool(self._early)
				for event in self._from_journal():
					self._deaf = self._deaf or not known
					yield event
				# The journal was whole before the answer came: what it lacks will not come.
				self._done = answered
				continue
			self._heard = time.monotonic()
			self._deaf = False
			if kind == EVENT:
				yield from self._in_order(found)
			elif kind == STATUS:
				yield {"type": STATUS, **found}
			self._done = self._answered.is_set() and (
				self._ended.is_set() or not self.answer or not self.answer["realtime"]["last_seq"]
			)

	def wait(self) -> dict[str, Any]:
		"""The answer object, with the events left aside. Raises what `error` would hold."""
		for _event in self:
			pass
		if self.answer is None:
			raise self.error or AssertionError("a chat ends with an answer or an error")
		return self.answer

	def _patience(self) -> float:
		"""Seconds to wait for the next message before looking what is the matter."""
		if not self._early and not self._answered.is_set():
			return LOOK_S
		if self._gap_until is None:
			self._gap_until = time.monotonic() + (GAP_S if self._client.socket else 0.0)
		return max(0.0, self._gap_until - time.monotonic())

	def _all_is_well(self) -> bool:
		"""Whether nothing is missing and more may come by itself: what is late is with the provider."""
		if self._early or self._answered.is_set():
			return False
		socket = self._client.socket
		if not socket:
			return True
		# Cleared while it connects anew, and `connected` once it has given that up.
		there = socket.connected and socket.connected_event.is_set()
		# A connection has an id of its own: what came between two of them went by.
		before, self._sid = self._sid, socket.sid if there else self._sid
		silence = time.monotonic() - self._heard
		return (
			there
			and self._sid == before
			and not self._deaf
			and silence < (SILENCE_S if self._next > 1 else FIRST_S)
		)

	def _in_order(self, event: dict[str, Any]) -> Iterator[dict[str, Any]]:
		if event["seq"] >= self._next:
			self._early[event["seq"]] = event
		while found := self._early.pop(self._next, None):
			self._next += 1
			if found["type"] == "completion":
				self._ended.set()
			if not self._early and not self._answered.is_set():
				self._gap_until = None
			yield found

	def _from_journal(self) -> Iterator[dict[str, Any]]:
		try:
			found = self._client.get("get_events", request_id=self.request_id, after_seq=self._next - 1)
		except (ApiError, httpx.HTTPError):
			return
		for event in found["events"]:
			self.read_back += event["seq"] not in self._early
			yield from self._in_order(event)

	def _follow(self) -> None:
		"""In the place of a socket: the events as the journal gets them."""
		after = 0
		while not self._ended.is_set():
			try:
				found = self._client.get(
					"get_events", request_id=self.request_id, after_seq=after, wait=WAIT_S
				)
			except (ApiError, httpx.HTTPError, RuntimeError):
				# Not accepted yet, refused, the site is away, or httpx's client is closed: the POST will tell.
				if self._answered.wait(RETRY_S):
					return
				continue
			for event in found["events"]:
				self._inbox.put((EVENT, event))
				after = event["seq"]
			if not found["events"] and (found["status"] not in UNENDED or self._answered.wait(RETRY_S)):
				return

	def _post(self, body: dict[str, Any]) -> None:
		try:
			# Its id makes it safe: at most one of the two is accepted.
			if self._never_arrived(body):
				self._never_arrived(body)
		except Exception as error:
			# What cannot even be written as JSON: the one who iterates is told, and not left to wait.
			self.error = error
		finally:
			self._answered.set()
			self._inbox.put(("answer", None))

	def _never_arrived(self, body: dict[str, Any]) -> bool:
		"""Asks, and takes the answer or the error; whether the site has never heard of the request."""
		asked_before = self.error is not None
		try:
			answer = self._client.post("chat_completion", **body)
			self.answer, self.error = self._end_of(answer) if answer["status"] in UNENDED else answer, None
		except ApiError as error:
			self.error = error
			if error.answer.get("request_id"):
				self.answer = error.answer
			elif (error.status >= 500 and not error.answer) or (error.status == 409 and asked_before):
				# A proxy's page, or Frappe itself without its database: nobody knows what became of the request. Or it
				# had arrived after all.
				return self._recover()
		except httpx.HTTPError as error:
			self.error = error
			return self._recover()
		return False

	def _end_of(self, answer: dict[str, Any]) -> dict[str, Any]:
		"""The answer of a request that a worker runs, once it has ended: the completion says when."""
		while answer["status"] in UNENDED:
			self._ended.wait(SILENCE_S)
			answer = self._read()
		return answer

	def _recover(self) -> bool:
		"""Reads the answer back: a request goes on when the connection of its POST breaks. Whether there is no request."""
		until = time.monotonic() + RECOVER_S
		while time.monotonic() < until:
			try:
				found = self._read()
			except ApiError as error:
				return error.status == 404
			except RuntimeError:
				# This client has been closed.
				return False
			if found["status"] not in UNENDED:
				self.answer, self.error = found, None
				return False
			time.sleep(RETRY_S)
		return False

	def _read(self) -> dict[str, Any]:
		"""The answer object as the site has it. A site that is away has not lost the request for that."""
		try:
			answer: dict[str, Any] = self._client.get("get_request", request_id=self.request_id)
		except (ApiError, httpx.HTTPError) as error:
			if isinstance(error, ApiError) and error.status < 500:
				raise
			time.sleep(RETRY_S)
			return {"status": "running"}
		return answer


def _checked(response: httpx.Response) -> Any:
	try:
		body = response.json()
	except ValueError:
		body = None
	if response.is_error:
		raise ApiError(response.status_code, body)
	if not isinstance(body, dict) or "message" not in body:
		# A network's login page, or a proxy's: the site has not been reached.
		raise httpx.RemoteProtocolError(
			f"something else answers in the place of the site (HTTP {response.status_code})"
		)
	return body["message"]
